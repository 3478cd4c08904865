// What a run will need on this machine, from a short measurement: a few real steps of each stage
// and some answers to test problems, with the run's own model, data and settings; nothing is kept.
//
// Two things cannot be measured before training and are assumed: answers grow to the length of the
// reference solutions (where these are longer than the model's own answers), and half of the groups
// carry a signal (44 to 52 % of a stage's groups in recorded runs of configs/quickstart.toml); the
// interval goes from a quarter to all of them, and from today's answers to a quarter longer ones.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "pipeline/run_context.h"

namespace pawl {

struct Estimate {
  double value = 0, low = 0, high = 0;
};

struct StagePlan {
  std::string name, method;
  int steps = 0;
  double samples = 0;         // prompts, or supervised documents
  double answer_tokens = 0;   // assumed mean of a completion
  Estimate step_seconds;      // rollout, grading, training
  Estimate seconds;           // steps, validation, gate, files
  double peak_rss_bytes = 0;  // measured here up to and with this stage
  double cache_bytes = 0;     // on top, at most: caches if every answer reached its limit
  double disk_bytes = 0;      // logs and models of the stage
};

// What a gate can and cannot see, where `churn` of the problems change between two equal models.
struct GatePlanRow {
  double churn = 0;
  double detectable_points = 0;            // one-sided 5 %, 80 % power
  std::optional<double> false_rollback;    // of an unchanged model; threshold rule only
  std::optional<double> missed_10_points;  // passes although 10 points worse; threshold rule only
};

struct RunPlan {
  std::vector<StagePlan> stages;
  Estimate benchmark_seconds;  // base and final on the test problems
  Estimate seconds;
  double peak_rss_bytes = 0, disk_bytes = 0, state_bytes = 0;
  long long gate_problems = 0;
  std::string gate_rule;
  std::vector<GatePlanRow> gates;
  double measured_seconds = 0;  // that this plan took
};

// context: opened for the configuration; its state is as before afterwards.  budget: seconds to
// spend on measuring, about.
Result<RunPlan> MakePlan(RunContext& context, double budget);
Json PlanJson(const RunPlan& plan);
std::string PlanText(const RunPlan& plan);

}  // namespace pawl
