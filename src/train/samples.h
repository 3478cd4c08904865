// The completions of one GRPO step on their way from the sampler to the loss.  Private to train/.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "grpo/metrics.h"
#include "train/trainer.h"

namespace pawl {

struct Sample {
  std::size_t task = 0;  // index into the step's tasks
  Completion completion;
  GradedCompletion graded;
  double advantage = 0;
  bool masked = false;           // truncated, with mask_truncated_completions
  std::vector<float> log_probs;  // of the policy as it is now
  std::vector<float> reference;  // of the reference, with beta
  std::vector<float> dloss_dlogp, trained_log_probs, entropies;

  bool truncated() const { return completion.finish_reason == FinishReason::kLength; }
};

struct RolloutBatch {
  std::vector<Sample> samples;  // task by task, num_generations each; empty when stopped
  bool stopped = false;
  std::size_t new_tokens = 0;
};
// Completions at the training temperature, graded.  hooks.cancelled is polled every decode step.
Result<RolloutBatch> RollOut(const TrainState& state, const StageSettings& settings,
                             std::uint64_t seed, const Compute& compute,
                             std::span<const PromptTask> tasks, const Grader& grader,
                             const StepHooks& hooks);

// Completions graded, task by task.
std::vector<Sample> GradeAll(const StageSettings& settings, const Grader& grader,
                             std::vector<std::vector<Completion>> completions);

// Sets the advantages; returns the metrics of the batch.
NamedNumbers AssignAdvantages(const StageSettings& settings, const RewardNames& rewards,
                              std::span<Sample> samples);

// Tasks with an unmasked completion whose advantage is not 0, in order.
std::vector<std::size_t> TasksWithSignal(std::span<const Sample> samples, std::size_t tasks);

// Whether a completion ends in a loop: its last tokens, 16 or more, are one period of at most 16
// tokens at least four times over.
bool EndsInLoop(std::span<const std::int32_t> ids);

// Of more tasks than a step has, keeps `wanted`: those with signal first.  size: completions of
// each.
void CutTo(std::size_t wanted, std::size_t size, std::vector<PromptTask>& tasks,
           std::vector<Sample>& samples);

// A line of rollouts.jsonl.  index: of the completion in its group.
Json RolloutJson(const PromptTask& task, std::size_t index, const Sample& sample, int step);

}  // namespace pawl
