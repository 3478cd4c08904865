// The settings of one stage, with Hugging Face / TRL 1.16 names and defaults except where said.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "grpo/loss.h"
#include "optim/schedule.h"

namespace pawl {

enum class TrainMethod {
  kSft,   // supervised fine-tuning on worked solutions
  kGrpo,  // group relative policy optimisation (DeepSeekMath, arXiv:2402.03300)
};

struct OptimizerSettings {
  double learning_rate = 1e-5;  // TRL's GRPO: 1e-6; LoRA and small models want more
  double weight_decay = 0.0;    // matrices only
  double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8;
  double max_grad_norm = 1.0;  // 0: no clipping
  ScheduleConfig schedule;     // lr_scheduler_type, warmup_steps, warmup_ratio, options
};

struct StageSettings {
  std::string name;
  TrainMethod method = TrainMethod::kGrpo;
  OptimizerSettings optimizer;
  double num_train_epochs = 2;
  int max_steps = -1;                   // > 0 replaces epochs
  int per_device_train_batch_size = 1;  // prompts (groups) a micro-batch, not completions
  int gradient_accumulation_steps = 4;  // micro-batches an optimizer step

  // GRPO
  int num_generations = 8;  // G
  int max_completion_length = 256;
  double temperature = 1.0;
  int num_iterations = 1;     // optimizer steps on one batch of rollouts
  GrpoLossConfig loss;        // loss_type, epsilon, beta, scale_rewards ...
  bool require_stop = false;  // a completion cut at the limit earns 0

  // SFT
  int tokens_per_batch = 0;  // > 0: fill each optimizer step up to so many tokens
};

}  // namespace pawl
