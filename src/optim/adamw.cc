#include "optim/adamw.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "kernels/math.h"

namespace pawl {

AdamWStep MakeAdamWStep(const AdamWConfig& c, double learning_rate, std::int64_t step) {
  PAWL_CHECK(step >= 1);
  const double bias1 = 1 - PowD(c.beta1, static_cast<double>(step));
  const double bias2 = 1 - PowD(c.beta2, static_cast<double>(step));
  return {static_cast<float>(c.beta1),
          static_cast<float>(1 - c.beta1),
          static_cast<float>(c.beta2),
          static_cast<float>(1 - c.beta2),
          static_cast<float>(1 - learning_rate * c.weight_decay),
          static_cast<float>(learning_rate / bias1),
          static_cast<float>(1 / std::sqrt(bias2)),
          static_cast<float>(c.epsilon)};
}

void AdamWUpdate(const AdamWStep& s, bool decayed, float gradient_scale, std::span<float> weights,
                 std::span<const float> gradients, std::span<float> first_moment,
                 std::span<float> second_moment) {
  const std::size_t n = weights.size();
  PAWL_CHECK(gradients.size() == n && first_moment.size() == n && second_moment.size() == n);
  const float decay = decayed ? s.decay : 1.0f;
  float* w = weights.data();
  float* m = first_moment.data();
  float* v = second_moment.data();
  const float* gradient = gradients.data();
  for (std::size_t i = 0; i < n; ++i) {
    const float g = gradient[i] * gradient_scale;
    m[i] = s.beta1 * m[i] + s.one_minus_beta1 * g;
    v[i] = s.beta2 * v[i] + s.one_minus_beta2 * (g * g);
    const float denominator = __builtin_sqrtf(v[i]) * s.inverse_sqrt_bias2 + s.epsilon;
    w[i] = w[i] * decay - s.step_size * (m[i] / denominator);
  }
}

void DecayTowards(float rate, std::span<const float> start, std::span<float> weights) {
  PAWL_CHECK(start.size() == weights.size());
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = weights[i] + rate * (start[i] - weights[i]);
  }
}

double SumOfSquares(std::span<const float> values, ThreadPool& pool) {
  constexpr std::size_t kChunk = 65'536;
  const std::size_t chunks = (values.size() + kChunk - 1) / kChunk;
  std::vector<double> sums(chunks);
  pool.For(chunks, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t c = begin; c < end; ++c) {
      const auto part = values.subspan(c * kChunk, std::min(kChunk, values.size() - c * kChunk));
      double lanes[16] = {};
      for (std::size_t i = 0; i < part.size(); ++i) {
        const double x = part[i];
        lanes[i % 16] += x * x;
      }
      for (int half = 8; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
      }
      sums[c] = lanes[0];
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

double ClipFactor(double norm, double max_norm) {
  return max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0;
}

}  // namespace pawl
