#include "optim/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/nearest.h"
#include "kernels/math.h"

namespace pawl {
namespace {

constexpr std::array kNames = {
    std::pair{ScheduleType::kConstant, "constant"},
    std::pair{ScheduleType::kConstantWithWarmup, "constant_with_warmup"},
    std::pair{ScheduleType::kLinear, "linear"},
    std::pair{ScheduleType::kCosine, "cosine"},
    std::pair{ScheduleType::kCosineWithRestarts, "cosine_with_restarts"},
    std::pair{ScheduleType::kPolynomial, "polynomial"},
    std::pair{ScheduleType::kInverseSqrt, "inverse_sqrt"},
    std::pair{ScheduleType::kCosineWithMinLr, "cosine_with_min_lr"},
    std::pair{ScheduleType::kCosineWarmupWithMinLr, "cosine_warmup_with_min_lr"},
    std::pair{ScheduleType::kWarmupStableDecay, "warmup_stable_decay"}};

constexpr double kPi = 3.14159265358979323846;

// Share of the way from warm-up's end to the total; above 1 past it.
double Progress(double step, double warmup, double total) {
  return (step - warmup) / std::max(1.0, total - warmup);
}

double Shape(const std::string& type, double progress) {
  if (type == "linear") return progress;
  if (type == "cosine") return 0.5 * (1 - CosD(kPi * progress));
  return 1 - std::sqrt(1 - progress);  // "1-sqrt" rises as its decay falls
}

Result<double> WarmupStableDecay(const ScheduleConfig& c, double step, double warmup,
                                 std::optional<int> total) {
  for (const std::string& type : {c.warmup_type, c.decay_type}) {
    if (type != "linear" && type != "cosine" && type != "1-sqrt") {
      return Usage(fmt::format(
          "warmup_stable_decay: unknown shape \"{}\", known: linear, cosine, 1-sqrt", type));
    }
  }
  if (!total && !c.num_stable_steps) {
    return Usage("warmup_stable_decay: needs num_stable_steps where the total is unknown");
  }
  const double decay = c.num_decay_steps;
  const double stable =
      c.num_stable_steps ? *c.num_stable_steps : *total - warmup - decay;  // may be below 0
  const double span = 1 - c.min_lr_ratio;
  if (step < warmup) {
    return std::max(0.0,
                    Shape(c.warmup_type, step / std::max(1.0, warmup)) * span + c.min_lr_ratio);
  }
  if (step < warmup + stable) return 1.0;
  if (step >= warmup + stable + decay) return c.min_lr_ratio;
  const double progress = (step - warmup - stable) / std::max(1.0, decay);
  double factor = 0;
  if (c.decay_type == "linear") {
    factor = 1 - progress;
  } else if (c.decay_type == "cosine") {
    factor = 0.5 * (1 + CosD(kPi * c.num_cycles * 2 * progress));
  } else {
    factor = 1 - std::sqrt(progress);
  }
  return std::max(0.0, factor * span + c.min_lr_ratio);
}

Result<double> PolynomialFactor(const ScheduleConfig& c, double base_lr, double step, double warmup,
                                double total) {
  if (!(base_lr > c.lr_end)) {
    return Usage(
        fmt::format("polynomial: lr_end {} must be below the learning rate {}", c.lr_end, base_lr));
  }
  if (step < warmup) return step / std::max(1.0, warmup);
  if (step > total) return c.lr_end / base_lr;
  if (!(total > warmup)) {
    return Usage(
        fmt::format("polynomial: no step is left after {} of warm-up in {}", warmup, total));
  }
  const double shape = PowD(1 - (step - warmup) / (total - warmup), c.power);
  return ((base_lr - c.lr_end) * shape + c.lr_end) / base_lr;
}

Result<double> CosineMinFactor(const ScheduleConfig& c, double base_lr, double step, double warmup,
                               double total) {
  if (c.min_lr && c.min_lr_rate) {
    return Usage(
        fmt::format("{}: give one of min_lr and min_lr_rate, not both", ScheduleTypeName(c.type)));
  }
  if (!c.min_lr && !c.min_lr_rate) {
    return Usage(fmt::format("{}: needs min_lr or min_lr_rate", ScheduleTypeName(c.type)));
  }
  const double rate = c.min_lr ? *c.min_lr / base_lr : *c.min_lr_rate;
  // The second form counts steps from 1, so that its warm-up does not begin at 0.
  const bool from_one = c.type == ScheduleType::kCosineWarmupWithMinLr;
  if (step < warmup) {
    if (!from_one) return step / std::max(1.0, warmup);
    if (!c.warmup_lr_rate) return (step + 1) / std::max(1.0, warmup);
    return *c.warmup_lr_rate + (1 - *c.warmup_lr_rate) * step / std::max(1.0, warmup - 1);
  }
  const double progress = Progress(from_one ? step + 1 : step, warmup, total);
  const double cosine = 0.5 * (1 + CosD(kPi * c.num_cycles * 2 * progress));
  return std::max(0.0, cosine * (1 - rate) + rate);
}

Result<double> Factor(const ScheduleConfig& c, double base_lr, double step, double warmup,
                      std::optional<int> known_total) {
  if (c.type == ScheduleType::kConstant) return 1.0;
  if (c.type == ScheduleType::kWarmupStableDecay) {
    return WarmupStableDecay(c, step, warmup, known_total);
  }
  if (c.type == ScheduleType::kInverseSqrt) {
    if (step < warmup) return step / std::max(1.0, warmup);
    const double timescale = c.timescale > 0 ? c.timescale : warmup > 0 ? warmup : 10'000;
    return 1 / std::sqrt((step + (timescale - warmup)) / timescale);
  }
  if (c.type == ScheduleType::kConstantWithWarmup) {
    return step < warmup ? step / std::max(1.0, warmup) : 1.0;
  }
  if (!known_total) {
    return Usage(fmt::format("{}: needs the total number of steps", ScheduleTypeName(c.type)));
  }
  const double total = *known_total;
  // Whatever the options are, wrong ones are refused at step 0 too.
  if (step < warmup && c.type != ScheduleType::kPolynomial &&
      c.type != ScheduleType::kCosineWithMinLr && c.type != ScheduleType::kCosineWarmupWithMinLr) {
    return step / std::max(1.0, warmup);
  }
  const double progress = Progress(step, warmup, total);
  switch (c.type) {
    case ScheduleType::kLinear:
      return std::max(0.0, (total - step) / std::max(1.0, total - warmup));
    case ScheduleType::kCosine:
      return std::max(0.0, 0.5 * (1 + CosD(kPi * c.num_cycles * 2 * progress)));
    case ScheduleType::kCosineWithRestarts: {
      if (progress >= 1) return 0.0;
      const double turns = (c.num_cycles_given ? c.num_cycles : 1) * progress;
      return std::max(0.0, 0.5 * (1 + CosD(kPi * (turns - std::floor(turns)))));
    }
    case ScheduleType::kPolynomial:
      return PolynomialFactor(c, base_lr, step, warmup, total);
    default:
      return CosineMinFactor(c, base_lr, step, warmup, total);
  }
}

}  // namespace

Result<ScheduleType> ParseScheduleType(const std::string& name) {
  for (const auto& [type, known] : kNames) {
    if (name == known) return type;
  }
  return Usage(fmt::format("lr_scheduler_type: unknown \"{}\"{}", name,
                           DidYouMean(name, ScheduleTypeNames())));
}

const char* ScheduleTypeName(ScheduleType type) {
  for (const auto& [known, name] : kNames) {
    if (type == known) return name;
  }
  return "";
}

std::vector<std::string> ScheduleTypeNames() {
  std::vector<std::string> names;
  for (const auto& entry : kNames) names.emplace_back(entry.second);
  return names;
}

int WarmupSteps(const ScheduleConfig& c, std::optional<int> total) {
  if (c.warmup_steps > 0 || !total) return c.warmup_steps;
  return static_cast<int>(std::ceil(c.warmup_ratio * *total));
}

Result<double> LearningRate(const ScheduleConfig& config, double base_lr, int step,
                            std::optional<int> total) {
  const double warmup = WarmupSteps(config, total);
  PAWL_ASSIGN(const double factor, Factor(config, base_lr, step, warmup, total));
  return base_lr * factor;
}

}  // namespace pawl
