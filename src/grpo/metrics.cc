#include "grpo/metrics.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "grpo/sampling_ratio.h"
#include "grpo/token_loss.h"

namespace pawl {
namespace {

struct Range {
  double mean = 0, min = 0, max = 0;  // 0 of no values
};

Range RangeOf(std::span<const double> values) {
  if (values.empty()) return {};
  Range range{0, values[0], values[0]};
  for (const double v : values) {
    range.mean += v;
    range.min = std::min(range.min, v);
    range.max = std::max(range.max, v);
  }
  range.mean /= static_cast<double>(values.size());
  return range;
}

}  // namespace

NamedNumbers GenerationMetrics(std::span<const CompletionLength> completions,
                               const AdvantageInput& input,
                               std::span<const std::string> reward_names,
                               const Advantages& advantages) {
  PAWL_CHECK(reward_names.size() == input.weights.size());
  std::vector<double> lengths, terminated, column;
  for (const CompletionLength& completion : completions) {
    lengths.push_back(static_cast<double>(completion.tokens));
    if (!completion.truncated) terminated.push_back(lengths.back());
  }
  const Range all = RangeOf(lengths), ended = RangeOf(terminated);
  const double count = std::max<double>(1, static_cast<double>(lengths.size()));
  NamedNumbers out{{"completions/mean_length", all.mean},
                   {"completions/min_length", all.min},
                   {"completions/max_length", all.max},
                   {"completions/clipped_ratio",
                    static_cast<double>(lengths.size() - terminated.size()) / count},
                   {"completions/mean_terminated_length", ended.mean},
                   {"completions/min_terminated_length", ended.min},
                   {"completions/max_terminated_length", ended.max}};
  for (std::size_t k = 0; k < reward_names.size(); ++k) {
    column.clear();
    for (const auto& row : input.rewards) column.push_back(row[k]);
    const Moments moments = MomentsOf(column);
    out.emplace_back("rewards/" + reward_names[k] + "/mean", moments.mean);
    out.emplace_back("rewards/" + reward_names[k] + "/std", moments.std);
  }
  const Moments moments = MomentsOf(advantages.rewards);
  out.emplace_back("reward", moments.mean);
  out.emplace_back("reward_std", moments.std);
  out.emplace_back("frac_reward_zero_std", advantages.frac_reward_zero_std);
  return out;
}

NamedNumbers SamplingMetrics(const SamplingCorrection& correction, std::span<const LossRow> rows) {
  std::vector<double> differences, ratios;
  for (const LossRow& row : rows) {
    const std::vector<double> d = SamplingLogDifferences(row);
    for (std::size_t t = 0; t < d.size(); ++t) {
      if (!std::isnan(row.sampling_log_probs[t])) differences.push_back(std::fabs(d[t]));
    }
    const std::vector<double> rho = SamplingRatios(correction, row);
    ratios.insert(ratios.end(), rho.begin(), rho.end());
  }
  const Range difference = RangeOf(differences), ratio = RangeOf(ratios);
  return {{"sampling/sampling_logp_difference/mean", difference.mean},
          {"sampling/sampling_logp_difference/max", difference.max},
          {"sampling/importance_sampling_ratio/min", ratio.min},
          {"sampling/importance_sampling_ratio/mean", ratio.mean},
          {"sampling/importance_sampling_ratio/max", ratio.max}};
}

NamedNumbers LossMetrics(const GrpoLossConfig& config, const LossOutput& output) {
  NamedNumbers out;
  if (config.entropy_coef != 0) {
    out.emplace_back("policy_loss", output.policy_loss);
    out.emplace_back("entropy_coef", config.entropy_coef);
  }
  if (config.beta != 0) out.emplace_back("kl", output.kl);
  if (!std::isnan(output.entropy)) out.emplace_back("entropy", output.entropy);
  if (HasClip(config.loss_type)) {
    out.emplace_back("clip_ratio/low_mean", output.clip_low);
    out.emplace_back("clip_ratio/high_mean", output.clip_high);
    out.emplace_back("clip_ratio/region_mean", output.clip_low + output.clip_high);
    out.emplace_back("clip_ratio/low_min", output.clip_low_min);
    out.emplace_back("clip_ratio/high_max", output.clip_high_max);
  } else if (config.loss_type == LossType::kCispo) {
    out.emplace_back("cispo_clip_ratio", output.cispo_clip);
  } else if (config.loss_type == LossType::kVespo) {
    out.emplace_back("vespo/phi_seq_mean", output.vespo_phi);
  }
  return out;
}

}  // namespace pawl
