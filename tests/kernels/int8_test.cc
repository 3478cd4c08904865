// 8-bit weights: the quantisers' rules, exact sums at their bounds, the same bits everywhere.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/linear.h"
#include "kernels/random_values.h"

namespace pawl {
namespace {

struct Quantized {
  float scale = 0;
  std::vector<int> q;  // without the zero point
};

// The documented rules, in plain words and doubles where these are exact.
Quantized QuantizeRow(const std::vector<float>& x, float levels, bool by_inverse) {
  float largest = 0;
  for (const float v : x) largest = std::max(largest, std::fabs(v));
  Quantized out{largest / levels, {}};
  for (const float v : x) {
    const float scaled = by_inverse ? v * (levels / largest) : v / out.scale;
    out.q.push_back(static_cast<int>(std::nearbyint(scaled)));
  }
  return out;
}

std::vector<float> Row(const std::vector<float>& values, std::size_t row, std::size_t k) {
  const auto begin = values.begin() + static_cast<std::ptrdiff_t>(row * k);
  return {begin, begin + static_cast<std::ptrdiff_t>(k)};
}

struct Shape {
  std::size_t m, n, k;
};
const Shape kShapes[] = {{1, 1, 1},     {1, 33, 17},    {2, 31, 5},    {3, 64, 63},   {4, 32, 64},
                         {5, 100, 37},  {7, 96, 96},    {11, 65, 31},  {12, 33, 65},  {13, 288, 96},
                         {25, 130, 50}, {64, 257, 129}, {1, 600, 300}, {100, 97, 301}};

TEST(Int8, TheProductIsAnExactSumTimesTwoScales) {
  for (const Shape& s : kShapes) {
    auto x = RandomValues(s.m * s.k, 1, 3.0f);
    const auto weights = RandomValues(s.n * s.k, 2, 0.1f);
    const PackedMatrix w = Packed(WeightType::kInt8, weights, s.n, s.k);
    std::vector<float> expected(s.m * s.n);
    for (std::size_t m = 0; m < s.m; ++m) {
      const Quantized a = QuantizeRow(Row(x, m, s.k), 63.0f, true);
      for (std::size_t n = 0; n < s.n; ++n) {
        const Quantized b = QuantizeRow(Row(weights, n, s.k), 127.0f, false);
        long sum = 0;
        for (std::size_t k = 0; k < s.k; ++k) sum += a.q[k] * b.q[k];
        expected[m * s.n + n] = static_cast<float>(sum) * (a.scale * b.scale);
      }
    }
    for (const Isa isa : SupportedIsas()) {
      for (const int threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        std::vector<float> y(s.m * s.n);
        LinearForward(Compute(pool, isa), View(x, s.m, s.k), w, {}, Output::kWrite,
                      View(y, s.m, s.n));
        ASSERT_TRUE(SameBits(y, expected)) << IsaName(isa) << " " << s.m << " " << s.n;
      }
    }
  }
}

TEST(Int8, BiasAndAdditionComeAfterTheProductForEveryStride) {
  const std::size_t m = 9, n = 70, k = 45, pad = 3;
  auto x = RandomValues(m * (k + pad), 1);
  const auto bias = RandomValues(n, 4), start = RandomValues(m * (n + pad), 5);
  const PackedMatrix w = Packed(WeightType::kInt8, RandomValues(n * k, 2), n, k);
  const MatrixView<const float> rows(x.data(), m, k, k + pad);
  ThreadPool one(1);
  std::vector<float> product(m * n), expected = start;
  LinearForward(Compute(one, Isa::kPortable), rows, w, {}, Output::kWrite, View(product, m, n));
  for (std::size_t r = 0; r < m; ++r) {
    for (std::size_t c = 0; c < n; ++c) {
      float& y = expected[r * (n + pad) + c];
      y = (y + product[r * n + c]) + bias[c];
    }
  }
  for (const Isa isa : SupportedIsas()) {
    ThreadPool pool(2);
    auto y = start;
    LinearForward(Compute(pool, isa), rows, w, bias, Output::kAdd, {y.data(), m, n, n + pad});
    EXPECT_TRUE(SameBits(y, expected)) << IsaName(isa);
  }
}

// 16-bit sums of neighbouring products are largest where every operand is: 2 * 127 * 127.
TEST(Int8, NothingSaturatesAtTheLargestOperands) {
  const std::size_t n = 35, k = 4864;
  std::vector<float> weights(n * k), x(2 * k, 1.0f);
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = i / k % 2 == 0 ? 0.5f : -0.5f;
  std::fill(x.begin() + k, x.end(), -1.0f);
  const PackedMatrix w = Packed(WeightType::kInt8, weights, n, k);
  for (const Isa isa : SupportedIsas()) {
    ThreadPool pool(1);
    std::vector<float> y(2 * n);
    LinearForward(Compute(pool, isa), View(x, 2, k), w, {}, Output::kWrite, View(y, 2, n));
    const float one =
        static_cast<float>(63 * 127 * static_cast<int>(k)) * ((1.0f / 63.0f) * (0.5f / 127.0f));
    for (std::size_t c = 0; c < n; ++c) {
      EXPECT_EQ(y[c], c % 2 == 0 ? one : -one) << IsaName(isa) << c;
      EXPECT_EQ(y[n + c], c % 2 == 0 ? -one : one) << IsaName(isa) << c;
    }
  }
}

TEST(Int8, ARowDoesNotDependOnTheRowsAroundIt) {
  const std::size_t n = 70, k = 40;
  const PackedMatrix w = Packed(WeightType::kInt8, RandomValues(n * k, 2), n, k);
  auto x = RandomValues(30 * k, 1);
  for (std::size_t i = 0; i < k; ++i) x[5 * k + i] *= 1e6f;  // a neighbour with a far larger scale
  ThreadPool pool(2);
  const Compute compute(pool);
  std::vector<float> all(30 * n);
  LinearForward(compute, View(x, 30, k), w, {}, Output::kWrite, View(all, 30, n));
  for (const std::size_t count : {1u, 2u, 7u, 13u, 29u}) {
    std::vector<float> part(count * n);
    LinearForward(compute, View(x, 30, k).Rows(1, count), w, {}, Output::kWrite,
                  View(part, count, n));
    EXPECT_EQ(std::memcmp(part.data(), all.data() + n, count * n * sizeof(float)), 0) << count;
  }
}

TEST(Int8, TheQuantiserGivesTheSameBytesForEveryLengthAndAlignment) {
  const KernelTable& portable = KernelsFor(Isa::kPortable);
  for (const Isa isa : SupportedIsas()) {
    for (std::size_t n = 1; n < 140; n = n < 70 ? n + 1 : n + 13) {
      auto x = RandomValues(n + 1, n, 5.0f);
      if (n > 3) x[2] = 0.5f / 63.0f * 1e3f;
      std::vector<std::uint8_t> found(n + 1, 7), expected(n + 1, 7);
      const float scale = KernelsFor(isa).quantize(x.data() + 1, n, found.data());
      EXPECT_EQ(scale, portable.quantize(x.data() + 1, n, expected.data()));
      EXPECT_EQ(found, expected) << IsaName(isa) << " " << n;
      EXPECT_EQ(found[n], 7);  // nothing is written beyond
      for (std::size_t i = 0; i < n; ++i) EXPECT_TRUE(found[i] >= 1 && found[i] <= 127);
    }
  }
}

TEST(Int8, HalvesRoundToEven) {
  std::vector<float> x(64, 0.0f);
  x[0] = 63.0f;  // scale 1
  for (int i = 1; i < 60; ++i) x[static_cast<std::size_t>(i)] = static_cast<float>(i - 30) + 0.5f;
  for (const Isa isa : SupportedIsas()) {
    std::vector<std::uint8_t> q(64);
    EXPECT_EQ(KernelsFor(isa).quantize(x.data(), 64, q.data()), 1.0f);
    for (int i = 1; i < 60; ++i) {
      const float v = static_cast<float>(i - 30) + 0.5f;
      EXPECT_EQ(q[static_cast<std::size_t>(i)] - 64, static_cast<int>(std::nearbyint(v)));
    }
  }
}

TEST(Int8, RowsThatAreNotFiniteGiveNanAndZeroRowsGiveZero) {
  const std::size_t n = 33, k = 50;
  const PackedMatrix w = Packed(WeightType::kInt8, RandomValues(n * k, 2), n, k);
  for (const float bad :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
        std::numeric_limits<float>::quiet_NaN()}) {
    for (const std::size_t place : {0u, 31u, 49u}) {
      auto x = RandomValues(3 * k, 1);
      x[k + place] = bad;
      std::fill_n(x.begin() + 2 * k, k, 1e-40f);
      for (const Isa isa : SupportedIsas()) {
        ThreadPool pool(1);
        std::vector<float> y(3 * n);
        LinearForward(Compute(pool, isa), View(x, 3, k), w, {}, Output::kWrite, View(y, 3, n));
        for (std::size_t c = 0; c < n; ++c) {
          EXPECT_TRUE(std::isfinite(y[c]));
          EXPECT_TRUE(std::isnan(y[n + c])) << IsaName(isa);
          EXPECT_EQ(y[2 * n + c], 0.0f);
        }
      }
    }
  }
}

TEST(Int8, StoredRowsAreTheirRoundedMultiplesOfTheScale) {
  const std::size_t n = 40, k = 27;
  auto weights = RandomValues(n * k, 2, 0.3f);
  std::fill_n(weights.begin(), k, 0.0f);
  std::fill_n(weights.begin() + static_cast<std::ptrdiff_t>(k), k,
              1e-38f);  // no scale inverts this
  const PackedMatrix w = Packed(WeightType::kInt8, weights, n, k);
  std::vector<float> back(n * k), copied(n * k);
  w.GetRows(0, View(back, n, k));
  w.Clone().GetRows(0, View(copied, n, k));
  EXPECT_TRUE(SameBits(back, copied));
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t c = 0; c < k; ++c) {
      const float found = back[row * k + c];
      if (row < 2) {
        EXPECT_EQ(found, 0.0f);
      } else {
        const Quantized q = QuantizeRow(Row(weights, row, k), 127.0f, false);
        EXPECT_EQ(found, static_cast<float>(q.q[c]) * q.scale);
        EXPECT_LE(std::fabs(found - weights[row * k + c]), 0.5001f * q.scale);
      }
    }
  }
  EXPECT_LT(w.bytes(), n * k * 2 + 64 * 28);
}

// The gradient is that of the stored weights in float32, ascending over n.
TEST(Int8, TheInputGradientIsOneChainOverTheStoredWeights) {
  for (const Shape& s : kShapes) {
    auto dy = RandomValues(s.m * s.n, 4);
    const PackedMatrix w = Packed(WeightType::kInt8, RandomValues(s.n * s.k, 2), s.n, s.k);
    std::vector<float> stored(s.n * s.k);
    w.GetRows(0, View(stored, s.n, s.k));
    const PackedMatrix wide = Packed(WeightType::kF32, stored, s.n, s.k);
    ThreadPool one(1);
    std::vector<float> expected(s.m * s.k);
    LinearBackwardInput(Compute(one, Isa::kPortable), View(dy, s.m, s.n), wide, Output::kWrite,
                        View(expected, s.m, s.k));
    for (const Isa isa : SupportedIsas()) {
      ThreadPool pool(3);
      std::vector<float> dx(s.m * s.k);
      LinearBackwardInput(Compute(pool, isa), View(dy, s.m, s.n), w, Output::kWrite,
                          View(dx, s.m, s.k));
      EXPECT_TRUE(SameBits(dx, expected)) << IsaName(isa) << " " << s.m << " " << s.n;
    }
  }
}

TEST(Isa, VnniNamesAreKnownAndRefusedWhereTheCpuLacksThem) {
  for (const char* name : {"portable", "avx2", "avxvnni", "avx512", "avx512vnni"}) {
    const Result<Isa> isa = ParseIsa(name);
    if (isa) {
      EXPECT_STREQ(IsaName(*isa), name);
    } else {
      EXPECT_NE(isa.error().message.find("this CPU lacks"), std::string::npos);
      EXPECT_EQ(isa.error().code, ErrorCode::kUsage);
    }
  }
  EXPECT_FALSE(ParseIsa("avx1024"));
}

}  // namespace
}  // namespace pawl
