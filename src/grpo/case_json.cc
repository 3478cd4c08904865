#include <fmt/format.h>

#include <cmath>

#include "grpo/debug_cases.h"

namespace pawl {
namespace {

constexpr long long kMaxRows = 1'000'000;

// The value of a parser of names, whose errors are the caller's file here.
template <class T>
Result<T> OfFile(const std::string& place, Result<T> parsed) {
  if (parsed) return parsed;
  return BadFile(place + ": " + parsed.error().message);
}

Status ReadNumber(const Json& object, const char* key, const std::string& place, double& out) {
  if (!object.contains(key) || object.at(key).is_null()) return {};
  PAWL_ASSIGN(out, JsonNumber(object, key, place));
  return {};
}

Status ReadOptional(const Json& object, const char* key, const std::string& place,
                    std::optional<double>& out) {
  if (!object.contains(key) || object.at(key).is_null()) return {};
  PAWL_ASSIGN(out, JsonNumber(object, key, place));
  return {};
}

Result<std::size_t> ReadCount(const Json& object, const char* key, const std::string& place) {
  PAWL_ASSIGN(const long long value, JsonInt(object, key, place));
  if (value < 1 || value > kMaxRows) {
    return BadFile(fmt::format("{}: \"{}\" is {}, expected 1 to {}", place, key, value, kMaxRows));
  }
  return static_cast<std::size_t>(value);
}

Result<GrpoLossConfig> ReadLossConfig(const Json& j, const std::string& place) {
  GrpoLossConfig out;
  PAWL_ASSIGN(const std::string type, JsonString(j, "loss_type", place));
  PAWL_ASSIGN(out.loss_type, OfFile(place, ParseLossType(type)));
  PAWL_ASSIGN(const std::string level, JsonString(j, "importance_sampling_level", place));
  PAWL_ASSIGN(out.importance_sampling_level, OfFile(place, ParseImportanceLevel(level)));
  PAWL_ASSIGN(out.epsilon, JsonNumber(j, "epsilon_low", place));
  out.epsilon_high = out.epsilon;
  for (const auto& [key, member] :
       {std::pair{"epsilon_high", &out.epsilon_high}, std::pair{"delta", &out.delta},
        std::pair{"beta", &out.beta}, std::pair{"sapo_temperature_pos", &out.sapo_temperature_pos},
        std::pair{"sapo_temperature_neg", &out.sapo_temperature_neg},
        std::pair{"vespo_k_pos", &out.vespo_k_pos},
        std::pair{"vespo_lambda_pos", &out.vespo_lambda_pos},
        std::pair{"vespo_k_neg", &out.vespo_k_neg},
        std::pair{"vespo_lambda_neg", &out.vespo_lambda_neg},
        std::pair{"top_entropy_quantile", &out.top_entropy_quantile},
        std::pair{"entropy_coef", &out.entropy_coef}}) {
    PAWL_TRY(ReadNumber(j, key, place, *member));
  }
  for (const auto& [key, member] :
       {std::pair{"use_bias_correction_kl", &out.use_bias_correction_kl},
        std::pair{"mask_truncated_completions", &out.mask_truncated_completions}}) {
    if (!j.contains(key)) continue;
    PAWL_ASSIGN(*member, JsonBool(j, key, place));
  }
  PAWL_TRY(ReadOptional(j, "off_policy_mask_threshold", place, out.off_policy_mask_threshold));
  bool correction = false;
  if (j.contains("sampling_correction")) {
    PAWL_ASSIGN(correction, JsonBool(j, "sampling_correction", place));
  }
  if (correction) {
    SamplingCorrection& s = out.sampling_correction;
    PAWL_ASSIGN(const std::string mode, JsonString(j, "sampling_correction_mode", place));
    PAWL_ASSIGN(s.mode, OfFile(place, ParseSamplingCorrectionMode(mode)));
    PAWL_TRY(ReadOptional(j, "sampling_correction_clip_min", place, s.clip_min));
    PAWL_TRY(ReadOptional(j, "sampling_correction_clip_max", place, s.clip_max));
  }
  if (const Status status = CheckLossConfig(out); !status) {
    return BadFile(place + ": " + status.error().message);
  }
  return out;
}

Status ReadRewards(const Json& j, const std::string& place, std::size_t rewards, GrpoCase& out) {
  PAWL_ASSIGN(const std::string scale, JsonString(j, "scale_rewards", place));
  PAWL_ASSIGN(out.scale_rewards, OfFile(place, ParseScaleRewards(scale)));
  PAWL_ASSIGN(const std::string aggregation, JsonString(j, "multi_objective_aggregation", place));
  PAWL_ASSIGN(out.aggregation, OfFile(place, ParseRewardAggregation(aggregation)));
  PAWL_ASSIGN(out.num_generations, ReadCount(j, "num_generations", place));
  if (out.batch % out.num_generations != 0) {
    return BadFile(fmt::format("{}: a batch of {} rows is no whole number of groups of {}", place,
                               out.batch, out.num_generations));
  }
  const Json weights = j.contains("reward_weights") ? j.at("reward_weights") : Json();
  if (weights.is_null()) {
    out.reward_weights.assign(rewards, 1.0);
    return {};
  }
  if (!weights.is_array() || weights.size() != rewards) {
    return BadFile(fmt::format("{}: \"reward_weights\" must list {} numbers", place, rewards));
  }
  for (const Json& weight : weights) {
    if (!weight.is_number()) return BadFile(place + ": \"reward_weights\" must be numbers");
    out.reward_weights.push_back(weight.get<double>());
  }
  return {};
}

Status ReadScale(const Json& json, const Json& config, const std::string& place, LossScale& out) {
  PAWL_ASSIGN(out.num_items_in_batch, JsonNumber(json, "num_items_in_batch", place));
  for (const auto& [key, member] :
       {std::pair{"gradient_accumulation_steps", &out.gradient_accumulation_steps},
        std::pair{"steps_per_generation", &out.steps_per_generation},
        std::pair{"max_completion_length", &out.max_completion_length}}) {
    PAWL_ASSIGN(const std::size_t count, ReadCount(config, key, place));
    *member = static_cast<double>(count);
  }
  if (!(out.num_items_in_batch >= 0)) {
    return BadFile(place + ": \"num_items_in_batch\" must not be negative");
  }
  return {};
}

Status ReadRows(const Json& json, const std::string& place, GrpoCase& out) {
  for (const char* key : {"micro_batches", "completion_lengths", "truncated"}) {
    if (!json.contains(key) || !json.at(key).is_array()) {
      return BadFile(fmt::format("{}: expected a list \"{}\"", place, key));
    }
  }
  const std::size_t batch = out.batch;
  const auto is_row = [batch](const Json& value) {
    return value.is_number_unsigned() && value.get<std::uint64_t>() <= batch;
  };
  for (const Json& micro : json.at("micro_batches")) {
    const Json rows = micro.is_object() && micro.contains("rows") ? micro.at("rows") : Json();
    if (!rows.is_array() || rows.size() != 2 || !is_row(rows[0]) || !is_row(rows[1]) ||
        rows[0] >= rows[1]) {
      return BadFile(
          fmt::format("{}: each of \"micro_batches\" needs \"rows\": [begin, end) in a "
                      "batch of {}",
                      place, batch));
    }
    out.micro_batches.emplace_back(rows[0].get<std::size_t>(), rows[1].get<std::size_t>());
  }
  const Json &lengths = json.at("completion_lengths"), &truncated = json.at("truncated");
  if (lengths.size() != batch || truncated.size() != batch) {
    return BadFile(fmt::format("{}: \"completion_lengths\" and \"truncated\" must have {} entries",
                               place, batch));
  }
  for (std::size_t i = 0; i < batch; ++i) {
    if (!lengths[i].is_number_unsigned() || !truncated[i].is_boolean()) {
      return BadFile(place + ": \"completion_lengths\" must be counts, \"truncated\" booleans");
    }
    out.completion_lengths.push_back(lengths[i].get<std::size_t>());
    out.truncated.push_back(truncated[i].get<bool>());
  }
  return {};
}

}  // namespace

Result<GrpoCase> ParseGrpoCase(const Json& json, const std::string& place) {
  GrpoCase out;
  PAWL_ASSIGN(out.name, JsonString(json, "name", place));
  const std::string here = place + ": case \"" + out.name + "\"";
  if (!json.contains("config") || !json.at("config").is_object()) {
    return BadFile(here + ": expected an object \"config\"");
  }
  const Json& config = json.at("config");
  PAWL_ASSIGN(out.batch, ReadCount(json, "batch", here));
  PAWL_ASSIGN(out.width, ReadCount(json, "width", here));
  PAWL_ASSIGN(const std::size_t rewards, ReadCount(json, "num_rewards", here));
  if (json.contains("old_logps_given")) {
    PAWL_ASSIGN(out.old_log_probs_given, JsonBool(json, "old_logps_given", here));
  }
  PAWL_ASSIGN(out.loss, ReadLossConfig(config, here));
  PAWL_TRY(ReadRewards(config, here, rewards, out));
  PAWL_TRY(ReadScale(json, config, here, out.scale));
  PAWL_TRY(ReadRows(json, here, out));
  return out;
}

}  // namespace pawl
