// The settings of one stage that an optimizer step needs, with Hugging Face / TRL 1.16 names and
// defaults except where said.
#pragma once

#include <cstdint>
#include <string>

#include "grpo/advantages.h"
#include "grpo/loss.h"
#include "optim/adamw.h"
#include "optim/schedule.h"

namespace pawl {

enum class TrainMethod {
  kSft,   // supervised fine-tuning on worked solutions
  kGrpo,  // group relative policy optimisation (DeepSeekMath, arXiv:2402.03300)
};

struct OptimizerSettings {
  double learning_rate = 1e-5;  // TRL's GRPO: 1e-6; LoRA and small models want more
  AdamWConfig adamw;           // adam_beta1, adam_beta2, adam_epsilon, weight_decay (matrices only)
  double max_grad_norm = 1.0;  // 0: no clipping
  double l2_sp = 0;            // decay towards the stage's start (Li et al. 2018, arXiv:1802.01483)
  ScheduleConfig schedule;     // lr_scheduler_type, warmup_steps, warmup_ratio, lr_scheduler_kwargs
};

struct StageSettings {
  TrainMethod method = TrainMethod::kGrpo;
  OptimizerSettings optimizer;
  int per_device_train_batch_size = 1;  // prompts (groups) a micro-batch, not completions
  int gradient_accumulation_steps = 4;  // micro-batches an optimizer step

  // Keep only the inputs of layers and run each layer forward again in the backward pass: a tenth
  // of the activations for a third more arithmetic, the same bits.
  bool gradient_checkpointing = false;

  // GRPO
  int num_generations = 8;  // G
  int max_completion_length = 256;
  double temperature = 1.0;
  int num_iterations = 1;  // optimizer steps on one batch of rollouts
  GrpoLossConfig loss;     // loss_type, epsilon, beta ...
  ScaleRewards scale_rewards = ScaleRewards::kGroup;
  RewardAggregation multi_objective_aggregation = RewardAggregation::kSumThenNormalize;
  int max_refills = 0;     // dynamic sampling: further rounds of prompts in place of groups without
                           // signal (DAPO, arXiv:2503.14476)
  int rollout_batch = 64;  // sequences decoded together; changes speed, not results
};

}  // namespace pawl
