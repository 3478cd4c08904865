// Every backward operation against central differences of the same function written in double.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "kernels/attention.h"
#include "kernels/linear.h"
#include "kernels/norm.h"
#include "kernels/random_values.h"
#include "kernels/rope.h"
#include "kernels/softmax.h"
#include "kernels/swiglu.h"

namespace pawl {
namespace {

using Doubles = std::vector<double>;
using Loss = std::function<double(const Doubles&)>;

Doubles Widened(const std::vector<float>& x) { return {x.begin(), x.end()}; }

// Compares `gradient` with the derivative of `loss` at x in every `stride`-th coordinate.
void ExpectGradient(const Loss& loss, const std::vector<float>& x,
                    const std::vector<float>& gradient, std::size_t stride = 1) {
  ASSERT_EQ(x.size(), gradient.size());
  Doubles at = Widened(x);
  double largest = 0;
  for (const float g : gradient) largest = std::max(largest, std::fabs(static_cast<double>(g)));
  EXPECT_GT(largest, 0);
  for (std::size_t i = 0; i < x.size(); i += stride) {
    const double kept = at[i], h = 1e-5;
    at[i] = kept + h;
    const double up = loss(at);
    at[i] = kept - h;
    const double down = loss(at);
    at[i] = kept;
    EXPECT_NEAR(gradient[i], (up - down) / (2 * h), 2e-5 * largest + 1e-7) << "coordinate " << i;
  }
}

double Dot(const Doubles& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

constexpr double kEps = 1e-5;

// sum of dy * rms_norm(x) over groups of `width` values.
double NormLoss(const Doubles& x, const Doubles& weight, const std::vector<float>& dy) {
  const std::size_t width = weight.size();
  double loss = 0;
  for (std::size_t r = 0; r < x.size() / width; ++r) {
    double squares = 0;
    for (std::size_t c = 0; c < width; ++c) squares += x[r * width + c] * x[r * width + c];
    const double rstd = 1 / std::sqrt(squares / static_cast<double>(width) + kEps);
    for (std::size_t c = 0; c < width; ++c) {
      loss += dy[r * width + c] * x[r * width + c] * rstd * weight[c];
    }
  }
  return loss;
}

class Gradients : public ::testing::TestWithParam<Isa> {
 protected:
  ThreadPool pool_{2};
  Compute compute_{pool_, GetParam()};
};

TEST_P(Gradients, OfTheNorm) {
  const std::size_t rows = 3, width = 21;
  auto x = RandomValues(rows * width, 1), dy = RandomValues(rows * width, 2);
  auto weight = RandomValues(width, 3);
  std::vector<float> y(x.size()), rstd(rows), dx(x.size(), 0.0f), dweight(width, 0.0f);
  RmsNormForward(compute_, View(x, rows, width), weight, 1e-5f, View(y, rows, width), rstd);
  RmsNormBackward(compute_, View(dy, rows, width), View(x, rows, width), weight, rstd,
                  View(dx, rows, width), dweight);
  ExpectGradient([&](const Doubles& at) { return NormLoss(at, Widened(weight), dy); }, x, dx);
  ExpectGradient([&](const Doubles& at) { return NormLoss(Widened(x), at, dy); }, weight, dweight);
}

TEST_P(Gradients, OfTheNormAreAddedToWhatIsThere) {
  auto x = RandomValues(20, 1), dy = RandomValues(20, 2), weight = RandomValues(20, 3);
  std::vector<float> y(20), rstd(1), once(20, 0.0f), added(20, 7.0f), dweight(20, 0.0f);
  RmsNormForward(compute_, View(x, 1, 20), weight, 1e-5f, View(y, 1, 20), rstd);
  RmsNormBackward(compute_, View(dy, 1, 20), View(x, 1, 20), weight, rstd, View(once, 1, 20), {});
  RmsNormBackward(compute_, View(dy, 1, 20), View(x, 1, 20), weight, rstd, View(added, 1, 20), {});
  for (std::size_t i = 0; i < 20; ++i) EXPECT_NEAR(added[i], 7.0f + once[i], 1e-6f);
}

TEST_P(Gradients, OfTheHeadNorm) {
  const std::size_t rows = 2, heads = 3, width = 10;
  const auto x = RandomValues(rows * heads * width, 1), dy = RandomValues(x.size(), 2);
  auto weight = RandomValues(width, 3);
  std::vector<float> y = x, rstd(rows * heads), dx = dy, dweight(width, 0.0f);
  HeadNormForward(compute_, View(y, rows, heads * width), heads, weight, 1e-5f,
                  View(rstd, rows, heads));
  auto input = x;
  HeadNormBackward(compute_, View(dx, rows, heads * width), View(input, rows, heads * width), heads,
                   weight, View(rstd, rows, heads), dweight);
  ExpectGradient([&](const Doubles& at) { return NormLoss(at, Widened(weight), dy); }, x, dx);
  ExpectGradient([&](const Doubles& at) { return NormLoss(Widened(x), at, dy); }, weight, dweight);
}

TEST_P(Gradients, OfTheRotation) {
  const std::size_t rows = 3, heads = 2, half = 5;
  const RopeTable table = MakeRopeTable({1.0f, 0.5f, 0.25f, 0.1f, 0.01f}, 50);
  const std::vector<std::uint32_t> positions = {0, 7, 49};
  const auto x = RandomValues(rows * heads * 2 * half, 1), dy = RandomValues(x.size(), 2);
  auto dx = dy;
  RopeBackward(compute_, table, positions, heads, View(dx, rows, heads * 2 * half));
  const Loss loss = [&](const Doubles& at) {
    double sum = 0;
    for (std::size_t i = 0; i < at.size(); ++i) {
      const std::size_t pair = i % (2 * half), base = i - pair;
      if (pair >= half) continue;
      const double angle =
          static_cast<double>(static_cast<float>(positions[i / (4 * half)]) * table.inv_freq[pair]);
      const double a = at[base + pair], b = at[base + half + pair];
      sum += dy[base + pair] * (a * std::cos(angle) - b * std::sin(angle));
      sum += dy[base + half + pair] * (b * std::cos(angle) + a * std::sin(angle));
    }
    return sum;
  };
  ExpectGradient(loss, x, dx);
  auto back = x;  // the backward rotation undoes the forward one
  RopeForward(compute_, table, positions, heads, View(back, rows, heads * 2 * half));
  RopeBackward(compute_, table, positions, heads, View(back, rows, heads * 2 * half));
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(back[i], x[i], 1e-6f);
}

TEST_P(Gradients, OfSwigluAlsoInPlace) {
  const std::size_t rows = 2, f = 19;
  auto gate_up = RandomValues(rows * 2 * f, 1, 4.0f), dy = RandomValues(rows * f, 2);
  std::vector<float> gradient(gate_up.size());
  SwigluBackward(compute_, View(gate_up, rows, 2 * f), View(dy, rows, f),
                 View(gradient, rows, 2 * f));
  const Loss loss = [&](const Doubles& at) {
    double sum = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < f; ++c) {
        const double gate = at[r * 2 * f + c], up = at[r * 2 * f + f + c];
        sum += dy[r * f + c] * gate / (1 + std::exp(-gate)) * up;
      }
    }
    return sum;
  };
  ExpectGradient(loss, gate_up, gradient);
  SwigluBackward(compute_, View(gate_up, rows, 2 * f), View(dy, rows, f),
                 View(gate_up, rows, 2 * f));
  EXPECT_TRUE(SameBits(gate_up, gradient));
}

TEST_P(Gradients, OfALinearLayersInputWeightAndBias) {
  const std::size_t m = 5, n = 37, k = 33;
  auto x = RandomValues(m * k, 1), dy = RandomValues(m * n, 2), w = RandomValues(n * k, 3);
  const PackedMatrix packed = Packed(WeightType::kF32, w, n, k);
  std::vector<float> dx(m * k), dw(n * k), dbias(n, 0.0f);
  PackedMatrix packed_dw(WeightType::kF32, n, k);
  LinearBackwardInput(compute_, View(dy, m, n), packed, Output::kWrite, View(dx, m, k));
  LinearBackwardWeight(compute_, View(dy, m, n), View(x, m, k), packed_dw);
  packed_dw.GetRows(0, View(dw, n, k));
  BiasBackward(compute_, View(dy, m, n), dbias);
  const auto loss = [&](const Doubles& xs, const Doubles& ws) {
    double sum = 0;
    for (std::size_t i = 0; i < m; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        double y = 0;
        for (std::size_t c = 0; c < k; ++c) y += xs[i * k + c] * ws[j * k + c];
        sum += y * dy[i * n + j];
      }
    }
    return sum;
  };
  ExpectGradient([&](const Doubles& at) { return loss(at, Widened(w)); }, x, dx, 3);
  ExpectGradient([&](const Doubles& at) { return loss(Widened(x), at); }, w, dw, 17);
  for (std::size_t j = 0; j < n; ++j) {
    double sum = 0;
    for (std::size_t i = 0; i < m; ++i) sum += dy[i * n + j];
    EXPECT_NEAR(dbias[j], sum, 1e-6);
  }
  // Columns 37 .. 63 of the second panel are padding.
  for (std::size_t c = 0; c < k; ++c) {
    for (std::size_t j = n; j < 64; ++j) EXPECT_EQ(packed_dw.data()[(k + c) * 32 + j - 32], 0.0f);
  }
}

// Attention of one sequence: positions [0, prefix) come from a shared prefix.
struct DoubleAttention {
  std::size_t heads, kv_heads, dim, prefix, rows;
  double Loss(const Doubles& q, const Doubles& k, const Doubles& v,
              const std::vector<float>& dout) const {
    double loss = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t h = 0; h < heads; ++h) {
        const std::size_t kv = h / (heads / kv_heads);
        double sum = 0, weighted = 0;
        for (std::size_t j = 0; j <= prefix + r; ++j) {
          double score = 0, value = 0;
          for (std::size_t d = 0; d < dim; ++d) {
            score += q[(r * heads + h) * dim + d] * k[(j * kv_heads + kv) * dim + d];
            value += dout[(r * heads + h) * dim + d] * v[(j * kv_heads + kv) * dim + d];
          }
          const double weight = std::exp(score / std::sqrt(static_cast<double>(dim)));
          sum += weight;
          weighted += weight * value;
        }
        loss += weighted / sum;
      }
    }
    return loss;
  }
};

TEST_P(Gradients, OfAttentionForQueriesOwnAndPrefixKeysAndValues) {
  for (const std::size_t prefix : {0u, 3u, 64u, 70u}) {
    const DoubleAttention reference{6, 2, 10, prefix, 9};
    const AttentionShape shape{6, 2, 10};
    const std::size_t total = prefix + 9, kv = 20;
    auto keys = RandomValues(total * kv, 1, 2.0f), values = RandomValues(total * kv, 2);
    auto q = RandomValues(9 * 60, 3, 2.0f), dout = RandomValues(9 * 60, 4);
    std::vector<std::vector<float>> pages((total + 63) / 64,
                                          std::vector<float>(shape.page_floats(), 0.0f));
    std::vector<float*> pointers;
    for (auto& page : pages) pointers.push_back(page.data());
    const AttentionRows all{0, total, 0, pointers}, rows{0, 9, prefix, pointers};
    StoreKeysValues(compute_, shape, {&all, 1}, View(keys, total, kv), View(values, total, kv));
    std::vector<float> out(9 * 60), softmax(9 * 12), dq(9 * 60);
    AttentionForward(compute_, shape, {&rows, 1}, View(q, 9, 60), View(out, 9, 60),
                     View(softmax, 9, 12));
    std::vector<float> dk(total * kv, 0.0f), dv(total * kv, 0.0f);
    const AttentionGradientRows gradient{rows, View(dk, total, kv).Rows(0, prefix),
                                         View(dv, total, kv).Rows(0, prefix)};
    AttentionBackward(compute_, shape, {&gradient, 1}, View(q, 9, 60), View(out, 9, 60),
                      View(softmax, 9, 12), View(dout, 9, 60), View(dq, 9, 60),
                      View(dk, total, kv).Rows(prefix, 9), View(dv, total, kv).Rows(prefix, 9));
    EXPECT_NEAR(Dot(Widened(out), dout),
                reference.Loss(Widened(q), Widened(keys), Widened(values), dout), 1e-4);
    const Doubles k = Widened(keys), v = Widened(values);
    ExpectGradient([&](const Doubles& at) { return reference.Loss(at, k, v, dout); }, q, dq, 7);
    ExpectGradient([&](const Doubles& at) { return reference.Loss(Widened(q), at, v, dout); }, keys,
                   dk, 29);
    ExpectGradient([&](const Doubles& at) { return reference.Loss(Widened(q), k, at, dout); },
                   values, dv, 29);
  }
}

TEST_P(Gradients, OfLogProbabilitiesAndEntropy) {
  const std::size_t v = 37;
  const float temperature_inverse = 0.7f;
  auto logits = RandomValues(2 * v, 1, 5.0f);
  const std::vector<std::int32_t> targets = {4, -1};
  const std::vector<float> dlogp = {1.5f, 0.0f}, dentropy = {-0.3f, 0.8f};
  std::vector<RowStatistics> statistics(2);
  SoftmaxStatistics(compute_, View(logits, 2, v), temperature_inverse, statistics);
  auto gradient = logits;
  LogProbBackward(compute_, targets, statistics, temperature_inverse, dlogp, dentropy,
                  View(gradient, 2, v));
  const Loss loss = [&](const Doubles& at) {
    double total = 0;
    for (std::size_t r = 0; r < 2; ++r) {
      double sum = 0, entropy = 0;
      for (std::size_t i = 0; i < v; ++i) sum += std::exp(temperature_inverse * at[r * v + i]);
      for (std::size_t i = 0; i < v; ++i) {
        const double logp = temperature_inverse * at[r * v + i] - std::log(sum);
        entropy -= std::exp(logp) * logp;
        if (static_cast<std::int32_t>(i) == targets[r]) total += dlogp[r] * logp;
      }
      total += dentropy[r] * entropy;
    }
    return total;
  };
  ExpectGradient(loss, logits, gradient);
}

INSTANTIATE_TEST_SUITE_P(AllInstructionSets, Gradients, ::testing::ValuesIn(SupportedIsas()),
                         [](const auto& isa) { return std::string(IsaName(isa.param)); });

}  // namespace
}  // namespace pawl
