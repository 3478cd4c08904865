// Losses, gradients and advantages against the outputs of TRL.
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "grpo/advantages.h"
#include "grpo/loss.h"
#include "support/shared_data.h"

namespace pawl {
namespace {

// What a case needs that this library does not offer; such cases are counted, not hidden.
bool Offered(const Json& c) {
  const Json& config = c.at("config");
  return config.at("top_entropy_quantile").get<double>() == 1.0 &&
         config.at("entropy_coef").get<double>() == 0.0 &&
         config.at("off_policy_mask_threshold").is_null() &&
         !config.at("sampling_correction").get<bool>();
}

GrpoLossConfig ConfigOf(const Json& config) {
  GrpoLossConfig c;
  c.loss_type = *ParseLossType(config.at("loss_type").get<std::string>());
  c.importance_sampling_level =
      *ParseImportanceLevel(config.at("importance_sampling_level").get<std::string>());
  c.epsilon = config.at("epsilon_low").get<double>();
  c.epsilon_high = config.at("epsilon_high").get<double>();
  c.delta = config.at("delta").is_null() ? 0 : config.at("delta").get<double>();
  c.beta = config.at("beta").get<double>();
  c.use_bias_correction_kl = config.at("use_bias_correction_kl").get<bool>();
  c.sapo_temperature_pos = config.at("sapo_temperature_pos").get<double>();
  c.sapo_temperature_neg = config.at("sapo_temperature_neg").get<double>();
  c.vespo_k_pos = config.at("vespo_k_pos").get<double>();
  c.vespo_lambda_pos = config.at("vespo_lambda_pos").get<double>();
  c.vespo_k_neg = config.at("vespo_k_neg").get<double>();
  c.vespo_lambda_neg = config.at("vespo_lambda_neg").get<double>();
  return c;
}

struct Tables {
  std::size_t width = 0;
  std::vector<std::int32_t> mask;
  std::vector<float> log_probs, old, reference;
  std::vector<double> advantages;
};

// Rows [begin, end) of a case: only the tokens that the mask keeps.
void CheckMicroBatch(const Json& c, const Json& micro, const Tables& t,
                     std::span<const double> expected_gradient) {
  const Json& config = c.at("config");
  const std::string name = c.at("name").get<std::string>();
  const auto begin = micro.at("rows")[0].get<std::size_t>(),
             end = micro.at("rows")[1].get<std::size_t>();
  std::vector<LossRow> rows;
  std::vector<std::size_t> lengths;
  for (std::size_t r = begin; r < end; ++r) {
    std::size_t n = 0;
    while (n < t.width && t.mask[r * t.width + n] != 0) ++n;
    const auto part = [&](const std::vector<float>& from) {
      return from.empty() ? std::span<const float>()
                          : std::span<const float>(from).subspan(r * t.width, n);
    };
    rows.push_back({part(t.log_probs), part(t.old), part(t.reference), t.advantages[r], false});
    lengths.push_back(n);
  }
  const LossScale scale{c.at("num_items_in_batch").get<double>(),
                        config.at("gradient_accumulation_steps").get<double>(),
                        config.at("steps_per_generation").get<double>(),
                        config.at("max_completion_length").get<double>()};
  const LossOutput out = GrpoLoss(ConfigOf(config), rows, scale);
  const Json& tolerance = c.at("advised_abs_tol_for_f32");
  EXPECT_NEAR(out.loss, micro.at("loss").get<double>(), tolerance.at("loss").get<double>() + 1e-9)
      << name;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t k = 0; k < lengths[i]; ++k) {
      EXPECT_NEAR(out.dloss_dlogp[i][k], expected_gradient[(begin + i) * t.width + k],
                  tolerance.at("grad_logps").get<double>() + 1e-9)
          << name << " row " << begin + i << " token " << k;
    }
  }
}

TEST(GrpoLoss, EqualsTrlForEveryLossTypeLevelAndClip) {
  PAWL_NEED_SHARED();
  const auto folder = SharedDir() / "oracle/grpo";
  const auto text = ReadFile(folder / "cases.json");
  ASSERT_TRUE(text.has_value());
  const auto json = ParseJson(*text, "cases.json");
  ASSERT_TRUE(json.has_value());
  const auto file = SafetensorsFile::Open(folder / "cases.safetensors");
  ASSERT_TRUE(file.has_value());
  int checked = 0;
  for (const Json& c : json->at("cases")) {
    const std::string name = c.at("name").get<std::string>();
    if (!Offered(c) || file->Find(name + "/logps") == nullptr) continue;
    Tables t;
    t.width = c.at("width").get<std::size_t>();
    t.mask = *file->ReadInts(name + "/completion_mask");
    t.log_probs = *file->ReadFloats(name + "/logps");
    if (file->Find(name + "/old_logps") != nullptr) t.old = *file->ReadFloats(name + "/old_logps");
    if (file->Find(name + "/ref_logps") != nullptr) {
      t.reference = *file->ReadFloats(name + "/ref_logps");
    }
    t.advantages = *file->ReadDoubles(name + "/expected.advantages");
    const auto gradient = *file->ReadDoubles(name + "/expected.grad_logps");
    for (const Json& micro : c.at("micro_batches")) CheckMicroBatch(c, micro, t, gradient);
    ++checked;
  }
  EXPECT_GE(checked, 100);
}

TEST(Advantages, EqualTrlForEveryScalingAndAggregation) {
  PAWL_NEED_SHARED();
  const auto folder = SharedDir() / "oracle/grpo";
  const auto json = ParseJson(*ReadFile(folder / "cases.json"), "cases.json");
  ASSERT_TRUE(json.has_value());
  const auto file = SafetensorsFile::Open(folder / "cases.safetensors");
  ASSERT_TRUE(file.has_value());
  for (const Json& c : json->at("cases")) {
    const std::string name = c.at("name").get<std::string>();
    const Json& config = c.at("config");
    AdvantageInput input;
    input.weights = config.at("reward_weights").get<std::vector<double>>();
    input.group_size = config.at("num_generations").get<std::size_t>();
    const auto flat = *file->ReadFloats(name + "/rewards");
    const std::size_t count = input.weights.size();
    for (std::size_t r = 0; r * count < flat.size(); ++r) {
      input.rewards.emplace_back(flat.begin() + static_cast<long>(r * count),
                                 flat.begin() + static_cast<long>((r + 1) * count));
    }
    const auto aggregation =
        config.at("multi_objective_aggregation").get<std::string>() == "sum_then_normalize"
            ? RewardAggregation::kSumThenNormalize
            : RewardAggregation::kNormalizeThenSum;
    const auto scale = *ParseScaleRewards(config.at("scale_rewards").get<std::string>());
    const Advantages advantages = GroupAdvantages(input, scale, aggregation);
    const auto expected = *file->ReadDoubles(name + "/expected.advantages");
    ASSERT_EQ(advantages.values.size(), expected.size()) << name;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(advantages.values[i], expected[i],
                  c.at("advised_abs_tol_for_f32").at("advantages").get<double>() + 1e-7)
          << name << " row " << i;
    }
  }
}

TEST(Advantages, OfEqualRewardsAreZeroAndOfAGroupSumToZero) {
  const AdvantageInput input{{{1}, {1}, {1}, {0}, {1}, {0.5}}, {1.0}, 3};
  const Advantages out =
      GroupAdvantages(input, ScaleRewards::kGroup, RewardAggregation::kSumThenNormalize);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(out.values[static_cast<std::size_t>(i)], 0);
  EXPECT_NEAR(out.values[3] + out.values[4] + out.values[5], 0, 1e-12);
  EXPECT_EQ(out.frac_reward_zero_std, 0.5);
}

TEST(LossNames, AreParsedAndTheNearestIsNamed) {
  for (const std::string& name : LossTypeNames()) {
    EXPECT_EQ(LossTypeName(*ParseLossType(name)), name);
  }
  EXPECT_NE(ParseLossType("dappo").error().message.find("\"dapo\""), std::string::npos);
  EXPECT_FALSE(ParseImportanceLevel("word").has_value());
  EXPECT_FALSE(ParseScaleRewards("rows").has_value());
}

}  // namespace
}  // namespace pawl
