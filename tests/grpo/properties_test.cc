// What must hold whatever the numbers are.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "grpo/advantages.h"
#include "grpo/loss.h"
#include "grpo/random_rows.h"

namespace pawl {
namespace {

const double kNan = std::nan("");
constexpr ScaleRewards kScales[] = {ScaleRewards::kGroup, ScaleRewards::kBatch,
                                    ScaleRewards::kNone};

AdvantageInput RandomRewards(std::uint32_t seed, std::size_t groups, std::size_t size) {
  std::mt19937 engine(seed);
  AdvantageInput input{{}, {1.0, 0.5}, size};
  for (std::size_t i = 0; i < groups * size; ++i) {
    const auto first = static_cast<double>(engine() % 3),
               second = static_cast<double>(engine() % 5);
    input.rewards.push_back({first, second});
  }
  return input;
}

TEST(Advantages, OfEveryGroupSumToZero) {
  for (const ScaleRewards scale : kScales) {
    const AdvantageInput input = RandomRewards(3, 6, 5);
    const Advantages out = GroupAdvantages(input, scale, RewardAggregation::kSumThenNormalize);
    for (std::size_t g = 0; g < 6; ++g) {
      double sum = 0;
      for (std::size_t i = 0; i < 5; ++i) sum += out.values[g * 5 + i];
      EXPECT_NEAR(sum, 0, 1e-12) << ScaleRewardsName(scale);
    }
  }
}

TEST(Advantages, OfEqualRewardsAreZeroAndCountAsZeroDeviation) {
  const AdvantageInput input{{{1}, {1}, {1}, {0}, {1}, {0.5}}, {1.0}, 3};
  const Advantages out =
      GroupAdvantages(input, ScaleRewards::kGroup, RewardAggregation::kSumThenNormalize);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(out.values[i], 0);
  EXPECT_EQ(out.frac_reward_zero_std, 0.5);
}

TEST(Advantages, FollowAPermutationOfTheGroup) {
  const AdvantageInput input = RandomRewards(11, 1, 6);
  const std::size_t order[] = {3, 0, 5, 1, 4, 2};
  AdvantageInput moved = input;
  for (std::size_t i = 0; i < 6; ++i) moved.rewards[i] = input.rewards[order[i]];
  for (const auto aggregation :
       {RewardAggregation::kSumThenNormalize, RewardAggregation::kNormalizeThenSum}) {
    const Advantages a = GroupAdvantages(input, ScaleRewards::kGroup, aggregation);
    const Advantages b = GroupAdvantages(moved, ScaleRewards::kGroup, aggregation);
    for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(b.values[i], a.values[order[i]], 1e-12);
  }
}

TEST(Advantages, OfAGroupOfOneAreZero) {
  const AdvantageInput input{{{2.0}, {-1.0}}, {1.0}, 1};
  for (const ScaleRewards scale : kScales) {
    const Advantages out = GroupAdvantages(input, scale, RewardAggregation::kSumThenNormalize);
    EXPECT_EQ(out.values, (std::vector<double>{0, 0}));
  }
  const AdvantageInput single{{{2.0}}, {1.0}, 1};
  const Advantages out =
      GroupAdvantages(single, ScaleRewards::kGroup, RewardAggregation::kNormalizeThenSum);
  EXPECT_EQ(out.values, std::vector<double>{0});
  EXPECT_EQ(out.frac_reward_zero_std, 1);
}

TEST(Advantages, LeaveOutRowsWithoutAnyReward) {
  const AdvantageInput input{{{1, kNan}, {kNan, kNan}, {kNan, 2}, {kNan, kNan}}, {1.0, 2.0}, 4};
  const Advantages out =
      GroupAdvantages(input, ScaleRewards::kNone, RewardAggregation::kSumThenNormalize);
  EXPECT_EQ(out.values, (std::vector<double>{-1.5, 0, 1.5, 0}));
  EXPECT_TRUE(std::isnan(out.rewards[1]));
  // One number alone: nothing to compare it with.
  const AdvantageInput alone{{{1, kNan}, {kNan, kNan}}, {1.0, 2.0}, 2};
  EXPECT_EQ(
      GroupAdvantages(alone, ScaleRewards::kGroup, RewardAggregation::kSumThenNormalize).values,
      (std::vector<double>{0, 0}));
}

TEST(GrpoLoss, HasRatioOneAndClipsNothingBeforeTheFirstUpdate) {
  RandomRows rows(17, 6);
  for (auto& row : rows.rows) row.old = row.log_probs;
  for (const std::string& name : LossTypeNames()) {
    GrpoLossConfig c;
    c.loss_type = *ParseLossType(name);
    const LossOutput out = GrpoLoss(c, rows.Views(), rows.Scale());
    EXPECT_EQ(out.clip_low, 0) << name;
    EXPECT_EQ(out.clip_high, 0) << name;
    if (c.loss_type != LossType::kGrpo) continue;
    // -min(A, A) averaged over tokens, then rows, over two accumulation steps.
    double expected = 0;
    for (const auto& row : rows.rows) expected -= row.advantage / 6 / 2;
    EXPECT_NEAR(out.loss, expected, 1e-12);
  }
}

TEST(GrpoLoss, HasNoGradientWhereAllRewardsAreEqual) {
  RandomRows rows(19, 4);
  for (auto& row : rows.rows) row.advantage = 0;
  for (const std::string& name : LossTypeNames()) {
    GrpoLossConfig c;
    c.loss_type = *ParseLossType(name);
    const LossOutput out = GrpoLoss(c, rows.Views(), rows.Scale());
    EXPECT_EQ(out.loss, 0) << name;
    for (const auto& row : out.dloss_dlogp) {
      for (const double g : row) EXPECT_EQ(g, 0) << name;
    }
  }
}

TEST(GrpoLoss, CountsAMaskedRowAsARowOfNoTokens) {
  const RandomRows rows(23, 4);
  std::vector<LossRow> masked = rows.Views(), empty = rows.Views();
  masked[2].masked = true;
  empty[2].log_probs = empty[2].old_log_probs = empty[2].ref_log_probs = {};
  for (const std::string& name : LossTypeNames()) {
    GrpoLossConfig c;
    c.loss_type = *ParseLossType(name);
    c.beta = 0.1;
    const LossOutput a = GrpoLoss(c, masked, rows.Scale()), b = GrpoLoss(c, empty, rows.Scale());
    EXPECT_EQ(a.loss, b.loss) << name;
    EXPECT_EQ(a.dloss_dlogp[2], std::vector<double>(masked[2].log_probs.size(), 0.0)) << name;
    EXPECT_EQ(a.dloss_dlogp[1], b.dloss_dlogp[1]) << name;
  }
}

TEST(GrpoLoss, NormalisedOverTheWholeBatchDoesNotDependOnMicroBatches) {
  const RandomRows rows(29, 6);
  const std::vector<LossRow> views = rows.Views();
  for (const LossType type : {LossType::kDapo, LossType::kCispo, LossType::kVespo}) {
    GrpoLossConfig c;
    c.loss_type = type;
    const LossOutput whole = GrpoLoss(c, views, {rows.tokens(), 1, 1, 16});
    double sum = 0;
    for (std::size_t m = 0; m < 3; ++m) {
      const LossOutput part =
          GrpoLoss(c, std::span<const LossRow>(views).subspan(2 * m, 2), {rows.tokens(), 3, 3, 16});
      sum += part.loss;
      for (std::size_t t = 0; t < part.dloss_dlogp[0].size(); ++t) {
        EXPECT_NEAR(part.dloss_dlogp[0][t], whole.dloss_dlogp[2 * m][t], 1e-15);
      }
    }
    EXPECT_NEAR(sum, whole.loss, 1e-14) << LossTypeName(type);
  }
}

TEST(GrpoLoss, PassesNotANumberOn) {
  RandomRows rows(31, 2);
  rows.rows[0].log_probs[1] = std::nanf("");
  for (const std::string& name : LossTypeNames()) {
    GrpoLossConfig c;
    c.loss_type = *ParseLossType(name);
    EXPECT_FALSE(std::isfinite(GrpoLoss(c, rows.Views(), rows.Scale()).loss)) << name;
  }
}

}  // namespace
}  // namespace pawl
