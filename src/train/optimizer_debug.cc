#include <fmt/format.h>

#include <cmath>

#include "checkpoint/safetensors.h"
#include "optim/adamw.h"
#include "train/case_files.h"
#include "train/debug_cases.h"

namespace pawl {
namespace {

constexpr long long kMaxSteps = 1'000'000, kMaxTensors = 100'000;

struct OptimizerCase {
  std::string name;
  std::size_t steps = 0;
  double max_norm = 0;
  std::vector<double> rates;          // per step
  std::vector<AdamWConfig> settings;  // per tensor
};

Result<std::vector<double>> Numbers(const Json& object, const char* key, std::size_t count,
                                    const std::string& place) {
  if (!object.contains(key) || !object.at(key).is_array() || object.at(key).size() != count) {
    return BadFile(fmt::format("{}: \"{}\" must list {} numbers", place, key, count));
  }
  std::vector<double> out;
  for (const Json& value : object.at(key)) {
    if (!value.is_number()) return BadFile(fmt::format("{}: \"{}\" must be numbers", place, key));
    out.push_back(value.get<double>());
  }
  return out;
}

Result<std::size_t> Count(const Json& json, const char* key, long long most,
                          const std::string& place) {
  PAWL_ASSIGN(const long long value, JsonInt(json, key, place));
  if (value < 0 || value > most) {
    return BadFile(fmt::format("{}: \"{}\" is {}, expected 0 to {}", place, key, value, most));
  }
  return static_cast<std::size_t>(value);
}

// The rate of every step: the schedule's where one is given.
Result<std::vector<double>> Rates(const Json& json, double base, std::size_t steps,
                                  const std::string& place) {
  const Json schedule = json.contains("schedule") ? json.at("schedule") : Json();
  if (schedule.is_null()) return std::vector<double>(steps, base);
  if (!schedule.is_object()) return BadFile(place + ": \"schedule\" must be an object or null");
  Json line = schedule;
  line["base_lr"] = base;
  auto rates = ScheduleRates(line, place, steps);
  if (!rates) return BadFile(rates.error().message);
  return rates;
}

Result<OptimizerCase> ParseCase(const Json& json, const std::string& file) {
  OptimizerCase out;
  PAWL_ASSIGN(out.name, JsonString(json, "name", file));
  const std::string place = file + ": case \"" + out.name + "\"";
  PAWL_ASSIGN(out.steps, Count(json, "steps", kMaxSteps, place));
  PAWL_ASSIGN(const std::size_t tensors, Count(json, "tensors", kMaxTensors, place));
  PAWL_ASSIGN(out.max_norm, OptionalNumber(json, "max_norm", 0, place));
  if (!json.contains("optimizer") || !json.at("optimizer").is_object()) {
    return BadFile(place + ": expected an object \"optimizer\"");
  }
  const Json& optimizer = json.at("optimizer");
  AdamWConfig config;
  PAWL_ASSIGN(const double rate, JsonNumber(optimizer, "lr", place));
  PAWL_ASSIGN(const std::vector<double> betas, Numbers(optimizer, "betas", 2, place));
  PAWL_ASSIGN(config.epsilon, JsonNumber(optimizer, "eps", place));
  PAWL_ASSIGN(config.weight_decay, OptionalNumber(optimizer, "weight_decay", 0, place));
  config.beta1 = betas[0];
  config.beta2 = betas[1];
  for (const double beta : betas) {
    if (!(beta >= 0 && beta < 1)) {
      return BadFile(fmt::format("{}: a beta of {}, expected 0 to below 1", place, beta));
    }
  }
  out.settings.assign(tensors, config);
  if (json.contains("weight_decay_per_tensor")) {
    PAWL_ASSIGN(const std::vector<double> decays,
                Numbers(json, "weight_decay_per_tensor", tensors, place));
    for (std::size_t i = 0; i < tensors; ++i) out.settings[i].weight_decay = decays[i];
  }
  PAWL_ASSIGN(out.rates, Rates(json, rate, out.steps, place));
  return out;
}

// One parameter with what a run over it needs.
struct Parameter {
  std::vector<std::size_t> trace_shape;  // [steps, ...]
  std::vector<float> weights, gradients, first_moment, second_moment, trace;

  std::span<const float> Gradient(std::size_t step) const {
    return std::span<const float>(gradients).subspan(step * weights.size(), weights.size());
  }
};

Result<Parameter> ReadParameter(const SafetensorsFile& file, const std::string& prefix,
                                std::size_t steps) {
  Parameter p;
  PAWL_ASSIGN(p.weights, file.ReadFloats(prefix + ".init"));
  PAWL_ASSIGN(p.gradients, file.ReadFloats(prefix + ".grads"));
  p.trace_shape = file.Find(prefix + ".init")->shape;
  p.trace_shape.insert(p.trace_shape.begin(), steps);
  if (file.Find(prefix + ".grads")->shape != p.trace_shape) {
    return BadFile(
        fmt::format("{}: tensor '{}.grads' has shape {}, expected {}", file.path().string(), prefix,
                    ShapeText(file.Find(prefix + ".grads")->shape), ShapeText(p.trace_shape)));
  }
  p.first_moment.resize(p.weights.size());
  p.second_moment.resize(p.weights.size());
  p.trace.reserve(p.gradients.size());
  return p;
}

Status RunCase(const OptimizerCase& c, const SafetensorsFile& file,
               std::vector<FloatTensor>& tensors) {
  std::vector<Parameter> parameters;
  for (std::size_t i = 0; i < c.settings.size(); ++i) {
    PAWL_ASSIGN(Parameter p, ReadParameter(file, fmt::format("{}/p{}", c.name, i), c.steps));
    parameters.push_back(std::move(p));
  }
  ThreadPool pool(1);
  std::vector<float> norms;
  for (std::size_t step = 0; step < c.steps; ++step) {
    double squares = 0;
    for (const Parameter& p : parameters) squares += SumOfSquares(p.Gradient(step), pool);
    const double norm = std::sqrt(squares);
    norms.push_back(static_cast<float>(norm));
    const auto scale = static_cast<float>(ClipFactor(norm, c.max_norm));
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      Parameter& p = parameters[i];
      const AdamWStep scalars =
          MakeAdamWStep(c.settings[i], c.rates[step], static_cast<std::int64_t>(step) + 1);
      AdamWUpdate(scalars, true, scale, p.weights, p.Gradient(step), p.first_moment,
                  p.second_moment);
      p.trace.insert(p.trace.end(), p.weights.begin(), p.weights.end());
    }
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    tensors.push_back({fmt::format("{}/p{}.param", c.name, i), parameters[i].trace_shape,
                       std::move(parameters[i].trace)});
  }
  tensors.push_back({c.name + "/grad_norm", {norms.size()}, std::move(norms)});
  return {};
}

}  // namespace

Status DebugOptimizer(const std::filesystem::path& folder, const std::filesystem::path& output) {
  const std::filesystem::path list = folder / "adamw.json";
  PAWL_ASSIGN(const Json cases, ReadCases(list));
  PAWL_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(folder / "adamw.safetensors"));
  std::vector<FloatTensor> tensors;
  for (const Json& json : cases) {
    PAWL_ASSIGN(const OptimizerCase c, ParseCase(json, list.string()));
    PAWL_TRY(RunCase(c, file, tensors));
  }
  return WriteSafetensors(output, std::move(tensors));
}

}  // namespace pawl
