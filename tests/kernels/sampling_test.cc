// Token choice and the statistics of a row of logits, against definitions and distributions.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/philox.h"
#include "kernels/math.h"
#include "kernels/random_values.h"
#include "kernels/softmax.h"

namespace pawl {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// The definition, one token at a time.
std::int32_t DirectGumbel(const std::vector<float>& logits, float inverse_temperature,
                          const SampleAddress& address) {
  const PhiloxBlock stream = RandomBlock(
      {address.seed, RandomPurpose::kSampling, address.item, address.sample}, address.position);
  float best = -kInf;
  std::int32_t token = -1;
  for (std::size_t v = 0; v < logits.size(); ++v) {
    const auto counter = static_cast<std::uint32_t>(v / 64 * 16 + v % 16);
    const std::uint32_t x =
        Philox4x32({counter, stream[2], stream[3], 0}, {stream[0], stream[1]})[v / 16 % 4];
    const float u = std::fma(static_cast<float>(x), 0x1p-32f, 0x1p-33f);
    const float score = logits[v] * inverse_temperature - LogF(-Log1pNegF(u));
    if (score > best) {
      best = score;
      token = static_cast<std::int32_t>(v);
    }
  }
  return token;
}

TEST(GumbelArgmax, EqualsTheDefinitionThoughBlocksThatCannotWinAreSkipped) {
  for (const Isa isa : SupportedIsas()) {
    ThreadPool pool(2);
    const Compute compute(pool, isa);
    for (const std::size_t v : {1u, 63u, 64u, 65u, 1000u, 9001u}) {
      auto logits = RandomValues(v, v, 20.0f);
      for (std::size_t i = 0; i < v; i += 3) logits[i] = -kInf;
      if (v > 1) logits[v - 1] = 30.0f;
      for (std::uint32_t sample = 0; sample < 5; ++sample) {
        const SampleAddress address{9, 1ull << 40, sample, 70000 + sample};
        EXPECT_EQ(GumbelArgmax(compute, logits, 0.5f, address),
                  DirectGumbel(logits, 0.5f, address));
      }
    }
  }
}

TEST(GumbelArgmax, NeverChoosesMinusInfinityOrNan) {
  ThreadPool pool(1);
  const Compute compute(pool);
  std::vector<float> logits(100, -kInf);
  EXPECT_EQ(GumbelArgmax(compute, logits, 1.0f, {}), -1);
  logits[70] = std::numeric_limits<float>::quiet_NaN();
  logits[71] = -50.0f;
  for (std::uint32_t p = 0; p < 50; ++p) {
    EXPECT_EQ(GumbelArgmax(compute, logits, 1.0f, {1, 2, 3, p}), 71);
  }
}

// Pearson's statistic of `draws` samples against softmax(logits / temperature).
double ChiSquare(const std::vector<float>& logits, float inverse_temperature, int draws,
                 bool by_position) {
  ThreadPool pool(1);
  const Compute compute(pool);
  std::vector<double> expected(logits.size());
  double sum = 0;
  for (std::size_t v = 0; v < logits.size(); ++v) {
    expected[v] = std::exp(static_cast<double>(logits[v]) * inverse_temperature);
    sum += expected[v];
  }
  std::vector<int> counts(logits.size(), 0);
  for (int i = 0; i < draws; ++i) {
    const auto n = static_cast<std::uint32_t>(i);
    const SampleAddress address =
        by_position ? SampleAddress{1, 2, 3, n} : SampleAddress{1, n / 8, n % 8, 5};
    ++counts[static_cast<std::size_t>(GumbelArgmax(compute, logits, inverse_temperature, address))];
  }
  double statistic = 0;
  for (std::size_t v = 0; v < logits.size(); ++v) {
    const double mean = draws * expected[v] / sum;
    statistic += (counts[v] - mean) * (counts[v] - mean) / mean;
  }
  return statistic;
}

TEST(GumbelArgmax, DrawsFromTheSoftmax) {
  // 99.9 % points of chi-square with 7 and 99 degrees of freedom: 24.3 and 148.2.
  const std::vector<float> few = {0.0f, 1.0f, -1.0f, 2.0f, 0.5f, -0.5f, 1.5f, 0.25f};
  EXPECT_LT(ChiSquare(few, 1.0f, 40'000, true), 24.3);
  EXPECT_LT(ChiSquare(few, 0.5f, 40'000, false), 24.3);
  EXPECT_LT(ChiSquare(RandomValues(100, 8), 1.0f, 40'000, true), 148.2);
}

TEST(GumbelArgmax, DrawsAnewForEveryPartOfTheAddress) {
  ThreadPool pool(1);
  const Compute compute(pool);
  const std::vector<float> flat(50'000, 0.0f);
  std::vector<std::int32_t> tokens;
  for (const SampleAddress& a :
       {SampleAddress{1, 1, 1, 1}, SampleAddress{2, 1, 1, 1}, SampleAddress{1ull << 33, 1, 1, 1},
        SampleAddress{1, 2, 1, 1}, SampleAddress{1, 1ull << 33, 1, 1}, SampleAddress{1, 1, 2, 1},
        SampleAddress{1, 1, 1, 2}, SampleAddress{1, 1, 1, 65537}}) {
    tokens.push_back(GumbelArgmax(compute, flat, 1.0f, a));
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) EXPECT_NE(tokens[i], tokens.back());
  }
}

TEST(SoftmaxStatistics, AgreeWithLongDoubleOverALargeVocabulary) {
  for (const Isa isa : SupportedIsas()) {
    ThreadPool pool(2);
    const std::size_t v = 151'936;
    auto logits = RandomValues(v, 3, 12.0f);
    logits[100'000] = 25.0f;
    logits[17] = -kInf;
    RowStatistics row;
    const float inverse_temperature = 0.9f;
    SoftmaxStatistics(Compute(pool, isa), View(logits, 1, v), inverse_temperature, {&row, 1});
    long double sum = 0, weighted = 0;
    for (const float logit : logits) {
      const long double z = static_cast<long double>(logit * inverse_temperature) - row.max;
      if (std::isinf(logit)) continue;
      sum += std::exp(z);
      weighted += std::exp(z) * z;
    }
    EXPECT_EQ(row.argmax, 100'000);
    EXPECT_EQ(row.max, 25.0f * inverse_temperature);
    const auto log_sum = static_cast<double>(std::log(sum));
    EXPECT_NEAR(static_cast<double>(row.sum / sum), 1, 1e-6);
    EXPECT_NEAR(row.log_sum, log_sum, 1e-6);
    EXPECT_NEAR(row.entropy, log_sum - static_cast<double>(weighted / sum), 2e-6);
    EXPECT_NEAR(LogProb(logits[5], inverse_temperature, row),
                logits[5] * inverse_temperature - row.max - log_sum, 2e-6);
  }
}

TEST(SoftmaxStatistics, FindTheFirstOfEqualMaxima) {
  for (const Isa isa : SupportedIsas()) {
    ThreadPool pool(2);
    std::vector<float> logits(9000, -1.0f);
    logits[4095 + 4] = logits[8191] = logits[8999] = 3.0f;
    RowStatistics row;
    SoftmaxStatistics(Compute(pool, isa), View(logits, 1, 9000), 1.0f, {&row, 1});
    EXPECT_EQ(row.argmax, 4099);
  }
}

}  // namespace
}  // namespace pawl
