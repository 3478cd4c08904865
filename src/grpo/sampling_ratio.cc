#include "grpo/sampling_ratio.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "kernels/math.h"

namespace pawl {
namespace {

double Bounded(const SamplingCorrection& c, double log_ratio) {
  const double ratio = ExpD(log_ratio);
  const double low = c.clip_min.value_or(-HUGE_VAL), high = c.clip_max.value_or(HUGE_VAL);
  const bool truncate = c.mode == SamplingCorrectionMode::kTokenTruncate ||
                        c.mode == SamplingCorrectionMode::kSequenceTruncate;
  if (truncate) return std::clamp(ratio, low, high);
  return ratio < low || ratio > high ? 0 : ratio;
}

}  // namespace

std::vector<double> SamplingLogDifferences(const LossRow& row) {
  const std::span<const float> old = row.old_log_probs.empty() ? row.log_probs : row.old_log_probs;
  std::vector<double> out(row.size());
  for (std::size_t t = 0; t < out.size(); ++t) {
    const double difference =
        static_cast<double>(old[t]) - static_cast<double>(row.sampling_log_probs[t]);
    out[t] = std::isnan(difference) ? 0 : difference;
  }
  return out;
}

std::vector<double> SamplingRatios(const SamplingCorrection& correction, const LossRow& row) {
  if (correction.mode == SamplingCorrectionMode::kNone) return {};
  PAWL_CHECK(row.sampling_log_probs.size() == row.log_probs.size());
  std::vector<double> log_ratios = SamplingLogDifferences(row);
  if (correction.mode == SamplingCorrectionMode::kSequenceTruncate ||
      correction.mode == SamplingCorrectionMode::kSequenceMask) {
    double sum = 0;
    for (const double x : log_ratios) sum += x;
    log_ratios.assign(1, sum);
  }
  for (double& x : log_ratios) x = Bounded(correction, x);
  return log_ratios;
}

double OffPolicyKeep(const GrpoLossConfig& config, const LossRow& row) {
  if (!config.off_policy_mask_threshold || row.advantage >= 0) return 1;
  std::span<const float> sampler = row.sampling_log_probs;
  if (sampler.empty()) sampler = row.old_log_probs.empty() ? row.log_probs : row.old_log_probs;
  double sum = 0;
  for (std::size_t t = 0; t < row.size(); ++t) {
    const double d = static_cast<double>(sampler[t]) - static_cast<double>(row.log_probs[t]);
    sum += std::isnan(d) ? 0 : d;
  }
  const double mean = sum / std::max<double>(1, static_cast<double>(row.size()));
  return mean <= *config.off_policy_mask_threshold ? 1 : 0;
}

}  // namespace pawl
