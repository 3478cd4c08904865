#include "grpo/loss.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "base/nearest.h"

namespace pawl {
namespace {

constexpr std::array kLossNames = {
    std::pair{LossType::kGrpo, "grpo"},      std::pair{LossType::kBnpo, "bnpo"},
    std::pair{LossType::kDrGrpo, "dr_grpo"}, std::pair{LossType::kDapo, "dapo"},
    std::pair{LossType::kCispo, "cispo"},    std::pair{LossType::kSapo, "sapo"},
    std::pair{LossType::kLuspo, "luspo"},    std::pair{LossType::kVespo, "vespo"}};

// VESPO's sum of log-ratios is kept in this range, as TRL does.
constexpr double kVespoClamp = 20;

double Clamp(double x, double low, double high) { return std::min(std::max(x, low), high); }

// A row's loss before aggregation: values and derivatives with respect to the ratio and to log p
// directly.
struct RowWork {
  std::vector<double> ratio;  // per token; at sequence level all equal
  std::vector<double> value;  // per-token loss
  std::vector<double> dvalue_dratio;
  std::vector<double> dvalue_dlogp;  // where log p appears outside the ratio
  double clip_low = 0, clip_high = 0;
  double kl_sum = 0;
};

// -min(min(r, delta) A, clip(r) A) and its derivative; ties share it, as torch.min does.
void Surrogate(const GrpoLossConfig& c, double advantage, double r, double& value, double& slope,
               double& capped) {
  capped = c.delta > 0 ? std::min(r, c.delta) : r;
  const double clipped = Clamp(r, 1 - c.epsilon, 1 + c.epsilon_high);
  const double first = capped * advantage, second = clipped * advantage;
  const double dfirst = c.delta > 0 && r > c.delta ? 0 : 1;
  const double dsecond = r < 1 - c.epsilon || r > 1 + c.epsilon_high ? 0 : 1;
  const double share = first < second ? dfirst : first > second ? dsecond : (dfirst + dsecond) / 2;
  value = -std::min(first, second);
  slope = -advantage * share;
}

double VespoWeight(const GrpoLossConfig& c, double advantage, double log_ratio_sum) {
  const bool positive = advantage >= 0;
  const double k = positive ? c.vespo_k_pos : c.vespo_k_neg;
  const double lambda = positive ? c.vespo_lambda_pos : c.vespo_lambda_neg;
  const double log_w = Clamp(log_ratio_sum, -kVespoClamp, kVespoClamp);
  return std::exp(lambda + k * log_w - lambda * std::exp(log_w));
}

std::vector<double> LogRatios(const LossRow& row) {
  std::vector<double> ratios(row.log_probs.size(), 0.0);
  if (!row.old_log_probs.empty()) {
    for (std::size_t t = 0; t < ratios.size(); ++t) {
      ratios[t] = static_cast<double>(row.log_probs[t]) - static_cast<double>(row.old_log_probs[t]);
    }
  }
  return ratios;
}

RowWork Evaluate(const GrpoLossConfig& c, const LossRow& row) {
  const std::size_t n = row.log_probs.size();
  const std::vector<double> log_ratios = LogRatios(row);
  double sum = 0;
  for (const double x : log_ratios) sum += x;
  const bool sequence = c.importance_sampling_level == ImportanceLevel::kSequence;
  const double mean = n > 0 && !row.masked ? sum / static_cast<double>(n) : 0;
  RowWork work;
  const double vespo =
      c.loss_type == LossType::kVespo ? VespoWeight(c, row.advantage, row.masked ? 0 : sum) : 0;
  for (std::size_t t = 0; t < n; ++t) {
    const double r = std::exp(sequence ? mean : log_ratios[t]);
    const double log_p = static_cast<double>(row.log_probs[t]);
    double value = 0, slope = 0, direct = 0, capped = r;
    switch (c.loss_type) {
      case LossType::kCispo:
        direct = -std::min(r, c.epsilon_high) * row.advantage;
        value = direct * log_p;
        break;
      case LossType::kVespo:
        direct = -vespo * row.advantage;
        value = direct * log_p;
        break;
      case LossType::kSapo: {
        const double temperature =
            row.advantage > 0 ? c.sapo_temperature_pos : c.sapo_temperature_neg;
        const double gate = 1 / (1 + std::exp(-temperature * (r - 1)));
        value = -row.advantage * 4 / temperature * gate;
        slope = -row.advantage * 4 * gate * (1 - gate);
        break;
      }
      default:
        Surrogate(c, row.advantage, r, value, slope, capped);
    }
    if (c.beta > 0) {
      PAWL_CHECK(row.ref_log_probs.size() == n);
      const double d = static_cast<double>(row.ref_log_probs[t]) - log_p;
      const double kl = std::exp(d) - d - 1;
      const double factor = c.use_bias_correction_kl ? r : 1;
      value += c.beta * kl * factor;
      direct += c.beta * factor * (1 - std::exp(d));
      if (c.use_bias_correction_kl) slope += c.beta * kl;
      work.kl_sum += kl * factor;
    }
    work.ratio.push_back(r);
    work.value.push_back(value);
    work.dvalue_dratio.push_back(slope);
    work.dvalue_dlogp.push_back(direct);
    if (capped < 1 - c.epsilon && row.advantage < 0) work.clip_low += 1;
    if (capped > 1 + c.epsilon_high && row.advantage > 0) work.clip_high += 1;
  }
  return work;
}

// What each token of a row of n counts in the sum that is the loss.
double TokenWeight(const GrpoLossConfig& c, const LossScale& s, double rows, double total,
                   double n) {
  const double accumulation = s.gradient_accumulation_steps;
  switch (c.loss_type) {
    case LossType::kGrpo:
    case LossType::kSapo:
      return 1 / (rows * std::max(n, 1.0) * accumulation);
    case LossType::kBnpo:
      return 1 / (std::max(total, 1.0) * accumulation);
    case LossType::kDrGrpo:
      return 1 / (rows * s.max_completion_length * accumulation);
    case LossType::kLuspo:
      return 1 / (rows * accumulation);
    case LossType::kDapo:
    case LossType::kCispo:
    case LossType::kVespo:
      return 1 / (std::max(s.num_items_in_batch, 1.0) * accumulation / s.steps_per_generation);
  }
  return 0;
}

}  // namespace

Result<LossType> ParseLossType(const std::string& name) {
  for (const auto& [type, known] : kLossNames) {
    if (name == known) return type;
  }
  return Usage(fmt::format("loss_type: unknown \"{}\"{}", name, DidYouMean(name, LossTypeNames())));
}

const char* LossTypeName(LossType type) {
  for (const auto& [known, name] : kLossNames) {
    if (type == known) return name;
  }
  return "";
}

std::vector<std::string> LossTypeNames() {
  std::vector<std::string> names;
  for (const auto& entry : kLossNames) names.emplace_back(entry.second);
  return names;
}

Result<ImportanceLevel> ParseImportanceLevel(const std::string& name) {
  if (name == "token") return ImportanceLevel::kToken;
  if (name == "sequence") return ImportanceLevel::kSequence;
  return Usage(
      fmt::format("importance_sampling_level: unknown \"{}\", known: token, sequence", name));
}

const char* ImportanceLevelName(ImportanceLevel level) {
  return level == ImportanceLevel::kToken ? "token" : "sequence";
}

LossOutput GrpoLoss(const GrpoLossConfig& c, std::span<const LossRow> rows,
                    const LossScale& scale) {
  LossOutput out;
  const bool sequence = c.importance_sampling_level == ImportanceLevel::kSequence;
  double total = 0, low = 0, high = 0, kl = 0;
  for (const LossRow& row : rows) {
    if (!row.masked) total += static_cast<double>(row.log_probs.size());
  }
  for (const LossRow& row : rows) {
    const std::size_t n = row.log_probs.size();
    std::vector<double> gradient(n, 0.0);
    if (!row.masked && n > 0) {
      const RowWork work = Evaluate(c, row);
      const double weight =
          TokenWeight(c, scale, static_cast<double>(rows.size()), total, static_cast<double>(n));
      double through_ratio = 0;  // sequence level: every token moves the one ratio
      for (std::size_t t = 0; t < n; ++t) {
        out.loss += weight * work.value[t];
        through_ratio += weight * work.dvalue_dratio[t] * work.ratio[t];
        gradient[t] = weight * work.dvalue_dlogp[t];
        if (!sequence) gradient[t] += weight * work.dvalue_dratio[t] * work.ratio[t];
      }
      if (sequence) {
        for (double& g : gradient) g += through_ratio / static_cast<double>(n);
      }
      low += sequence ? work.clip_low / static_cast<double>(n) : work.clip_low;
      high += sequence ? work.clip_high / static_cast<double>(n) : work.clip_high;
      kl += work.kl_sum;
    }
    out.dloss_dlogp.push_back(std::move(gradient));
  }
  const double count = sequence ? static_cast<double>(rows.size()) : std::max(total, 1.0);
  out.clip_low = low / std::max(count, 1.0);
  out.clip_high = high / std::max(count, 1.0);
  out.kl = kl / std::max(total, 1.0);
  return out;
}

}  // namespace pawl
