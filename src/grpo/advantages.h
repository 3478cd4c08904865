// Group relative advantages, as TRL 1.16 computes them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace pawl {

enum class ScaleRewards {
  kGroup,  // (R - group mean) / (group std + 1e-4) (DeepSeekMath, arXiv:2402.03300)
  kBatch,  // (R - group mean) / (std of all rewards + 1e-4) (Lite PPO, arXiv:2508.08221)
  kNone,   // R - group mean (Dr. GRPO, arXiv:2503.20783)
};
Result<ScaleRewards> ParseScaleRewards(const std::string& name);  // "group", "batch", "none"
const char* ScaleRewardsName(ScaleRewards scale);

enum class RewardAggregation {
  kSumThenNormalize,  // weighted sum of the rewards, then advantages
  kNormalizeThenSum,  // each reward normalised in its group, weighted sum, then over the batch
                      // (GDPO, arXiv:2601.05242); the scaling plays no part
};
// "sum_then_normalize", "normalize_then_sum".
Result<RewardAggregation> ParseRewardAggregation(const std::string& name);
const char* RewardAggregationName(RewardAggregation aggregation);

// rewards [row][reward], rows of a group consecutive, NaN where a reward function gave no value.  A
// row of NaNs only gets advantage 0 and is left out of the means.  The standard deviation has n - 1
// in its denominator; a group of one has advantage 0.
struct AdvantageInput {
  std::vector<std::vector<double>> rewards;
  std::vector<double> weights;  // one per reward
  std::size_t group_size = 1;
};

struct Advantages {
  std::vector<double> values;   // per row
  std::vector<double> rewards;  // per row: the weighted sum, NaN for a row of NaNs
  // Per group, of the weighted sum: 0 for groups of one, NaN where fewer than two are numbers.
  std::vector<double> group_std;
  // Share of rows whose standard deviation is 0: the one their advantage is divided by, or with
  // kNone their group's.
  double frac_reward_zero_std = 0;
};
// rewards.size() must be a multiple of group_size.
Advantages GroupAdvantages(const AdvantageInput& input, ScaleRewards scale,
                           RewardAggregation aggregation);

// Mean and standard deviation (n - 1) of the values that are numbers; NaN where there are none, or
// for the deviation fewer than two.
struct Moments {
  double mean, std;
};
Moments MomentsOf(std::span<const double> values);

}  // namespace pawl
