// One optimizer step: GRPO (rollout -> reward -> advantages -> loss -> backward -> AdamW) or SFT.
// Knows nothing about stages, gates or files.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/problem.h"
#include "reward/reward.h"
#include "rollout/generate.h"
#include "tokenizer/tokenizer.h"
#include "train/accumulate.h"
#include "train/settings.h"
#include "train/train_state.h"

namespace pawl {

// One prompt of a GRPO step.
struct PromptTask {
  const Problem* problem = nullptr;
  std::vector<std::int32_t> prompt;  // ids, the template applied
  std::uint64_t random_item = 0;     // its place in the random address; unique within a run
};

// One supervised document: targets are the ids whose weight is not 0 (weights[0] must be 0).
struct SftDocument {
  std::vector<std::int32_t> ids;
  std::vector<float> weights;  // one per id
};

// What happened in one step.
struct StepOutcome {
  Json metrics;                // flat name -> number, TRL's names (docs/METRICS.md)
  std::vector<Json> rollouts;  // one object a completion, for rollouts.jsonl; no times
  bool applied = false;        // false: no group carried signal, or the step was unhealthy
  bool healthy = true;         // false: loss, gradient or weights were not finite
  bool cancelled = false;      // stopped in the middle; nothing was changed
  double learning_rate = 0;
  double mean_reward = 0;
  std::size_t new_tokens = 0, trained_tokens = 0;
  double rollout_seconds = 0, train_seconds = 0;
};

class Trainer {
 public:
  // state, rewards and compute outlive the trainer.  total_steps: of the stage, for the schedule.
  // reference: the policy that beta's KL is measured against; null when beta is 0.
  Trainer(TrainState& state, const StageSettings& settings, int total_steps,
          const Tokenizer& tokenizer, const RewardSet& rewards, std::uint64_t seed,
          const Compute& compute);
  ~Trainer();

  // tasks: per_device_train_batch_size * gradient_accumulation_steps prompts (the last step of an
  // epoch may have fewer).  step counts from 0 within the stage.  cancelled is polled every decode
  // step.
  Result<StepOutcome> GrpoStep(std::span<const PromptTask> tasks, int step, const Policy* reference,
                               const std::function<bool()>& cancelled);
  Result<StepOutcome> SftStep(std::span<const SftDocument> documents, int step,
                              const std::function<bool()>& cancelled);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pawl
