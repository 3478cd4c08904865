#include "grpo/loss.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "grpo/sampling_ratio.h"
#include "grpo/token_loss.h"
#include "kernels/math.h"

namespace pawl {
namespace {

constexpr double kUndefined = LossOutput::kUndefined;

// The entropy that a token needs to keep its policy loss: the (1 - share) quantile, interpolated
// linearly and, like torch.quantile of the float32 entropies, in float32.  Infinite when there is
// no token.
double EntropyThreshold(std::span<const LossRow> rows, double share) {
  std::vector<float> values;
  for (const LossRow& row : rows) {
    values.insert(values.end(), row.entropies.begin(),
                  row.entropies.begin() + static_cast<std::ptrdiff_t>(row.size()));
  }
  if (values.empty()) return HUGE_VAL;
  std::sort(values.begin(), values.end());
  const float rank = static_cast<float>(1 - share) * static_cast<float>(values.size() - 1);
  const auto below = static_cast<std::size_t>(rank);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  const float weight = rank - static_cast<float>(below), step = values[above] - values[below];
  return static_cast<double>(weight < 0.5f ? values[below] + weight * step
                                           : values[above] - step * (1 - weight));
}

std::vector<double> LogRatios(const LossRow& row) {
  std::vector<double> out(row.size(), 0.0);
  if (row.old_log_probs.empty()) return out;
  for (std::size_t t = 0; t < out.size(); ++t) {
    out[t] = static_cast<double>(row.log_probs[t]) - static_cast<double>(row.old_log_probs[t]);
  }
  return out;
}

// A row's losses before aggregation.
struct RowTerms {
  std::vector<double> ratio;                 // per token; at sequence level all equal
  std::vector<double> value, dratio, dlogp;  // per token, with KL
  double kl_sum = 0;
  double sequence_ratio = 1;  // of a row of no tokens too
  double vespo = 0;
};

void AddKl(const GrpoLossConfig& c, const LossRow& row, std::size_t t, RowTerms& terms) {
  const double d =
      static_cast<double>(row.ref_log_probs[t]) - static_cast<double>(row.log_probs[t]);
  const double e = ExpD(d), estimate = e - d - 1;
  const double factor = c.use_bias_correction_kl ? terms.ratio[t] : 1;
  terms.value[t] += c.beta * estimate * factor;
  terms.dlogp[t] += c.beta * factor * (1 - e);
  if (c.use_bias_correction_kl) terms.dratio[t] += c.beta * estimate;
  terms.kl_sum += estimate * factor;
}

RowTerms Evaluate(const GrpoLossConfig& c, const LossRow& row, double entropy_threshold) {
  const std::size_t n = row.size();
  PAWL_CHECK(c.beta == 0 || row.ref_log_probs.size() == row.log_probs.size());
  PAWL_CHECK(row.old_log_probs.empty() || row.old_log_probs.size() == row.log_probs.size());
  const bool sequence = c.importance_sampling_level == ImportanceLevel::kSequence;
  const std::vector<double> log_ratios = LogRatios(row);
  const std::vector<double> rho = SamplingRatios(c.sampling_correction, row);
  double sum = 0;
  for (const double x : log_ratios) sum += x;
  RowTerms terms;
  terms.sequence_ratio = ExpD(n > 0 ? sum / static_cast<double>(n) : 0);
  // vespo has rho within its own weight.
  const bool vespo = c.loss_type == LossType::kVespo;
  if (vespo) terms.vespo = VespoWeight(c, row.advantage, log_ratios, rho);
  const double keep = OffPolicyKeep(c, row);
  terms.value.resize(n);
  terms.dratio.resize(n);
  terms.dlogp.resize(n);
  terms.ratio.resize(n);
  for (std::size_t t = 0; t < n; ++t) {
    terms.ratio[t] = sequence ? terms.sequence_ratio : ExpD(log_ratios[t]);
    const TokenTerm term = PolicyTerm(c, row.advantage, terms.ratio[t],
                                      static_cast<double>(row.log_probs[t]), terms.vespo);
    double weight = keep;
    if (c.top_entropy_quantile < 1 &&
        !(static_cast<double>(row.entropies[t]) >= entropy_threshold)) {
      weight = 0;
    }
    if (!vespo && !rho.empty()) weight *= rho.size() == 1 ? rho[0] : rho[t];
    terms.value[t] = weight * term.value;
    terms.dratio[t] = weight * term.dratio;
    terms.dlogp[t] = weight * term.dlogp;
    if (c.beta != 0) AddKl(c, row, t, terms);
  }
  return terms;
}

// What each token of a row of n counts in the policy loss, and the last division.
struct TokenWeight {
  double policy = 0, accumulation = 1;
};
TokenWeight WeightOf(const GrpoLossConfig& c, const LossScale& s, double rows, double total,
                     double n) {
  switch (c.loss_type) {
    case LossType::kGrpo:
    case LossType::kSapo:
      return {1 / (rows * std::max(n, 1.0)), s.gradient_accumulation_steps};
    case LossType::kBnpo:
      return {1 / std::max(total, 1.0), s.gradient_accumulation_steps};
    case LossType::kDrGrpo:
      return {1 / (rows * s.max_completion_length), s.gradient_accumulation_steps};
    case LossType::kLuspo:
      return {1 / rows, s.gradient_accumulation_steps};
    case LossType::kDapo:
    case LossType::kCispo:
    case LossType::kVespo:
      return {1 / (std::max(s.num_items_in_batch, 1.0) * s.gradient_accumulation_steps /
                   s.steps_per_generation),
              1};
  }
  return {};
}

std::vector<double> Gradient(const RowTerms& terms, double weight, bool sequence) {
  const std::size_t n = terms.value.size();
  std::vector<double> out(n);
  double through_ratio = 0;  // sequence level: every token moves the one ratio
  for (std::size_t t = 0; t < n; ++t) {
    const double slope = weight * terms.dratio[t] * terms.ratio[t];
    through_ratio += slope;
    out[t] = weight * terms.dlogp[t] + (sequence ? 0 : slope);
  }
  if (sequence) {
    for (double& g : out) g += through_ratio / static_cast<double>(n);
  }
  return out;
}

// Shares of ratios outside the clip range.
struct ClipCounter {
  double low = 0, high = 0, cispo = 0, count = 0;  // sums over tokens, or over rows
  double low_min = kUndefined, high_max = kUndefined;

  void AddRow(const GrpoLossConfig& c, double advantage, std::span<const double> ratios) {
    double row_low = 0, row_high = 0;
    for (const double r : ratios) {
      const double capped = c.delta > 0 ? std::min(r, c.delta) : r;
      if (capped < 1 - c.epsilon && advantage < 0) row_low += 1;
      if (capped > 1 + c.epsilon_high && advantage > 0) row_high += 1;
      if (r > c.epsilon_high && advantage > 0) cispo += 1;
    }
    low += row_low;
    high += row_high;
    const auto n = static_cast<double>(ratios.size());
    count += n;
    if (ratios.empty()) return;
    // fmin and fmax pass over the NaN that an empty start is.
    low_min = std::fmin(low_min, row_low / n);
    high_max = std::fmax(high_max, row_high / n);
  }
};

// The mean entropy of the micro-batch, and the entropy bonus over the tokens that keep their loss.
void AddEntropy(const GrpoLossConfig& c, std::span<const LossRow> rows, const LossScale& scale,
                double threshold, LossOutput& out) {
  double sum = 0, count = 0, bonus = 0, bonus_count = 0;
  const auto acts = [&](double entropy) {
    return c.top_entropy_quantile >= 1 || entropy >= threshold;
  };
  for (const LossRow& row : rows) {
    if (row.entropies.empty() && row.size() > 0) return;
    for (std::size_t t = 0; t < row.size(); ++t) {
      const auto entropy = static_cast<double>(row.entropies[t]);
      sum += entropy;
      count += 1;
      if (!acts(entropy)) continue;
      bonus += entropy;
      bonus_count += 1;
    }
  }
  out.entropy = sum / std::max(count, 1.0);
  if (c.entropy_coef == 0) return;
  const double unit =
      c.entropy_coef / (std::max(bonus_count, 1.0) * scale.gradient_accumulation_steps);
  out.loss -= unit * bonus;
  for (const LossRow& row : rows) {
    std::vector<double> gradient(row.log_probs.size(), 0.0);
    for (std::size_t t = 0; t < row.size(); ++t) {
      if (acts(static_cast<double>(row.entropies[t]))) gradient[t] = -unit;
    }
    out.dloss_dentropy.push_back(std::move(gradient));
  }
}

}  // namespace

LossOutput GrpoLoss(const GrpoLossConfig& c, std::span<const LossRow> rows,
                    const LossScale& scale) {
  LossOutput out;
  const bool sequence = c.importance_sampling_level == ImportanceLevel::kSequence;
  const bool needs_entropy = c.top_entropy_quantile < 1 || c.entropy_coef != 0;
  double total = 0, kl = 0, phi = 0;
  for (const LossRow& row : rows) {
    PAWL_CHECK(!needs_entropy || row.entropies.size() == row.log_probs.size());
    total += static_cast<double>(row.size());
  }
  const double threshold =
      c.top_entropy_quantile < 1 ? EntropyThreshold(rows, c.top_entropy_quantile) : 0;
  ClipCounter clip;
  for (const LossRow& row : rows) {
    const RowTerms terms = Evaluate(c, row, threshold);
    const TokenWeight weight = WeightOf(c, scale, static_cast<double>(rows.size()), total,
                                        static_cast<double>(row.size()));
    for (const double value : terms.value) out.policy_loss += weight.policy * value;
    out.dloss_dlogp.push_back(Gradient(terms, weight.policy / weight.accumulation, sequence));
    out.dloss_dlogp.back().resize(row.log_probs.size(), 0.0);
    out.loss = out.policy_loss / weight.accumulation;
    clip.AddRow(c, row.advantage,
                sequence ? std::span(&terms.sequence_ratio, 1) : std::span(terms.ratio));
    kl += terms.kl_sum;
    phi += terms.vespo;
  }
  const double count = std::max(clip.count, 1.0);
  out.clip_low = clip.low / count;
  out.clip_high = clip.high / count;
  out.cispo_clip = clip.cispo / count;
  out.clip_low_min = clip.low_min;
  out.clip_high_max = clip.high_max;
  out.kl = kl / std::max(total, 1.0);
  if (c.loss_type == LossType::kVespo) {
    out.vespo_phi = phi / std::max<double>(1, static_cast<double>(rows.size()));
  }
  AddEntropy(c, rows, scale, threshold, out);
  return out;
}

}  // namespace pawl
