#include "train/debug_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/file.h"
#include "base/file_system.h"
#include "checkpoint/safetensors.h"
#include "grpo/advantages.h"
#include "grpo/loss.h"
#include "optim/adamw.h"
#include "optim/schedule.h"

namespace pawl {
namespace {

Result<Json> ReadCases(const std::filesystem::path& file) {
  PAWL_ASSIGN(const std::string text, ReadFile(file));
  PAWL_ASSIGN(const Json json, ParseJson(text, file.string()));
  if (!json.is_object() || !json.contains("cases") || !json.at("cases").is_array()) {
    return BadFile(file.string() + ": expected a list \"cases\"");
  }
  return json.at("cases");
}

Result<double> OptionalNumber(const Json& object, const char* key, double fallback,
                              const std::string& place) {
  if (!object.contains(key) || object.at(key).is_null()) return fallback;
  return JsonNumber(object, key, place);
}

Result<GrpoLossConfig> LossConfig(const Json& c, const std::string& place) {
  GrpoLossConfig out;
  PAWL_ASSIGN(const std::string type, JsonString(c, "loss_type", place));
  PAWL_ASSIGN(out.loss_type, ParseLossType(type));
  PAWL_ASSIGN(const std::string level, JsonString(c, "importance_sampling_level", place));
  PAWL_ASSIGN(out.importance_sampling_level, ParseImportanceLevel(level));
  PAWL_ASSIGN(out.epsilon, JsonNumber(c, "epsilon_low", place));
  PAWL_ASSIGN(out.epsilon_high, JsonNumber(c, "epsilon_high", place));
  PAWL_ASSIGN(out.delta, OptionalNumber(c, "delta", 0, place));
  PAWL_ASSIGN(out.beta, OptionalNumber(c, "beta", 0, place));
  if (c.contains("use_bias_correction_kl")) {
    PAWL_ASSIGN(out.use_bias_correction_kl, JsonBool(c, "use_bias_correction_kl", place));
  }
  for (const auto& [key, member] :
       {std::pair{"sapo_temperature_pos", &GrpoLossConfig::sapo_temperature_pos},
        std::pair{"sapo_temperature_neg", &GrpoLossConfig::sapo_temperature_neg},
        std::pair{"vespo_k_pos", &GrpoLossConfig::vespo_k_pos},
        std::pair{"vespo_lambda_pos", &GrpoLossConfig::vespo_lambda_pos},
        std::pair{"vespo_k_neg", &GrpoLossConfig::vespo_k_neg},
        std::pair{"vespo_lambda_neg", &GrpoLossConfig::vespo_lambda_neg}}) {
    PAWL_ASSIGN(out.*member, OptionalNumber(c, key, out.*member, place));
  }
  PAWL_ASSIGN(const double quantile, OptionalNumber(c, "top_entropy_quantile", 1, place));
  PAWL_ASSIGN(const double bonus, OptionalNumber(c, "entropy_coef", 0, place));
  PAWL_ASSIGN(const double off_policy, OptionalNumber(c, "off_policy_mask_threshold", -1, place));
  const bool correction =
      c.contains("sampling_correction") && c.at("sampling_correction") == Json(true);
  if (quantile != 1 || bonus != 0 || off_policy >= 0 || correction) {
    return BadFile(
        place +
        ": entropy masks and bonuses, the off-policy mask and sampling correction are not offered");
  }
  return out;
}

// The padded tables of one case.
struct Tables {
  std::size_t batch = 0, width = 0;
  std::vector<std::int32_t> mask;
  std::vector<float> log_probs, old, reference;
};

Result<std::vector<float>> Table(const SafetensorsFile& file, const std::string& name,
                                 std::size_t size) {
  PAWL_ASSIGN(auto values, file.ReadFloats(name));
  if (values.size() != size) {
    return BadFile(fmt::format("{}: tensor '{}' has {} values, expected {}", file.path().string(),
                               name, values.size(), size));
  }
  return values;
}

Result<Tables> ReadTables(const SafetensorsFile& file, const Json& c, const std::string& name) {
  Tables t;
  PAWL_ASSIGN(const long long batch, JsonInt(c, "batch", name));
  PAWL_ASSIGN(const long long width, JsonInt(c, "width", name));
  if (batch < 1 || width < 1 || batch > 1'000'000 || width > 1'000'000)
    return BadFile(name + ": batch or width out of range");
  t.batch = static_cast<std::size_t>(batch);
  t.width = static_cast<std::size_t>(width);
  const std::size_t size = t.batch * t.width;
  PAWL_ASSIGN(t.mask, file.ReadInts(name + "/completion_mask"));
  if (t.mask.size() != size) return BadFile(name + ": completion_mask has the wrong size");
  PAWL_ASSIGN(t.log_probs, Table(file, name + "/logps", size));
  if (file.Find(name + "/old_logps") != nullptr) {
    PAWL_ASSIGN(t.old, Table(file, name + "/old_logps", size));
  }
  if (file.Find(name + "/ref_logps") != nullptr) {
    PAWL_ASSIGN(t.reference, Table(file, name + "/ref_logps", size));
  }
  return t;
}

Result<Advantages> CaseAdvantages(const SafetensorsFile& file, const Json& c,
                                  const std::string& name) {
  const Json& config = c.at("config");
  AdvantageInput input;
  for (const Json& weight : config.value("reward_weights", Json::array())) {
    if (!weight.is_number()) return BadFile(name + ": reward_weights must be numbers");
    input.weights.push_back(weight.get<double>());
  }
  PAWL_ASSIGN(const long long group, JsonInt(config, "num_generations", name));
  PAWL_ASSIGN(const auto flat, file.ReadFloats(name + "/rewards"));
  const std::size_t count = input.weights.size();
  if (count == 0 || group < 1 || flat.size() % count != 0 ||
      flat.size() / count % static_cast<std::size_t>(group) != 0) {
    return BadFile(name + ": rewards do not fit reward_weights and num_generations");
  }
  input.group_size = static_cast<std::size_t>(group);
  for (std::size_t r = 0; r < flat.size(); r += count) {
    input.rewards.emplace_back(flat.begin() + static_cast<long>(r),
                               flat.begin() + static_cast<long>(r + count));
  }
  PAWL_ASSIGN(const std::string scale_name, JsonString(config, "scale_rewards", name));
  PAWL_ASSIGN(const ScaleRewards scale, ParseScaleRewards(scale_name));
  const bool then_sum = config.value("multi_objective_aggregation", "") == "normalize_then_sum";
  return GroupAdvantages(
      input, scale,
      then_sum ? RewardAggregation::kNormalizeThenSum : RewardAggregation::kSumThenNormalize);
}

std::vector<float> Floats(const std::vector<double>& values) {
  return {values.begin(), values.end()};
}

struct CaseOutput {
  std::vector<double> losses;
  std::vector<double> gradient;  // [batch, width]
  Json metrics = Json::array();
};

Result<CaseOutput> CaseLoss(const Json& c, const Tables& t, const std::vector<double>& advantages,
                            const std::string& name) {
  PAWL_ASSIGN(const GrpoLossConfig config, LossConfig(c.at("config"), name));
  if (config.beta > 0 && t.reference.empty()) return BadFile(name + ": beta needs ref_logps");
  LossScale scale;
  PAWL_ASSIGN(scale.num_items_in_batch, JsonNumber(c, "num_items_in_batch", name));
  PAWL_ASSIGN(scale.gradient_accumulation_steps,
              JsonNumber(c.at("config"), "gradient_accumulation_steps", name));
  PAWL_ASSIGN(scale.steps_per_generation, JsonNumber(c.at("config"), "steps_per_generation", name));
  PAWL_ASSIGN(scale.max_completion_length,
              JsonNumber(c.at("config"), "max_completion_length", name));
  CaseOutput out;
  out.gradient.assign(t.batch * t.width, 0.0);
  for (const Json& micro : c.value("micro_batches", Json::array())) {
    if (!micro.contains("rows") || micro.at("rows").size() != 2)
      return BadFile(name + ": micro_batches need rows [begin, end)");
    const auto begin = micro.at("rows")[0].get<std::size_t>(),
               end = micro.at("rows")[1].get<std::size_t>();
    if (begin > end || end > t.batch || advantages.size() < end)
      return BadFile(name + ": micro_batches leave the batch");
    std::vector<LossRow> rows;
    for (std::size_t r = begin; r < end; ++r) {
      const std::int32_t* mask = t.mask.data() + r * t.width;
      const auto n = static_cast<std::size_t>(std::find(mask, mask + t.width, 0) - mask);
      const auto part = [&](const std::vector<float>& from) {
        return from.empty() ? std::span<const float>()
                            : std::span<const float>(from).subspan(r * t.width, n);
      };
      rows.push_back({part(t.log_probs), part(t.old), part(t.reference), advantages[r], false});
    }
    const LossOutput loss = GrpoLoss(config, rows, scale);
    out.losses.push_back(loss.loss);
    for (std::size_t r = begin; r < end; ++r) {
      std::copy(loss.dloss_dlogp[r - begin].begin(), loss.dloss_dlogp[r - begin].end(),
                out.gradient.begin() + static_cast<long>(r * t.width));
    }
    Json metrics{{"clip_ratio/low_mean", loss.clip_low},
                 {"clip_ratio/high_mean", loss.clip_high},
                 {"clip_ratio/region_mean", loss.clip_low + loss.clip_high}};
    if (config.beta > 0) metrics["kl"] = loss.kl;
    out.metrics.push_back(std::move(metrics));
  }
  return out;
}

}  // namespace

Status DebugGrpoLoss(const std::filesystem::path& folder, const std::filesystem::path& output) {
  PAWL_ASSIGN(const Json cases, ReadCases(folder / "cases.json"));
  PAWL_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(folder / "cases.safetensors"));
  std::vector<FloatTensor> tensors;
  Json document = Json::object();
  for (const Json& c : cases) {
    PAWL_ASSIGN(const std::string name, JsonString(c, "name", "cases.json"));
    if (!c.contains("config") || !c.at("config").is_object())
      return BadFile(name + ": has no \"config\"");
    PAWL_ASSIGN(const Advantages advantages, CaseAdvantages(file, c, name));
    tensors.push_back(
        {name + "/advantages", {advantages.values.size()}, Floats(advantages.values)});
    Json metrics = Json::array();
    if (file.Find(name + "/logps") != nullptr) {
      PAWL_ASSIGN(const Tables t, ReadTables(file, c, name));
      PAWL_ASSIGN(CaseOutput out, CaseLoss(c, t, advantages.values, name));
      tensors.push_back({name + "/loss", {out.losses.size()}, Floats(out.losses)});
      tensors.push_back({name + "/grad_logps", {t.batch, t.width}, Floats(out.gradient)});
      metrics = std::move(out.metrics);
    }
    document[name] = {
        {"metrics", metrics},
        {"generation_metrics", {{"frac_reward_zero_std", advantages.frac_reward_zero_std}}}};
  }
  PAWL_TRY(WriteSafetensors(output, std::move(tensors)));
  std::filesystem::path beside = output;
  return WriteFileAtomic(beside.replace_extension(".json"), WriteJsonPretty(document));
}

namespace {

Result<AdamWConfig> AdamWOf(const Json& c, std::size_t tensor, const std::string& name) {
  const Json o = c.value("optimizer", Json::object());
  if (!o.contains("betas") || o.at("betas").size() != 2)
    return BadFile(name + ": optimizer needs two betas");
  AdamWConfig config;
  config.beta1 = o.at("betas")[0].get<double>();
  config.beta2 = o.at("betas")[1].get<double>();
  PAWL_ASSIGN(config.epsilon, JsonNumber(o, "eps", name));
  PAWL_ASSIGN(config.weight_decay, OptionalNumber(o, "weight_decay", 0, name));
  const Json decays = c.value("weight_decay_per_tensor", Json::array());
  if (tensor < decays.size()) config.weight_decay = decays[tensor].get<double>();
  return config;
}

Result<double> CaseRate(const Json& c, std::size_t step, const std::string& name) {
  PAWL_ASSIGN(const double base, JsonNumber(c.value("optimizer", Json::object()), "lr", name));
  const Json schedule = c.value("schedule", Json());
  if (schedule.is_null()) return base;
  Json line = schedule;
  line["base_lr"] = base;
  PAWL_ASSIGN(const Json rates, DebugSchedule(line));
  return rates.at("lr").at(std::min<std::size_t>(step, 100)).get<double>();
}

Status OptimizerCase(const Json& c, const SafetensorsFile& file, const std::string& name,
                     std::vector<FloatTensor>& tensors) {
  PAWL_ASSIGN(const long long count, JsonInt(c, "tensors", name));
  PAWL_ASSIGN(const long long steps, JsonInt(c, "steps", name));
  PAWL_ASSIGN(const double max_norm, OptionalNumber(c, "max_norm", 0, name));
  const auto n = static_cast<std::size_t>(std::clamp(count, 0LL, 10'000LL));
  std::vector<std::vector<float>> weights(n), gradients(n), m(n), v(n), traces(n);
  std::vector<std::vector<std::size_t>> shapes(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::string prefix = fmt::format("{}/p{}", name, i);
    PAWL_ASSIGN(weights[i], file.ReadFloats(prefix + ".init"));
    PAWL_ASSIGN(gradients[i], file.ReadFloats(prefix + ".grads"));
    if (gradients[i].size() != weights[i].size() * static_cast<std::size_t>(steps)) {
      return BadFile(prefix + ".grads: expected one gradient a step");
    }
    shapes[i] = file.Find(prefix + ".init")->shape;
    shapes[i].insert(shapes[i].begin(), static_cast<std::size_t>(steps));
    m[i].resize(weights[i].size());
    v[i].resize(weights[i].size());
  }
  ThreadPool pool(1);
  std::vector<float> norms;
  for (std::size_t step = 0; step < static_cast<std::size_t>(steps); ++step) {
    const auto part = [&](std::size_t i) {
      return std::span<const float>(gradients[i])
          .subspan(step * weights[i].size(), weights[i].size());
    };
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i) squares += SumOfSquares(part(i), pool);
    const double norm = std::sqrt(squares);
    norms.push_back(static_cast<float>(norm));
    PAWL_ASSIGN(const double rate, CaseRate(c, step, name));
    for (std::size_t i = 0; i < n; ++i) {
      PAWL_ASSIGN(const AdamWConfig config, AdamWOf(c, i, name));
      AdamWUpdate(MakeAdamWStep(config, rate, static_cast<std::int64_t>(step) + 1), true,
                  static_cast<float>(ClipFactor(norm, max_norm)), weights[i], part(i), m[i], v[i]);
      traces[i].insert(traces[i].end(), weights[i].begin(), weights[i].end());
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    tensors.push_back({fmt::format("{}/p{}.param", name, i), shapes[i], std::move(traces[i])});
  }
  tensors.push_back({name + "/grad_norm", {norms.size()}, std::move(norms)});
  return {};
}

}  // namespace

Status DebugOptimizer(const std::filesystem::path& folder, const std::filesystem::path& output) {
  PAWL_ASSIGN(const Json cases, ReadCases(folder / "adamw.json"));
  PAWL_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(folder / "adamw.safetensors"));
  std::vector<FloatTensor> tensors;
  for (const Json& c : cases) {
    PAWL_ASSIGN(const std::string name, JsonString(c, "name", "adamw.json"));
    PAWL_TRY(OptimizerCase(c, file, name, tensors));
  }
  return WriteSafetensors(output, std::move(tensors));
}

Result<Json> DebugSchedule(const Json& line) {
  PAWL_ASSIGN(const std::string name, JsonString(line, "name", "line"));
  ScheduleConfig config;
  PAWL_ASSIGN(config.type, ParseScheduleType(name));
  PAWL_ASSIGN(const double warmup, OptionalNumber(line, "warmup", 0, "line"));
  config.warmup_steps = static_cast<int>(warmup);
  PAWL_ASSIGN(const double base, JsonNumber(line, "base_lr", "line"));
  PAWL_ASSIGN(const double total_number, OptionalNumber(line, "total", -1, "line"));
  std::optional<int> total;
  if (total_number >= 0) total = static_cast<int>(total_number);
  const Json options = line.contains("options") && line.at("options").is_object()
                           ? line.at("options")
                           : Json::object();
  for (const auto& [key, value] : options.items()) {
    const bool text = key == "warmup_type" || key == "decay_type";
    if (text ? !value.is_string() : !value.is_number())
      return BadFile(fmt::format("line: option \"{}\" has the wrong type", key));
    if (key == "num_cycles") {
      config.num_cycles = value.get<double>();
      config.num_cycles_given = true;
    } else if (key == "lr_end") {
      config.lr_end = value.get<double>();
    } else if (key == "power") {
      config.power = value.get<double>();
    } else if (key == "timescale") {
      config.timescale = value.get<int>();
    } else if (key == "min_lr") {
      config.min_lr = value.get<double>();
    } else if (key == "min_lr_rate") {
      config.min_lr_rate = value.get<double>();
    } else if (key == "num_decay_steps") {
      config.num_decay_steps = value.get<int>();
    } else if (key == "num_stable_steps") {
      config.num_stable_steps = value.get<int>();
    } else if (key == "min_lr_ratio") {
      config.min_lr_ratio = value.get<double>();
    } else if (key == "warmup_type") {
      config.warmup_type = value.get<std::string>();
    } else if (key == "decay_type") {
      config.decay_type = value.get<std::string>();
    } else {
      return BadFile(fmt::format("line: unknown option \"{}\"", key));
    }
  }
  Json rates = Json::array();
  for (int step = 0; step <= 100; ++step) {
    PAWL_ASSIGN(const double rate, LearningRate(config, base, step, total));
    rates.push_back(rate);
  }
  return Json{{"lr", rates}};
}

}  // namespace pawl
