#include "rollout/filters.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/philox.h"
#include "rollout/reference.h"

namespace pawl {
namespace {

std::vector<float> RandomLogits(std::size_t count, RandomStream& stream) {
  std::vector<float> logits(count);
  for (float& logit : logits) logit = static_cast<float>(12 * stream.Uniform() - 6);
  return logits;
}

// The kept set of FilterLogits as a vector of flags.
std::vector<bool> Kept(const SamplingConfig& config, std::vector<float> logits) {
  FilterScratch scratch;
  const std::vector<float> before = logits;
  FilterLogits(config, logits, scratch);
  std::vector<bool> kept;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    kept.push_back(logits[i] != -std::numeric_limits<float>::infinity());
    if (kept.back()) {
      EXPECT_EQ(logits[i], before[i]);
    }
  }
  return kept;
}

TEST(Filters, KeepTheReferencesSetForRandomRowsAndSettings) {
  RandomStream stream({3, RandomPurpose::kTest, 0, 0});
  int cut = 0;
  for (int round = 0; round < 300; ++round) {
    const std::size_t vocabulary = 5 + stream.Below(1500);
    const std::vector<float> logits = RandomLogits(vocabulary, stream);
    SamplingConfig config;
    config.temperature = 0.3 + 2 * stream.Uniform();
    if (stream.Chance(0.5)) config.top_k = stream.Between(1, 60);
    if (stream.Chance(0.7)) config.top_p = 0.05 + 0.94 * stream.Uniform();
    if (stream.Chance(0.4)) config.min_p = 0.3 * stream.Uniform();
    const std::vector<double> expected = ReferenceDistribution(config, logits, {});
    const std::vector<bool> kept = Kept(config, logits);
    for (std::size_t i = 0; i < vocabulary; ++i) {
      ASSERT_EQ(kept[i], expected[i] > 0) << "round " << round << " id " << i;
      cut += kept[i] ? 0 : 1;
    }
  }
  EXPECT_GT(cut, 10000);
}

TEST(Filters, KeepEveryTieAtTheEdgeOfTopK) {
  SamplingConfig config;
  config.top_k = 2;
  EXPECT_EQ(Kept(config, {1, 3, 2, 2, 0, 2}),
            (std::vector<bool>{false, true, true, true, false, true}));
  config.top_k = 99;
  EXPECT_EQ(Kept(config, {1, 3}), (std::vector<bool>{true, true}));
}

TEST(Filters, KeepTheSmallestSetWithMassTopP) {
  const float two = 2 * 0.6931472f, one = 0.6931472f;  // probabilities 1/2, 1/4, 1/8, 1/8
  SamplingConfig config;
  config.top_p = 0.5;
  EXPECT_EQ(Kept(config, {0, two, one, 0}), (std::vector<bool>{false, true, false, false}));
  config.top_p = 0.51;
  EXPECT_EQ(Kept(config, {0, two, one, 0}), (std::vector<bool>{false, true, true, false}));
  config.top_p = 0.8;  // of two equal ones the lower id
  EXPECT_EQ(Kept(config, {0, two, one, 0}), (std::vector<bool>{true, true, true, false}));
  config.top_p = 0;
  EXPECT_EQ(Kept(config, {0, two, one, 0}), (std::vector<bool>{false, true, false, false}));
}

TEST(Filters, MeasureTopPOverWhatTopKLeft) {
  SamplingConfig config;
  config.top_k = 2;  // leaves 2/3 and 1/3
  config.top_p = 0.6;
  const float one = 0.6931472f;
  EXPECT_EQ(Kept(config, {2 * one, one, 0, 0}), (std::vector<bool>{true, false, false, false}));
}

TEST(Filters, DropBelowMinPTimesTheLargest) {
  SamplingConfig config;
  config.min_p = 0.3;
  const float one = 0.6931472f;
  EXPECT_EQ(Kept(config, {2 * one, one, 0, -one}), (std::vector<bool>{true, true, false, false}));
  config.min_p = 1;  // the largest always stays
  EXPECT_EQ(Kept(config, {2 * one, one}), (std::vector<bool>{true, false}));
}

TEST(Filters, PenaliseByTheSignOfTheLogit) {
  std::vector<float> logits = {3, -3, 5, 0};
  const std::vector<std::int32_t> seen = {1, 0, 3};
  ApplyRepetitionPenalty(1.5f, seen, logits);
  EXPECT_EQ(logits, (std::vector<float>{2, -4.5f, 5, 0}));
}

TEST(Filters, LeaveARowWithANanAlone) {
  SamplingConfig config;
  config.top_k = 1;
  FilterScratch scratch;
  std::vector<float> logits = {1, std::numeric_limits<float>::quiet_NaN(), 3};
  FilterLogits(config, logits, scratch);
  EXPECT_EQ(logits[0], 1);
  EXPECT_EQ(logits[2], 3);
}

}  // namespace
}  // namespace pawl
