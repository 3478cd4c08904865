// The parts of Trainer.  Private to train/.
#pragma once

#include <chrono>

#include "train/samples.h"
#include "train/trainer.h"
#include "train/update.h"

namespace pawl {

inline double Now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

struct Trainer::Impl {
  TrainState& state;
  StageSettings settings;
  RewardNames rewards;
  std::uint64_t seed;
  const Compute& compute;
  Updater updater;
  TrainBuffersPtr buffers;
  AccumulateOptions accumulate;

  Impl(TrainState& s, const StageSettings& given, int total_steps, RewardNames names,
       std::uint64_t run_seed, const Compute& c);

  std::vector<GroupTask> Groups(std::span<const PromptTask> tasks, std::vector<Sample>& samples,
                                std::span<const std::size_t> kept, bool training);
  // False: cancelled.
  bool Score(const Policy& policy, std::span<const PromptTask> tasks, std::vector<Sample>& samples,
             std::span<const std::size_t> kept, std::vector<float> Sample::*into);
  Result<std::vector<Sample>> Gather(std::vector<PromptTask>& tasks, const Grader& grader,
                                     const StepHooks& hooks, StepOutcome& outcome);
  // Sets the advantages and the metrics that go with them.
  void Advantage(std::span<Sample> samples, StepOutcome& outcome);
  void Describe(std::span<const PromptTask> tasks, std::span<const Sample> samples, int step,
                StepOutcome& outcome);
  std::vector<std::size_t> TrainedTasks(std::span<const Sample> samples, std::size_t tasks) const;
  Status Iteration(std::span<const PromptTask> tasks, std::vector<Sample>& samples,
                   std::span<const std::size_t> kept, int step, const StepHooks& hooks,
                   StepOutcome& outcome);
  Status Update(int step, const StepHooks& hooks, StepOutcome& outcome);
  LossOutput LossOf(std::span<Sample*> batch, const LossScale& scale);
  // Everything behind the rollout.
  Status Train(std::span<const PromptTask> tasks, std::vector<Sample>& samples, int step,
               const Policy* reference, const StepHooks& hooks, StepOutcome& outcome);
};

}  // namespace pawl
