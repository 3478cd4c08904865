#include "plan/measure.h"

#include <algorithm>
#include <cmath>

#include "pipeline/documents.h"
#include "pipeline/prompt_batch.h"
#include "pipeline/run_clock.h"

namespace pawl {
namespace {

constexpr int kMostSteps = 6;

// Keeps the trained state as it was.
class StateGuard {
 public:
  explicit StateGuard(TrainState& state) : state_(state), before_(TakeSnapshot(state)) {}
  ~StateGuard() { RestoreSnapshot(before_, state_); }
  StateGuard(const StateGuard&) = delete;
  StateGuard& operator=(const StateGuard&) = delete;

 private:
  TrainState& state_;
  TrainSnapshot before_;
};

Result<StepOutcome> OneStep(RunContext& x, std::size_t stage, Trainer& trainer, int step,
                            std::uint64_t& next_document) {
  if (x.config.stages[stage].method == "sft") {
    PAWL_ASSIGN(const auto documents, NextDocuments(x, stage, next_document));
    return trainer.SftStep(documents, step);
  }
  Json unknown = Json::object();
  const auto choices = ChoosePrompts(x, stage, step, PlannedSteps(x, stage), PassRates(unknown));
  PromptBatch batch;
  PAWL_ASSIGN(const auto tasks, AddTasks(x, choices, std::uint64_t{1} << 55, batch));
  StepHooks hooks;
  hooks.cancelled = [&x] { return x.Stopped(); };
  // With beta > 0 the reference is the state at hand: it costs what the real one will.
  const Policy reference = x.state.policy();
  // Every second answer is called right, so that every group is trained on: a model that is always
  // wrong would hide what training costs.
  const Grader real = GraderOf(x, batch.problems);
  std::size_t answers = 0;
  const Grader grader = [&](std::size_t task, const Completion& completion) {
    GradedCompletion graded = real(task, completion);
    const bool right = answers++ % 2 == 0;
    for (std::size_t r = 0; r < graded.rewards.size(); ++r) {
      graded.rewards[r] = right && x.rewards->weights()[r] > 0 ? 1 : 0;
    }
    return graded;
  };
  return trainer.GrpoStep(tasks, step, grader,
                          x.config.stages[stage].beta > 0 ? &reference : nullptr, hooks);
}

void AddOutcome(const StepOutcome& o, double seconds, StepCost& sum) {
  sum.rollout_seconds += o.rollout_seconds;
  sum.train_seconds += o.train_seconds;
  sum.other_seconds += std::max(0.0, seconds - o.rollout_seconds - o.train_seconds);
  const auto metric = [&](const char* key) {
    return o.metrics.contains(key) && o.metrics.at(key).is_number()
               ? o.metrics.at(key).get<double>()
               : 0.0;
  };
  sum.answer_tokens += metric("completions/mean_length");
  for (const Json& line : o.rollouts) {
    sum.rollout_line_bytes +=
        static_cast<double>(WriteJson(line).size() + 1) / static_cast<double>(o.rollouts.size());
  }
  ++sum.steps;
}

}  // namespace

Result<StepCost> MeasureSteps(RunContext& x, std::size_t stage, double budget) {
  const StateGuard guard(x.state);
  PAWL_ASSIGN(const StageSettings settings, ToSettings(x.config.stages[stage]));
  const int total = std::max(1, PlannedSteps(x, stage));
  Trainer trainer(x.state, settings, total, RewardNames{x.rewards->names(), x.rewards->weights()},
                  x.config.run.seed, *x.compute);
  StepCost sum;
  std::vector<double> seconds;
  std::uint64_t next_document = 0;
  const double begun = SteadySeconds();
  // The first step allocates; it counts only where there is time for no other.
  for (int step = 0; step < std::min(total, kMostSteps); ++step) {
    const double start = SteadySeconds();
    PAWL_ASSIGN(const StepOutcome outcome, OneStep(x, stage, trainer, step, next_document));
    const double took = SteadySeconds() - start;
    if (step == 1) {
      sum = {};
      seconds.clear();
    }
    AddOutcome(outcome, took, sum);
    seconds.push_back(took);
    if (SteadySeconds() - begun + took > budget) break;
  }
  const double n = sum.steps;
  for (double* value : {&sum.rollout_seconds, &sum.train_seconds, &sum.other_seconds,
                        &sum.answer_tokens, &sum.rollout_line_bytes}) {
    *value /= n;
  }
  double mean = 0, square = 0;
  for (const double s : seconds) mean += s / n;
  for (const double s : seconds) square += (s - mean) * (s - mean);
  if (n > 1 && mean > 0) sum.spread = std::sqrt(square / (n - 1)) / mean;
  return sum;
}

Result<AnswerCost> MeasureAnswers(const RunContext& x, bool greedy, double temperature,
                                  int max_new_tokens, std::size_t problems) {
  // Not the test problems: only the final figures see them.
  const auto& known = x.data.validation.problems();
  const auto some = std::span<const Problem>(known).first(std::min(problems, known.size()));
  MeasureOptions options;
  options.greedy = greedy;
  options.temperature = temperature;
  options.max_new_tokens = max_new_tokens;
  options.first_item = std::uint64_t{1} << 54;
  const double begun = SteadySeconds();
  PAWL_ASSIGN(const Evaluation evaluation, Measure(x, some, options));
  AnswerCost cost;
  const double n = std::max<double>(1, static_cast<double>(evaluation.Answers()));
  cost.seconds = (SteadySeconds() - begun) / n;
  cost.tokens = evaluation.MeanTokens();
  return cost;
}

}  // namespace pawl
