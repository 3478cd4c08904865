#include "plan/plan.h"

#include <algorithm>
#include <cmath>

#include "base/process.h"
#include "pipeline/gate.h"
#include "pipeline/run_clock.h"
#include "plan/measure.h"
#include "stats/threshold_rule.h"

namespace pawl {
namespace {

// Assumptions; the header says where they come from.
constexpr double kTrainedShare = 0.5, kTrainedLow = 0.25, kTrainedHigh = 1.0;
constexpr double kLongerHigh = 1.25;
constexpr double kMachineSpread = 0.1;  // of one run's timing to the next on a quiet machine

Estimate operator+(const Estimate& a, const Estimate& b) {
  return {a.value + b.value, a.low + b.low, a.high + b.high};
}
Estimate operator*(double k, const Estimate& e) { return {k * e.value, k * e.low, k * e.high}; }

// Mean tokens of the reference solutions of a stage's problems, the stop token included; 0 where
// there are none.
double SolutionTokens(const RunContext& x, const std::string& stage) {
  const auto found = x.data.train.find(stage);
  if (found == x.data.train.end()) return 0;
  double sum = 0, count = 0;
  for (const Problem& problem : found->second.problems()) {
    if (problem.solution.empty()) continue;
    sum += static_cast<double>(x.tokenizer->Encode(problem.solution, ControlTokens::kPlain).size() +
                               1);
    if (++count >= 200) break;
  }
  return count > 0 ? sum / count : 0;
}

struct Answers {
  double now = 0, expected = 0, high = 0;  // tokens
};
Answers ExpectedAnswers(const RunContext& x, const StageConfig& stage, double now) {
  const double limit = stage.max_completion_length;
  const double expected = std::min(limit, std::max(now, SolutionTokens(x, stage.name)));
  return {now, expected, std::min(limit, kLongerHigh * expected)};
}

Estimate StepEstimate(const StageConfig& stage, const StepCost& cost, const Answers& answers) {
  if (stage.method == "sft" || answers.now <= 0) {
    const double s = cost.rollout_seconds + cost.train_seconds + cost.other_seconds;
    return {s, s * (1 - kMachineSpread), s * (1 + kMachineSpread)};
  }
  // Prompts are trained on once a group; what grows with the answers is the rest.
  const auto at = [&](double tokens, double share) {
    const double longer = tokens / answers.now;
    return cost.rollout_seconds * longer + cost.train_seconds * share * longer + cost.other_seconds;
  };
  return {at(answers.expected, kTrainedShare), at(answers.now, kTrainedLow) * (1 - kMachineSpread),
          at(answers.high, kTrainedHigh) * (1 + kMachineSpread)};
}

double AdapterParameters(RunContext& x) {
  double count = 0;
  for (const FlatParameter& p : x.state.Trained()) count += static_cast<double>(p.values.size());
  return count;
}

double CacheBytes(const RunContext& x, const StageConfig& stage) {
  const ModelConfig& c = x.state.model.config;
  return 2.0 * static_cast<double>(c.num_hidden_layers) *
         static_cast<double>(c.num_key_value_heads) * static_cast<double>(c.head_dim) * 4 *
         stage.max_completion_length * stage.rollout_batch;
}

std::vector<GatePlanRow> GateRows(const GateSection& gate, long long problems) {
  std::vector<GatePlanRow> rows;
  for (const double churn : {0.1, 0.2, 0.4}) {
    GatePlanRow row;
    row.churn = churn;
    row.detectable_points = 100 * DetectableDrop(gate, churn, problems);
    if (gate.rule == "threshold") {
      row.false_rollback = ThresholdFalseAlarm(problems, gate.max_drop, churn);
      const double lose = churn / 2 + 0.05, win = std::max(0.0, churn / 2 - 0.05);
      if (const auto seen = ThresholdRollback(problems, gate.max_drop, lose, win)) {
        row.missed_10_points = 1 - *seen;
      }
    }
    rows.push_back(row);
  }
  return rows;
}

// Answers of validation and gate of one stage.
double CheckAnswers(const RunContext& x, const StageConfig& stage, int steps,
                    double gate_problems) {
  const double validations =
      1 + (stage.eval_steps > 0 ? std::ceil(steps * 1.0 / stage.eval_steps) : 1.0);
  const auto train = x.data.train.find(stage.name);
  const double filter = FiltersByDifficulty(stage) && train != x.data.train.end()
                            ? static_cast<double>(train->second.size()) * stage.filter_samples
                            : 0;
  const GateSection& gate = x.config.gate;
  const double checks = gate.rule == "threshold" && gate.check_steps > 0
                            ? (steps - 1) / gate.check_steps * gate_problems
                            : 0;
  return filter + checks + validations * static_cast<double>(x.data.validation.size()) +
         2 * gate_problems * AnswersPerProblem(x.config.gate);
}

}  // namespace

Result<RunPlan> MakePlan(RunContext& x, double budget) {
  const double begun = SteadySeconds();
  RunPlan plan;
  const RunConfig& c = x.config;
  const double part = budget / static_cast<double>(c.stages.size() + 1);
  const StageConfig& last = c.stages.back();
  const int longest = LongestCompletion(c);
  // A first small measurement decides how many problems fit into the budget.
  PAWL_ASSIGN(const AnswerCost probe, MeasureAnswers(x, false, last.temperature, longest, 8));
  const auto fit =
      static_cast<std::size_t>(std::clamp(part / 2 / std::max(1e-6, probe.seconds), 8.0, 128.0));
  PAWL_ASSIGN(const AnswerCost greedy, MeasureAnswers(x, true, 1, longest, fit));
  PAWL_ASSIGN(const AnswerCost sampled, MeasureAnswers(x, false, last.temperature, longest, fit));

  plan.gate_rule = c.gate.rule;
  plan.gate_problems = GateProblems(c.gate);
  if (plan.gate_problems > 0) plan.gates = GateRows(c.gate, plan.gate_problems);
  const double trained = AdapterParameters(x);
  double answer_tokens = 0;
  for (std::size_t s = 0; s < c.stages.size(); ++s) {
    const StageConfig& stage = c.stages[s];
    StagePlan row;
    row.name = stage.name;
    row.method = stage.method;
    row.steps = PlannedSteps(x, s);
    row.samples = static_cast<double>(row.steps) * stage.per_device_train_batch_size *
                  stage.gradient_accumulation_steps;
    PAWL_ASSIGN(const StepCost cost, MeasureSteps(x, s, part));
    const Answers answers = ExpectedAnswers(x, stage, cost.answer_tokens);
    row.answer_tokens = answers.expected;
    row.step_seconds = StepEstimate(stage, cost, answers);
    const double check = CheckAnswers(x, stage, row.steps, static_cast<double>(plan.gate_problems));
    const double each = sampled.seconds / std::max(1.0, sampled.tokens);
    const Estimate checks{check * each * std::max(sampled.tokens, answers.expected),
                          check * each * std::min(sampled.tokens, answers.expected),
                          check * each * std::max(sampled.tokens, answers.high)};
    row.seconds = static_cast<double>(row.steps) * row.step_seconds + checks;
    row.peak_rss_bytes = static_cast<double>(PeakResidentBytes());
    row.cache_bytes = stage.method == "sft" ? 0 : CacheBytes(x, stage);
    row.disk_bytes = 2 * 4 * trained + 700.0 * row.steps +
                     cost.rollout_line_bytes * row.samples * stage.num_generations;
    answer_tokens = std::max(answer_tokens, answers.expected);
    plan.seconds = plan.seconds + row.seconds;
    plan.disk_bytes += row.disk_bytes;
    plan.stages.push_back(std::move(row));
  }
  const double n = static_cast<double>(x.data.test.size());
  const double base = n * (greedy.seconds + c.benchmark.samples * sampled.seconds);
  // The final model's answers are as long as the last stages'.
  const double per_token = sampled.seconds / std::max(1.0, sampled.tokens);
  const double after =
      n * (1 + c.benchmark.samples) * per_token * std::max(sampled.tokens, answer_tokens * 2 / 3);
  plan.benchmark_seconds = {base + after, 2 * base * (1 - kMachineSpread),
                            (base + 1.5 * after) * (1 + kMachineSpread)};
  plan.seconds = plan.seconds + plan.benchmark_seconds;
  plan.state_bytes = 2 * 4 * 3 * 4 * trained;  // two checkpoints of up to four snapshots
  plan.disk_bytes += plan.state_bytes + 4 * trained;
  plan.peak_rss_bytes = static_cast<double>(PeakResidentBytes());
  plan.measured_seconds = SteadySeconds() - begun;
  return plan;
}

}  // namespace pawl
