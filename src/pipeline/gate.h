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
struct PairedShares {
  double anchor = 0, candidate = 0;  // share of right answers
  double base = 0;                   // of the model the run began with; where the gate guards it
};
struct PairedOutcome : PairedShares {
  PairedShares greedy = {};  // of the greedy answer, where the plan wants it too
};

// How a gate wants the next problems answered.
struct GatePlan {
  int batch = 20;  // problems of the next batch
  int samples = 1;
  bool greedy = true;       // else at the training temperature
  bool greedy_too = false;  // and greedily besides
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
// (docs/MATH.md), against the anchor and, where guarded, against the base too, so that accepted
// losses cannot add up; with gate.greedy all of it for greedy answers too, one a problem, with
// twice the margins: a policy that training has made narrow may sample better than its anchor while
// its greedy answers, which users get, are worse.
//
// none: accepts.
struct GateContext {
  double anchor_accuracy = 0;  // sets the margin of non-inferiority
  int tests = 1;               // that share alpha: PlannedTests
  bool guard = false;          // the anchor is no longer the base
};
std::unique_ptr<Gate> MakeGate(const GateSection& config, const GateContext& context);

// Tests of "worse" that a run of so many stages can make: every attempt and every fraction of the
// soup is one against the anchor and one against the base, and as many with greedy answers.
int PlannedTests(const GateSection& config, int stages);

// Problems that a gate may ask, unless HOLDs have doubled its budget (NextGate).
int GateProblems(const GateSection& config);
// Answers that a gate asks of one model to one problem.
int AnswersPerProblem(const GateSection& config);
// Problems set aside for the gates of a run, where the data hold so many.
int GatePool(const GateSection& config);
// The settings of the gate that follows `holds` HOLDs in a row: after two the sequential rule's
// budget is doubled: what it could not tell twice it will hardly tell a third time.
GateSection NextGate(GateSection config, int holds);

// The drop (share of right answers) that so many problems find with probability 0.8 at a false
// alarm of 5 %, when `churn` of the problems change their outcome by chance: paired normal
// approximation, z = 2.486; k answers shrink the variance as in Miller, arXiv:2411.00640.
double DetectableDrop(const GateSection& config, double churn, long long problems);
// What the rule promises to notice: max_drop, or the margin.
double Tolerance(const GateSection& config, double anchor_accuracy);

// What stands in for numbers that a run has not measured yet: 20 % of answers change between two
// good models (evaluation literature: 10 to 40 %), and margins of models that solve 30 % and more.
inline constexpr double kUsualChurn = 0.2, kUsualAccuracy = 0.3;
// A sentence: the drop that the budget detects, the rule's tolerance, the problems it would need.
std::string GateReach(const GateSection& config);

}  // namespace pawl
