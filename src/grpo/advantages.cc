#include "grpo/advantages.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/check.h"

namespace pawl {
namespace {

constexpr double kEpsilon = 1e-4;
const double kNan = std::numeric_limits<double>::quiet_NaN();

struct Moments {
  double mean = kNan, std = kNan;  // of the values that are numbers; std with n - 1
};

Moments MomentsOf(std::span<const double> values) {
  double sum = 0, count = 0;
  for (const double v : values) {
    if (!std::isnan(v)) {
      sum += v;
      count += 1;
    }
  }
  if (count == 0) return {};
  const double mean = sum / count;
  double squares = 0;
  for (const double v : values) {
    if (!std::isnan(v)) squares += (v - mean) * (v - mean);
  }
  return {mean, count > 1 ? std::sqrt(squares / (count - 1)) : kNan};
}

double ZeroIfNan(double x) { return std::isnan(x) ? 0 : x; }

// The weighted sum of a row's rewards that are numbers; NaN when none is.
double WeightedSum(std::span<const double> rewards, std::span<const double> weights) {
  double sum = 0;
  bool any = false;
  for (std::size_t i = 0; i < rewards.size(); ++i) {
    if (std::isnan(rewards[i])) continue;
    sum += rewards[i] * weights[i];
    any = true;
  }
  return any ? sum : kNan;
}

std::vector<double> NormalizeThenSum(const AdvantageInput& input) {
  const std::size_t rows = input.rewards.size();
  std::vector<double> sums(rows, kNan);
  for (std::size_t k = 0; k < input.weights.size(); ++k) {
    for (std::size_t begin = 0; begin < rows; begin += input.group_size) {
      std::vector<double> group;
      for (std::size_t i = 0; i < input.group_size; ++i) {
        group.push_back(input.rewards[begin + i][k]);
      }
      const Moments m = MomentsOf(group);
      for (std::size_t i = 0; i < input.group_size; ++i) {
        const double normal = (group[i] - m.mean) / (ZeroIfNan(m.std) + kEpsilon);
        if (std::isnan(normal)) continue;
        sums[begin + i] = ZeroIfNan(sums[begin + i]) + normal * input.weights[k];
      }
    }
  }
  const Moments all = MomentsOf(sums);
  for (double& sum : sums) sum = (sum - all.mean) / (ZeroIfNan(all.std) + kEpsilon);
  return sums;
}

}  // namespace

Result<ScaleRewards> ParseScaleRewards(const std::string& name) {
  if (name == "group") return ScaleRewards::kGroup;
  if (name == "batch") return ScaleRewards::kBatch;
  if (name == "none") return ScaleRewards::kNone;
  return Usage(fmt::format("scale_rewards: unknown \"{}\", known: group, batch, none", name));
}

const char* ScaleRewardsName(ScaleRewards scale) {
  return scale == ScaleRewards::kGroup ? "group" : scale == ScaleRewards::kBatch ? "batch" : "none";
}

Advantages GroupAdvantages(const AdvantageInput& input, ScaleRewards scale,
                           RewardAggregation aggregation) {
  const std::size_t rows = input.rewards.size();
  PAWL_CHECK(input.group_size > 0 && rows % input.group_size == 0);
  Advantages out;
  for (const auto& row : input.rewards) out.rewards.push_back(WeightedSum(row, input.weights));
  const double batch_std = MomentsOf(out.rewards).std;
  double zero_groups = 0;
  for (std::size_t begin = 0; begin < rows; begin += input.group_size) {
    const auto group = std::span<const double>(out.rewards).subspan(begin, input.group_size);
    const Moments m = MomentsOf(group);
    const double std = ZeroIfNan(m.std);
    out.group_std.push_back(std);
    if (std < 1e-8) zero_groups += 1;
    for (const double reward : group) {
      double value = reward - m.mean;
      if (scale == ScaleRewards::kGroup) value /= std + kEpsilon;
      if (scale == ScaleRewards::kBatch) value /= ZeroIfNan(batch_std) + kEpsilon;
      out.values.push_back(ZeroIfNan(value));
    }
  }
  const double groups = static_cast<double>(out.group_std.size());
  out.frac_reward_zero_std = groups > 0 ? zero_groups / groups : 0;
  if (aggregation == RewardAggregation::kNormalizeThenSum) {
    out.values = NormalizeThenSum(input);
    for (double& value : out.values) value = ZeroIfNan(value);
  }
  return out;
}

}  // namespace pawl
