// Learning-rate schedules with the names, options and behaviour of Hugging Face transformers'
// get_scheduler.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace pawl {

enum class ScheduleType {
  kConstant,
  kConstantWithWarmup,
  kLinear,
  kCosine,
  kCosineWithRestarts,
  kPolynomial,
  kInverseSqrt,
  kCosineWithMinLr,
  kCosineWarmupWithMinLr,  // its warm-up starts above 0
  kWarmupStableDecay,
};
Result<ScheduleType> ParseScheduleType(const std::string& name);
const char* ScheduleTypeName(ScheduleType type);
std::vector<std::string> ScheduleTypeNames();

struct ScheduleConfig {
  ScheduleType type = ScheduleType::kLinear;
  int warmup_steps = 0;
  double warmup_ratio = 0;  // of the total, when warmup_steps is 0 (rounded up)
  double num_cycles = 0.5;  // cosine: 0.5; cosine_with_restarts: whole numbers, 1 by default
  bool num_cycles_given = false;
  double lr_end = 1e-7, power = 1.0;          // polynomial
  int timescale = 0;                          // inverse_sqrt; 0: warmup steps or 10,000
  std::optional<double> min_lr, min_lr_rate;  // cosine_with_min_lr, cosine_warmup_with_min_lr
  std::optional<double> warmup_lr_rate;       // cosine_warmup_with_min_lr; absent: 1 / warmup
  int num_decay_steps = 0;                    // warmup_stable_decay
  std::optional<int> num_stable_steps;        // computed from the total when absent
  std::string warmup_type = "linear", decay_type = "cosine";  // "linear", "cosine", "1-sqrt"
  double min_lr_ratio = 0;
};

// The learning rate of optimizer step `step`, counted from 0.  total: steps planned; past it the
// schedule continues as the library does.  kUsage for options that the library refuses.
Result<double> LearningRate(const ScheduleConfig& config, double base_lr, int step,
                            std::optional<int> total);
int WarmupSteps(const ScheduleConfig& config, std::optional<int> total);

}  // namespace pawl
