// Every gradient against differences of the loss itself.
#include <gtest/gtest.h>

#include <cmath>

#include "grpo/differences.h"

namespace pawl {
namespace {

void CheckGradient(const GrpoLossConfig& config, std::uint32_t seed, bool together,
                   const std::string& what) {
  const RandomRows rows(seed, 5);
  const auto loss = [&](const RandomRows& at) {
    return GrpoLoss(config, at.Views(), rows.Scale()).loss;
  };
  const LossOutput out = GrpoLoss(config, rows.Views(), rows.Scale());
  int checked = 0;
  for (std::size_t r = 0; r < rows.rows.size(); ++r) {
    for (std::size_t t = 0; t < rows.rows[r].old.size(); ++t) {
      if (NearKink(config, rows.rows[r], t)) continue;
      const double expected = Derivative(loss, rows, r, t, &RandomRow::log_probs, together);
      EXPECT_NEAR(out.dloss_dlogp[r][t], expected, 1e-8 + 1e-7 * std::fabs(expected))
          << what << " row " << r << " token " << t;
      ++checked;
    }
  }
  EXPECT_GT(checked, 10) << what;
}

std::vector<GrpoLossConfig> Variants(LossType type, ImportanceLevel level) {
  std::vector<GrpoLossConfig> out(4);
  for (GrpoLossConfig& c : out) {
    c.loss_type = type;
    c.importance_sampling_level = level;
    c.epsilon_high = 0.28;
  }
  out[1].beta = 0.3;
  out[2].beta = 0.3;
  out[2].use_bias_correction_kl = false;
  out[3].delta = 1.4;
  return out;
}

TEST(GrpoLoss, HasTheDerivativeOfItsValueForEveryDifferentiableLoss) {
  for (const LossType type : {LossType::kGrpo, LossType::kBnpo, LossType::kDrGrpo, LossType::kDapo,
                              LossType::kSapo, LossType::kLuspo}) {
    for (const ImportanceLevel level : {ImportanceLevel::kToken, ImportanceLevel::kSequence}) {
      std::uint32_t seed = 1000;
      for (const GrpoLossConfig& c : Variants(type, level)) {
        CheckGradient(c, seed, false,
                      std::string(LossTypeName(type)) + " " + ImportanceLevelName(level) +
                          " seed " + std::to_string(seed));
        ++seed;
      }
    }
  }
}

TEST(GrpoLoss, HasTheDerivativeAtConstantWeightWhereTheWeightIsDetached) {
  for (const LossType type : {LossType::kCispo, LossType::kVespo}) {
    for (const std::uint32_t seed : {7u, 8u, 9u}) {
      GrpoLossConfig c;
      c.loss_type = type;
      c.epsilon_high = 1.1;
      CheckGradient(c, seed, true, LossTypeName(type));
      c.beta = 0.3;
      c.use_bias_correction_kl = false;
      CheckGradient(c, seed, true, std::string(LossTypeName(type)) + " with KL");
    }
  }
}

TEST(GrpoLoss, AddsTheSameKlGradientToEveryLossOfOneNormaliser) {
  const RandomRows rows(21, 4);
  const auto kl_part = [&](LossType type) {
    GrpoLossConfig c;
    c.loss_type = type;
    const auto without = GrpoLoss(c, rows.Views(), rows.Scale()).dloss_dlogp;
    c.beta = 0.5;
    auto with = GrpoLoss(c, rows.Views(), rows.Scale()).dloss_dlogp;
    for (std::size_t r = 0; r < with.size(); ++r) {
      for (std::size_t t = 0; t < with[r].size(); ++t) with[r][t] -= without[r][t];
    }
    return with;
  };
  const auto dapo = kl_part(LossType::kDapo);  // whose whole gradient the differences checked
  for (const LossType type : {LossType::kCispo, LossType::kVespo}) {
    const auto other = kl_part(type);
    for (std::size_t r = 0; r < dapo.size(); ++r) {
      for (std::size_t t = 0; t < dapo[r].size(); ++t) {
        EXPECT_NEAR(other[r][t], dapo[r][t], 1e-12) << LossTypeName(type);
      }
    }
  }
}

TEST(GrpoLoss, HasTheSameGradientWithOldProbabilitiesLeftOutAsWithEqualOnes) {
  RandomRows rows(5, 4);
  for (auto& row : rows.rows) row.old = row.log_probs;
  for (const std::string& name : LossTypeNames()) {
    GrpoLossConfig c;
    c.loss_type = *ParseLossType(name);
    c.beta = 0.1;
    std::vector<LossRow> views = rows.Views();
    const LossOutput given = GrpoLoss(c, views, rows.Scale());
    for (LossRow& row : views) row.old_log_probs = {};
    const LossOutput left_out = GrpoLoss(c, views, rows.Scale());
    EXPECT_EQ(given.loss, left_out.loss) << name;
    EXPECT_EQ(given.dloss_dlogp, left_out.dloss_dlogp) << name;
    double size = 0;
    for (const auto& row : given.dloss_dlogp) size += std::fabs(row[0]);
    EXPECT_GT(size, 0) << name;
  }
}

}  // namespace
}  // namespace pawl
