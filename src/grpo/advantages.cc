#include "grpo/advantages.h"

#include <cmath>
#include <limits>

#include "base/check.h"
#include "grpo/enum_names.h"

namespace pawl {
namespace {

constexpr double kEpsilon = 1e-4;
constexpr double kZero = 1e-8;  // torch.isclose(std, 0)
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double ZeroIfNan(double x) { return std::isnan(x) ? 0 : x; }

// As MomentsOf, but one value alone deviates by 0.
Moments GroupMoments(std::span<const double> values) {
  Moments moments = MomentsOf(values);
  if (values.size() == 1) moments.std = 0;
  return moments;
}

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

// A reward that stands alone in its group normalises to 0.
std::vector<double> NormalizedSums(const AdvantageInput& input) {
  const std::size_t rows = input.rewards.size();
  std::vector<double> sums(rows, kNan), group(input.group_size);
  for (std::size_t k = 0; k < input.weights.size(); ++k) {
    for (std::size_t begin = 0; begin < rows; begin += input.group_size) {
      for (std::size_t i = 0; i < input.group_size; ++i) group[i] = input.rewards[begin + i][k];
      const Moments m = GroupMoments(group);
      for (std::size_t i = 0; i < input.group_size; ++i) {
        if (std::isnan(group[i])) continue;
        const double normal = (group[i] - m.mean) / (ZeroIfNan(m.std) + kEpsilon);
        sums[begin + i] = ZeroIfNan(sums[begin + i]) + normal * input.weights[k];
      }
    }
  }
  return sums;
}

void NormalizeThenSum(const AdvantageInput& input, Advantages& out) {
  const std::vector<double> sums = NormalizedSums(input);
  const Moments all = GroupMoments(sums);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    out.values[i] = ZeroIfNan((sums[i] - all.mean) / (all.std + kEpsilon));
  }
  out.frac_reward_zero_std = all.std <= kZero ? 1 : 0;
}

void SumThenNormalize(const AdvantageInput& input, ScaleRewards scale, Advantages& out) {
  const double batch_std = GroupMoments(out.rewards).std;
  double zero_groups = 0;
  for (std::size_t g = 0; g < out.group_std.size(); ++g) {
    const std::size_t begin = g * input.group_size;
    const Moments m =
        GroupMoments(std::span<const double>(out.rewards).subspan(begin, input.group_size));
    const double std = scale == ScaleRewards::kBatch ? batch_std : m.std;
    if (std <= kZero) zero_groups += 1;
    const double divisor = scale == ScaleRewards::kNone ? 1 : std + kEpsilon;
    for (std::size_t i = begin; i < begin + input.group_size; ++i) {
      out.values[i] = ZeroIfNan((out.rewards[i] - m.mean) / divisor);
    }
  }
  const auto groups = static_cast<double>(out.group_std.size());
  out.frac_reward_zero_std = groups > 0 ? zero_groups / groups : 0;
}

constexpr EnumNames<ScaleRewards, 3> kScaleNames = {{{ScaleRewards::kGroup, "group"},
                                                     {ScaleRewards::kBatch, "batch"},
                                                     {ScaleRewards::kNone, "none"}}};
constexpr EnumNames<RewardAggregation, 2> kAggregationNames = {
    {{RewardAggregation::kSumThenNormalize, "sum_then_normalize"},
     {RewardAggregation::kNormalizeThenSum, "normalize_then_sum"}}};

}  // namespace

Result<ScaleRewards> ParseScaleRewards(const std::string& name) {
  return ParseEnum("scale_rewards", kScaleNames, name);
}
const char* ScaleRewardsName(ScaleRewards scale) { return EnumName(kScaleNames, scale); }

Result<RewardAggregation> ParseRewardAggregation(const std::string& name) {
  return ParseEnum("multi_objective_aggregation", kAggregationNames, name);
}
const char* RewardAggregationName(RewardAggregation aggregation) {
  return EnumName(kAggregationNames, aggregation);
}

Moments MomentsOf(std::span<const double> values) {
  double sum = 0, count = 0, first = kNan;
  bool equal = true;
  for (const double v : values) {
    if (std::isnan(v)) continue;
    if (count == 0) first = v;
    equal = equal && v == first;
    sum += v;
    count += 1;
  }
  if (count == 0) return {kNan, kNan};
  // The rounded mean of eight times -0.1 is not -0.1: equal rewards would get advantages of 1e-13.
  const double mean = equal ? first : sum / count;
  double squares = 0;
  for (const double v : values) {
    if (!std::isnan(v)) squares += (v - mean) * (v - mean);
  }
  return {mean, count > 1 ? std::sqrt(squares / (count - 1)) : kNan};
}

Advantages GroupAdvantages(const AdvantageInput& input, ScaleRewards scale,
                           RewardAggregation aggregation) {
  const std::size_t rows = input.rewards.size();
  PAWL_CHECK(input.group_size > 0 && rows % input.group_size == 0);
  Advantages out;
  out.values.resize(rows);
  for (const auto& row : input.rewards) {
    PAWL_CHECK(row.size() == input.weights.size());
    out.rewards.push_back(WeightedSum(row, input.weights));
  }
  for (std::size_t begin = 0; begin < rows; begin += input.group_size) {
    const auto group = std::span<const double>(out.rewards).subspan(begin, input.group_size);
    out.group_std.push_back(GroupMoments(group).std);
  }
  if (aggregation == RewardAggregation::kNormalizeThenSum) {
    NormalizeThenSum(input, out);
  } else {
    SumThenNormalize(input, scale, out);
  }
  return out;
}

}  // namespace pawl
