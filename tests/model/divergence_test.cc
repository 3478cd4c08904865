#include "model/divergence.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/debug.h"
#include "model/toy.h"

namespace pawl {
namespace {

TEST(Divergence, OfAPolicyFromItselfIsNothing) {
  ThreadPool pool(2);
  const Compute compute(pool);
  const ModelConfig config = ToyConfig(ToyKind::kQwen2, true);
  const Model model = ToyModel(config, Precision::kInt8, pool);
  const std::vector<std::vector<std::int32_t>> lines{RandomIds(config, 40, 1),
                                                     RandomIds(config, 1, 2)};
  const Divergence found = MeasureDivergence({model, nullptr}, {model, nullptr}, compute, lines);
  EXPECT_EQ(found.positions, 41u);
  EXPECT_EQ(found.mean_kl, 0);
  EXPECT_EQ(found.max_kl, 0);
  EXPECT_EQ(found.greedy_agreement, 1);
  EXPECT_EQ(found.mean_log_prob_difference, 0);
}

// Against the definition, from the logits in doubles.
TEST(Divergence, IsTheMeanOfKullbackAndLeiblersSum) {
  ThreadPool pool(2);
  const Compute compute(pool);
  const ModelConfig config = ToyConfig(ToyKind::kQwen3, false);
  const Model p = ToyModel(config, Precision::kF32, pool);
  const Model q = ToyModel(config, Precision::kInt8, pool);
  const std::vector<std::vector<std::int32_t>> lines{RandomIds(config, 37, 3)};
  const Divergence found = MeasureDivergence({p, nullptr}, {q, nullptr}, compute, lines);
  Scratch scratch;
  const auto p_logits = LogitsOf({p, nullptr}, compute, lines[0], scratch).logits;
  const auto q_logits = LogitsOf({q, nullptr}, compute, lines[0], scratch).logits;
  const std::size_t n = 37, v = config.vocab_size;
  double mean = 0, largest = 0, same = 0;
  for (std::size_t t = 0; t < n; ++t) {
    const float *a = p_logits.data() + t * v, *b = q_logits.data() + t * v;
    double sum_a = 0, sum_b = 0, kl = 0;
    for (std::size_t i = 0; i < v; ++i) {
      sum_a += std::exp(static_cast<double>(a[i]));
      sum_b += std::exp(static_cast<double>(b[i]));
    }
    for (std::size_t i = 0; i < v; ++i) {
      const double log_a = static_cast<double>(a[i]) - std::log(sum_a);
      kl += std::exp(log_a) * (log_a - static_cast<double>(b[i]) + std::log(sum_b));
    }
    mean += kl / static_cast<double>(n);
    largest = std::max(largest, kl);
    same += std::max_element(a, a + v) - a == std::max_element(b, b + v) - b ? 1.0 : 0.0;
  }
  EXPECT_GT(found.mean_kl, 0);
  EXPECT_NEAR(found.mean_kl, mean, 1e-5);
  EXPECT_NEAR(found.max_kl, largest, 1e-5);
  EXPECT_EQ(found.greedy_agreement, same / static_cast<double>(n));
}

}  // namespace
}  // namespace pawl
