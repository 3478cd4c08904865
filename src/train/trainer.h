// One optimizer step: GRPO (rollout -> reward -> advantages -> loss -> backward -> AdamW) or SFT.
// Knows nothing about text, stages, gates or files: whoever calls it grades completions.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "rollout/generate.h"
#include "train/accumulate.h"
#include "train/settings.h"
#include "train/train_state.h"

namespace pawl {

// One prompt of a GRPO step.
struct PromptTask {
  std::string id;                    // the problem's, for rollouts.jsonl
  std::vector<std::int32_t> prompt;  // ids, the template applied
  std::uint64_t random_item = 0;     // its place in the random address; unique within a run
};

// What a completion is worth.
struct GradedCompletion {
  std::string text;
  std::vector<double> rewards;  // one per reward function; NaN: it gave no value
  bool correct = false;
  bool answered = false;  // an answer was found, right or wrong
};
// task: index into the step's tasks.  Called from one thread.
using Grader = std::function<GradedCompletion(std::size_t task, const Completion& completion)>;

// One supervised document: targets are the ids whose weight is not 0 (weights[0] must be 0).
struct SftDocument {
  std::vector<std::int32_t> ids;
  std::vector<float> weights;  // one per id
};

// What happened in one step.
struct StepOutcome {
  Json metrics = Json::object();   // flat name -> number (docs/METRICS.md)
  std::vector<Json> rollouts;      // one object a completion, for rollouts.jsonl; no times
  std::vector<double> pass_rates;  // per task, refills last: share of its correct completions
  bool applied = false;            // false: no group carried signal, or the step was unhealthy
  bool healthy = true;     // false: loss, gradient or weights were not finite; nothing was changed
  bool cancelled = false;  // stopped in the middle; nothing was changed
  std::string tripped;     // the tripwire that kept the update from being applied
  double learning_rate = 0, mean_reward = 0, accuracy = 0;
  std::size_t new_tokens = 0, trained_tokens = 0;
  double rollout_seconds = 0, train_seconds = 0;
};

// The names and weights of the reward functions that the grader evaluates.
struct RewardNames {
  std::vector<std::string> names;
  std::vector<double> weights;
};

// What a step asks of whoever runs the stage.
struct StepHooks {
  // Looked at every decode step and between passes of the training part; a step that is cancelled
  // changes nothing.
  std::function<bool()> cancelled = {};
  CompletionJournal* journal = nullptr;  // of finished rollout groups
  // Looks at all metrics before the update: a text names the tripwire that the step tripped, and
  // the update is left out.
  std::function<std::string(const Json& metrics)> tripwire = {};
  // With settings.max_refills: further prompts, numbered on from the step's tasks for the grader.
  std::function<Result<std::vector<PromptTask>>(std::size_t count)> refill = {};
};

class Trainer {
 public:
  // state and compute outlive the trainer.  total_steps: of the stage, for the schedule.
  Trainer(TrainState& state, const StageSettings& settings, int total_steps, RewardNames rewards,
          std::uint64_t seed, const Compute& compute);
  ~Trainer();

  // tasks: per_device_train_batch_size * gradient_accumulation_steps prompts (the last step of an
  // epoch may have fewer).  step counts from 0 within the stage.  reference: what beta's KL is
  // measured against; null when beta is 0.
  Result<StepOutcome> GrpoStep(std::span<const PromptTask> tasks, int step, const Grader& grader,
                               const Policy* reference, const StepHooks& hooks = {});
  // The same step on completions made beforehand, num_generations a task: completions[task][i].
  // Those without log_probs count as the policy's own; it scores them first.  Ids must lie in the
  // vocabulary.
  Result<StepOutcome> GrpoStepOn(std::span<const PromptTask> tasks,
                                 std::vector<std::vector<Completion>> completions, int step,
                                 const Grader& grader, const Policy* reference);
  Result<StepOutcome> SftStep(std::span<const SftDocument> documents, int step,
                              const StepHooks& hooks = {});
  // For settings.optimizer.l2_sp: parameters of a snapshot, which outlives the trainer.
  void PullTowards(const std::vector<std::vector<float>>* start);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
