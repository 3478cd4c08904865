#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/nearest.h"
#include "optim/schedule.h"
#include "train/case_files.h"
#include "train/debug_cases.h"

namespace pawl {
namespace {

constexpr double kMaxSteps = 1e9;

Result<int> Steps(const Json& object, const char* key, const std::string& place) {
  PAWL_ASSIGN(const double value, JsonNumber(object, key, place));
  if (!(value >= 0 && value <= kMaxSteps) || std::floor(value) != value) {
    return BadFile(
        fmt::format("{}: \"{}\" is {}, expected a whole number of steps", place, key, value));
  }
  return static_cast<int>(value);
}

// What get_scheduler hands on to the schedule; the library refuses other options.
std::vector<std::string> OptionsOf(ScheduleType type) {
  switch (type) {
    case ScheduleType::kConstant:
    case ScheduleType::kConstantWithWarmup:
    case ScheduleType::kLinear:
      return {};
    case ScheduleType::kCosine:
    case ScheduleType::kCosineWithRestarts:
      return {"num_cycles"};
    case ScheduleType::kPolynomial:
      return {"lr_end", "power"};
    case ScheduleType::kInverseSqrt:
      return {"timescale"};
    case ScheduleType::kCosineWithMinLr:
      return {"num_cycles", "min_lr", "min_lr_rate"};
    case ScheduleType::kCosineWarmupWithMinLr:
      return {"num_cycles", "min_lr", "min_lr_rate", "warmup_lr_rate"};
    case ScheduleType::kWarmupStableDecay:
      return {"num_decay_steps", "num_stable_steps", "warmup_type",
              "decay_type",      "min_lr_ratio",     "num_cycles"};
  }
  return {};
}

Status ReadOption(const Json& options, const std::string& key, const std::string& place,
                  ScheduleConfig& out) {
  const char* name = key.c_str();
  if (key == "num_decay_steps" || key == "num_stable_steps" || key == "timescale") {
    PAWL_ASSIGN(const int steps, Steps(options, name, place));
    if (key == "num_decay_steps") {
      out.num_decay_steps = steps;
    } else if (key == "num_stable_steps") {
      out.num_stable_steps = steps;
    } else if (steps == 0) {
      return BadFile(place + ": \"timescale\" must be above 0");
    } else {
      out.timescale = steps;
    }
    return {};
  }
  if (key == "warmup_type" || key == "decay_type") {
    PAWL_ASSIGN((key == "warmup_type" ? out.warmup_type : out.decay_type),
                JsonString(options, name, place));
    return {};
  }
  PAWL_ASSIGN(const double value, JsonNumber(options, name, place));
  if (key == "num_cycles") {
    out.num_cycles = value;
    out.num_cycles_given = true;
  } else if (key == "lr_end") {
    out.lr_end = value;
  } else if (key == "power") {
    out.power = value;
  } else if (key == "min_lr") {
    out.min_lr = value;
  } else if (key == "min_lr_rate") {
    out.min_lr_rate = value;
  } else if (key == "warmup_lr_rate") {
    out.warmup_lr_rate = value;
  } else {
    out.min_lr_ratio = value;
  }
  return {};
}

Result<ScheduleConfig> ParseSchedule(const Json& line, const std::string& place) {
  ScheduleConfig config;
  PAWL_ASSIGN(const std::string name, JsonString(line, "name", place));
  PAWL_ASSIGN(config.type, ParseScheduleType(name));
  // A constant rate has neither warm-up nor options; the library passes over what it is given.
  if (config.type == ScheduleType::kConstant) return config;
  PAWL_ASSIGN(config.warmup_steps, Steps(line, "warmup", place));
  const Json options = line.contains("options") ? line.at("options") : Json();
  if (!options.is_null() && !options.is_object()) {
    return BadFile(place + ": \"options\" must be an object");
  }
  const std::vector<std::string> known = OptionsOf(config.type);
  for (const auto& [key, value] : options.items()) {
    if (value.is_null()) continue;  // as if not given
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      // These two get no options from get_scheduler.
      if (config.type == ScheduleType::kConstantWithWarmup ||
          config.type == ScheduleType::kInverseSqrt) {
        continue;
      }
      return BadFile(
          fmt::format("{}: {} has no option \"{}\"{}", place, name, key, DidYouMean(key, known)));
    }
    PAWL_TRY(ReadOption(options, key, place, config));
  }
  if (config.type == ScheduleType::kWarmupStableDecay && !options.contains("num_decay_steps")) {
    return BadFile(place + ": warmup_stable_decay needs \"num_decay_steps\"");
  }
  return config;
}

}  // namespace

Result<std::vector<double>> ScheduleRates(const Json& line, const std::string& place,
                                          std::size_t count) {
  PAWL_ASSIGN(const ScheduleConfig config, ParseSchedule(line, place));
  PAWL_ASSIGN(const double base, JsonNumber(line, "base_lr", place));
  std::optional<int> total;
  if (line.contains("total") && !line.at("total").is_null()) {
    PAWL_ASSIGN(total, Steps(line, "total", place));
  }
  std::vector<double> rates;
  for (std::size_t step = 0; step < count; ++step) {
    PAWL_ASSIGN(const double rate, LearningRate(config, base, static_cast<int>(step), total));
    rates.push_back(rate);
  }
  return rates;
}

Result<Json> DebugSchedule(const Json& line) {
  PAWL_ASSIGN(const std::vector<double> rates, ScheduleRates(line, "line", 101));
  return Json{{"lr", rates}};
}

}  // namespace pawl
