#include "grpo/loss_config.h"

#include <fmt/format.h>

#include <cmath>

#include "grpo/enum_names.h"

namespace pawl {
namespace {

constexpr EnumNames<LossType, 8> kLossNames = {{{LossType::kGrpo, "grpo"},
                                                {LossType::kBnpo, "bnpo"},
                                                {LossType::kDrGrpo, "dr_grpo"},
                                                {LossType::kDapo, "dapo"},
                                                {LossType::kCispo, "cispo"},
                                                {LossType::kSapo, "sapo"},
                                                {LossType::kLuspo, "luspo"},
                                                {LossType::kVespo, "vespo"}}};
constexpr EnumNames<ImportanceLevel, 2> kLevelNames = {
    {{ImportanceLevel::kToken, "token"}, {ImportanceLevel::kSequence, "sequence"}}};
constexpr EnumNames<SamplingCorrectionMode, 4> kModeNames = {
    {{SamplingCorrectionMode::kTokenTruncate, "token_truncate"},
     {SamplingCorrectionMode::kTokenMask, "token_mask"},
     {SamplingCorrectionMode::kSequenceTruncate, "sequence_truncate"},
     {SamplingCorrectionMode::kSequenceMask, "sequence_mask"}}};

Status CheckSamplingCorrection(const GrpoLossConfig& c) {
  const SamplingCorrection& s = c.sampling_correction;
  if (s.mode == SamplingCorrectionMode::kNone) return {};
  if (s.clip_min && s.clip_max && !(*s.clip_min < *s.clip_max)) {
    return Usage(fmt::format("sampling_correction_clip_min: {} must be below clip_max {}",
                             *s.clip_min, *s.clip_max));
  }
  const bool truncate = s.mode == SamplingCorrectionMode::kTokenTruncate ||
                        s.mode == SamplingCorrectionMode::kSequenceTruncate;
  if (truncate && !s.clip_min && !s.clip_max) {
    return Usage(fmt::format("sampling_correction_mode: {} needs clip_min or clip_max",
                             SamplingCorrectionModeName(s.mode)));
  }
  const bool sequence = s.mode == SamplingCorrectionMode::kSequenceTruncate ||
                        s.mode == SamplingCorrectionMode::kSequenceMask;
  if (c.loss_type == LossType::kVespo && sequence) {
    return Usage(
        fmt::format("sampling_correction_mode: vespo takes token_truncate or token_mask, not {}",
                    SamplingCorrectionModeName(s.mode)));
  }
  return {};
}

}  // namespace

Result<LossType> ParseLossType(const std::string& name) {
  return ParseEnum("loss_type", kLossNames, name);
}
const char* LossTypeName(LossType type) { return EnumName(kLossNames, type); }
std::vector<std::string> LossTypeNames() { return NamesOf(kLossNames); }

Result<ImportanceLevel> ParseImportanceLevel(const std::string& name) {
  return ParseEnum("importance_sampling_level", kLevelNames, name);
}
const char* ImportanceLevelName(ImportanceLevel level) { return EnumName(kLevelNames, level); }

Result<SamplingCorrectionMode> ParseSamplingCorrectionMode(const std::string& name) {
  return ParseEnum("sampling_correction_mode", kModeNames, name);
}
const char* SamplingCorrectionModeName(SamplingCorrectionMode mode) {
  return EnumName(kModeNames, mode);
}

Status CheckLossConfig(const GrpoLossConfig& c) {
  struct Rule {
    const char* key;
    double value, low, high;
    bool above_low;  // low itself is out
  };
  const double infinity = HUGE_VAL;
  for (const Rule& rule :
       {Rule{"epsilon", c.epsilon, 0, infinity, false},
        Rule{"epsilon_high", c.epsilon_high, 0, infinity, false},
        Rule{"delta", c.delta, 0, infinity, false}, Rule{"beta", c.beta, 0, infinity, false},
        Rule{"sapo_temperature_pos", c.sapo_temperature_pos, 0, infinity, true},
        Rule{"sapo_temperature_neg", c.sapo_temperature_neg, 0, infinity, true},
        Rule{"vespo_k_pos", c.vespo_k_pos, 0, infinity, false},
        Rule{"vespo_lambda_pos", c.vespo_lambda_pos, 0, infinity, false},
        Rule{"vespo_k_neg", c.vespo_k_neg, 0, infinity, false},
        Rule{"vespo_lambda_neg", c.vespo_lambda_neg, 0, infinity, false},
        Rule{"top_entropy_quantile", c.top_entropy_quantile, 0, 1, false},
        Rule{"entropy_coef", c.entropy_coef, -infinity, infinity, true}}) {
    const bool below = rule.above_low ? rule.value > rule.low : rule.value >= rule.low;
    if (!below || !(rule.value <= rule.high) || !std::isfinite(rule.value)) {
      return Usage(
          fmt::format("{}: {} is out of range, expected {} {}{}", rule.key, rule.value,
                      rule.above_low ? "above" : "at least", rule.low,
                      rule.high == infinity ? "" : fmt::format(", at most {}", rule.high)));
    }
  }
  return CheckSamplingCorrection(c);
}

}  // namespace pawl
