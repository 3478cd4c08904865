// Entropy mask and bonus, off-policy mask and sampling correction; names and their mistakes.
#include <gtest/gtest.h>

#include <cmath>

#include "grpo/advantages.h"
#include "grpo/differences.h"
#include "grpo/metrics.h"
#include "grpo/sampling_ratio.h"

namespace pawl {
namespace {

// Views with all that rows can have.
std::vector<LossRow> FullViews(const RandomRows& rows) {
  std::vector<LossRow> views = rows.Views();
  for (std::size_t r = 0; r < views.size(); ++r) {
    views[r].sampling_log_probs = rows.rows[r].sampling;
    views[r].entropies = rows.rows[r].entropies;
  }
  return views;
}

TEST(GrpoLoss, HasTheDerivativeOfItsValueUnderMasksAndCorrections) {
  for (const ImportanceLevel level : {ImportanceLevel::kToken, ImportanceLevel::kSequence}) {
    for (const char* mode :
         {"token_truncate", "token_mask", "sequence_truncate", "sequence_mask"}) {
      GrpoLossConfig c;
      c.loss_type = LossType::kDapo;
      c.importance_sampling_level = level;
      c.beta = 0.2;
      c.top_entropy_quantile = 0.6;
      c.sampling_correction = {*ParseSamplingCorrectionMode(mode), 0.7, 1.4};
      const RandomRows rows(77, 5);
      const auto loss = [&](const RandomRows& at) {
        return GrpoLoss(c, FullViews(at), rows.Scale()).loss;
      };
      const LossOutput out = GrpoLoss(c, FullViews(rows), rows.Scale());
      for (std::size_t r = 0; r < rows.rows.size(); ++r) {
        for (std::size_t t = 0; t < rows.rows[r].old.size(); ++t) {
          if (NearKink(c, rows.rows[r], t)) continue;
          const double expected = Derivative(loss, rows, r, t, &RandomRow::log_probs, false);
          EXPECT_NEAR(out.dloss_dlogp[r][t], expected, 1e-8 + 1e-7 * std::fabs(expected)) << mode;
        }
      }
    }
  }
}

TEST(GrpoLoss, HasTheDerivativeByEntropyOfItsBonus) {
  for (const double quantile : {1.0, 0.5}) {
    GrpoLossConfig c;
    c.entropy_coef = 0.05;
    c.top_entropy_quantile = quantile;
    const RandomRows rows(33, 4);
    const auto loss = [&](const RandomRows& at) {
      return GrpoLoss(c, FullViews(at), rows.Scale()).loss;
    };
    const LossOutput out = GrpoLoss(c, FullViews(rows), rows.Scale());
    double sum = 0;
    for (std::size_t r = 0; r < rows.rows.size(); ++r) {
      for (std::size_t t = 0; t < rows.rows[r].old.size(); ++t) {
        sum += out.dloss_dentropy[r][t];
        if (quantile < 1) continue;  // moving an entropy there moves the threshold
        EXPECT_NEAR(out.dloss_dentropy[r][t],
                    Derivative(loss, rows, r, t, &RandomRow::entropies, false), 1e-9);
      }
    }
    // A mean over the tokens it acts on: the gradients sum to -coef / accumulation steps.
    EXPECT_NEAR(sum, -0.05 / 2, 1e-12);
  }
}

TEST(GrpoLoss, KeepsOnlyTheTokensOfHighestEntropy) {
  const RandomRows rows(41, 4);
  GrpoLossConfig c;
  c.top_entropy_quantile = 0;  // the single largest
  const LossOutput out = GrpoLoss(c, FullViews(rows), rows.Scale());
  float largest = 0;
  for (const auto& row : rows.rows) {
    for (const float e : row.entropies) largest = std::max(largest, e);
  }
  for (std::size_t r = 0; r < rows.rows.size(); ++r) {
    for (std::size_t t = 0; t < rows.rows[r].old.size(); ++t) {
      if (rows.rows[r].entropies[t] < largest) {
        EXPECT_EQ(out.dloss_dlogp[r][t], 0);
      }
    }
  }
}

TEST(OffPolicyKeep, DropsOnlyRowsOfNegativeAdvantageAboveTheThreshold) {
  RandomRows rows(43, 2);
  for (auto& row : rows.rows) {
    for (std::size_t t = 0; t < row.old.size(); ++t) row.old[t] = row.log_probs[t] + 0.25f;
  }
  GrpoLossConfig c;
  const auto keep = [&](std::size_t r) { return OffPolicyKeep(c, rows.Views()[r]); };
  EXPECT_EQ(keep(1), 1);
  c.off_policy_mask_threshold = 0.3;
  EXPECT_EQ(keep(1), 1);
  c.off_policy_mask_threshold = 0.2;
  EXPECT_EQ(keep(0), 1);  // positive advantage
  EXPECT_EQ(keep(1), 0);
}

TEST(SamplingRatios, AreOneWhereSamplerAndTrainerAgreeOrTheSamplerIsUnknown) {
  RandomRows rows(37, 3);
  for (auto& row : rows.rows) row.sampling = row.old;
  rows.rows[1].sampling.assign(rows.rows[1].old.size(), std::nanf(""));
  for (const char* mode : {"token_truncate", "token_mask", "sequence_truncate", "sequence_mask"}) {
    const SamplingCorrection correction{*ParseSamplingCorrectionMode(mode), 0.5, 2.0};
    for (const LossRow& row : FullViews(rows)) {
      for (const double rho : SamplingRatios(correction, row)) EXPECT_EQ(rho, 1) << mode;
    }
  }
}

TEST(GenerationMetrics, OfNoTerminatedCompletionAreZeroThere) {
  const AdvantageInput input{{{1.0}, {std::nan("")}}, {1.0}, 2};
  const Advantages advantages =
      GroupAdvantages(input, ScaleRewards::kGroup, RewardAggregation::kSumThenNormalize);
  EXPECT_EQ(advantages.frac_reward_zero_std, 0);  // one number alone has no deviation to be zero
  const CompletionLength lengths[] = {{4, true}, {6, true}};
  const std::string names[] = {"exact"};
  const NamedNumbers numbers = GenerationMetrics(lengths, input, names, advantages);
  const auto at = [&](const std::string& name) {
    for (const auto& [known, value] : numbers) {
      if (known == name) return value;
    }
    ADD_FAILURE() << name;
    return 0.0;
  };
  EXPECT_EQ(at("completions/mean_length"), 5);
  EXPECT_EQ(at("completions/clipped_ratio"), 1);
  EXPECT_EQ(at("completions/max_terminated_length"), 0);
  EXPECT_EQ(at("rewards/exact/mean"), 1);
  EXPECT_TRUE(std::isnan(at("reward_std")));
}

TEST(LossNames, AreParsedAndTheNearestIsNamed) {
  for (const std::string& name : LossTypeNames()) {
    EXPECT_EQ(LossTypeName(*ParseLossType(name)), name);
  }
  EXPECT_NE(ParseLossType("dappo").error().message.find("\"dapo\""), std::string::npos);
  EXPECT_NE(ParseImportanceLevel("tokens").error().message.find("\"token\""), std::string::npos);
  EXPECT_NE(ParseScaleRewards("groups").error().message.find("\"group\""), std::string::npos);
  EXPECT_FALSE(ParseRewardAggregation("sum").has_value());
  EXPECT_FALSE(ParseSamplingCorrectionMode("none").has_value());
}

TEST(Advantages, EqualRewardsGiveExactlyZero) {
  for (const double value : {-0.1, 0.1, 1.0 / 3, 1e-300}) {
    AdvantageInput input;
    input.group_size = 8;
    input.weights = {0.1};
    input.rewards.assign(16, {value});
    for (const auto scale : {ScaleRewards::kGroup, ScaleRewards::kBatch, ScaleRewards::kNone}) {
      const Advantages out = GroupAdvantages(input, scale, RewardAggregation::kSumThenNormalize);
      for (const double a : out.values) EXPECT_EQ(a, 0.0) << value;
      EXPECT_EQ(out.frac_reward_zero_std, 1.0);
    }
  }
}

}  // namespace
}  // namespace pawl
