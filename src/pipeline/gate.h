// Gates decide what happens to a stage's candidate: paired outcomes in, a decision with its
// evidence out.
//
// To add a rule: derive from Gate, add it to MakeGate and to the choices of gate.rule.
#pragma once

#include <memory>
#include <string>

#include "base/json.h"
#include "pipeline/config.h"
#include "stats/compare.h"

namespace pawl {

enum class GateDecision { kAccept, kRollback, kKeepTesting, kHold };
const char* GateDecisionName(
    GateDecision decision);  // "accept", "rollback", "keep_testing", "hold"

// One problem answered by both models with the same random numbers.
struct PairedOutcome {
  double anchor = 0, candidate = 0;  // share of right answers
};

// How a gate wants the next problems answered.
struct GatePlan {
  int batch = 20;  // problems of the next batch
  int samples = 1;
  bool greedy = true;  // else at the training temperature
};

class Gate {
 public:
  virtual ~Gate() = default;
  virtual GatePlan Plan() const = 0;
  virtual void Add(const PairedOutcome& outcome) = 0;
  // Called after each batch; exhausted: no problems are left.
  virtual GateDecision Decide(bool exhausted) = 0;
  virtual Json Evidence() const = 0;
};

// threshold: roll back when 100 * (losses - wins) > max_drop * N, after N problems, greedy.
// fixed: one look at N problems with k answers each: roll back when the 95 % interval of the
// difference lies below 0, accept when it lies above -margin, else hold.
// sequential: betting e-processes for "worse" and "not worse by more than the margin"
// (docs/MATH.md); gates: how many the run plans, since they share alpha.
// none: accepts.
std::unique_ptr<Gate> MakeGate(const GateSection& config, int gates, double anchor_accuracy);

}  // namespace pawl
