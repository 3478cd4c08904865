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
                      // (GDPO, arXiv:2601.05242)
};

// rewards [row][reward], rows of a group consecutive, NaN where a reward function gave no value.  A
// row of NaNs only gets advantage 0 and is left out of the means.  The standard deviation has n - 1
// in its denominator; a group of one has advantage 0.
struct AdvantageInput {
  std::vector<std::vector<double>> rewards;
  std::vector<double> weights;  // one per reward
  std::size_t group_size = 1;
};

struct Advantages {
  std::vector<double> values;       // per row
  std::vector<double> rewards;      // per row: the weighted sum, NaN for a row of NaNs
  std::vector<double> group_std;    // per group, of the weighted sum
  double frac_reward_zero_std = 0;  // share of groups whose rewards are all equal
};
Advantages GroupAdvantages(const AdvantageInput& input, ScaleRewards scale,
                           RewardAggregation aggregation);

}  // namespace pawl
