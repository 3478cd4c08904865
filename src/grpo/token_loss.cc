#include "grpo/token_loss.h"

#include <algorithm>
#include <cmath>

#include "kernels/math.h"

namespace pawl {
namespace {

constexpr double kLogSmall = -18.420680743952367, kLogLarge = 20;  // log 1e-8; TRL's clamps

TokenTerm ClippedTerm(const GrpoLossConfig& c, double advantage, double r) {
  const bool two_sided = c.delta > 0;
  const double first = (two_sided ? std::min(r, c.delta) : r) * advantage;
  const double second = std::clamp(r, 1 - c.epsilon, 1 + c.epsilon_high) * advantage;
  const double dfirst = two_sided && r > c.delta ? 0 : 1;
  const double dsecond = r < 1 - c.epsilon || r > 1 + c.epsilon_high ? 0 : 1;
  const double share = first < second ? dfirst : first > second ? dsecond : (dfirst + dsecond) / 2;
  // Not std::min: a NaN must reach the loss, where it is noticed.
  return {-(second < first || std::isnan(second) ? second : first), -advantage * share, 0};
}

TokenTerm SapoTerm(const GrpoLossConfig& c, double advantage, double r) {
  const double t = advantage > 0 ? c.sapo_temperature_pos : c.sapo_temperature_neg;
  const double gate = 1 / (1 + ExpD(-t * (r - 1)));
  return {-advantage * 4 / t * gate, -advantage * 4 * gate * (1 - gate), 0};
}

}  // namespace

bool HasClip(LossType type) {
  return type != LossType::kCispo && type != LossType::kSapo && type != LossType::kVespo;
}

TokenTerm PolicyTerm(const GrpoLossConfig& c, double advantage, double ratio, double log_p,
                     double vespo_weight) {
  if (c.loss_type == LossType::kSapo) return SapoTerm(c, advantage, ratio);
  if (HasClip(c.loss_type)) return ClippedTerm(c, advantage, ratio);
  const double weight =
      c.loss_type == LossType::kCispo ? std::min(ratio, c.epsilon_high) : vespo_weight;
  return {-weight * advantage * log_p, 0, -weight * advantage};
}

double VespoWeight(const GrpoLossConfig& c, double advantage, std::span<const double> log_ratios,
                   std::span<const double> sampling_ratios) {
  double sum = 0;
  for (const double x : log_ratios) sum += std::clamp(x, -kLogLarge, kLogLarge);
  for (const double rho : sampling_ratios) sum += std::clamp(LogD(rho), kLogSmall, kLogLarge);
  const double log_w = std::clamp(sum, kLogSmall, kLogLarge);
  const double k = advantage >= 0 ? c.vespo_k_pos : c.vespo_k_neg;
  const double lambda = std::max(advantage >= 0 ? c.vespo_lambda_pos : c.vespo_lambda_neg, 1e-4);
  const double phi = ExpD(lambda + k * log_w - lambda * ExpD(log_w));
  return std::isfinite(phi) ? phi : 0;
}

}  // namespace pawl
