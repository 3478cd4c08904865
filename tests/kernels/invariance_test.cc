// A row's result does not depend on strides, on the rows around it, on how a sequence was cut into
// calls, or on which instruction set stored the keys.
#include <gtest/gtest.h>

#include <vector>

#include "kernels/attention.h"
#include "kernels/linear.h"
#include "kernels/norm.h"
#include "kernels/random_values.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"

namespace pawl {
namespace {

class Invariance : public ::testing::TestWithParam<Isa> {
 protected:
  ThreadPool pool_{3};
  Compute compute_{pool_, GetParam()};
};

TEST_P(Invariance, LinearProductsHoldForEveryWidthHeightAndStride) {
  const std::size_t sizes[] = {1, 3, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65};
  ThreadPool one(1);
  const Compute reference(one, Isa::kPortable);
  std::size_t turn = 0;
  for (const std::size_t n : sizes) {
    for (const std::size_t k : sizes) {
      const std::size_t m = sizes[turn++ % 12], pad = turn % 5;
      const WeightType type = turn % 2 == 0 ? WeightType::kF32 : WeightType::kBf16;
      const PackedMatrix w = Packed(type, RandomValues(n * k, 1), n, k);
      auto x = RandomValues(m * (k + pad), 2), y = RandomValues(m * (n + pad), 3), y2 = y;
      const MatrixView<float> xs(x.data(), m, k, k + pad);
      LinearForward(compute_, xs, w, {}, Output::kAdd, {y.data(), m, n, n + pad});
      LinearForward(reference, xs, w, {}, Output::kAdd, {y2.data(), m, n, n + pad});
      ASSERT_TRUE(SameBits(y, y2)) << "forward " << m << " " << n << " " << k;
      auto dx = x, dx2 = x;
      const MatrixView<float> ys(y.data(), m, n, n + pad);
      LinearBackwardInput(compute_, ys, w, Output::kAdd, {dx.data(), m, k, k + pad});
      LinearBackwardInput(reference, ys, w, Output::kAdd, {dx2.data(), m, k, k + pad});
      ASSERT_TRUE(SameBits(dx, dx2)) << "input " << m << " " << n << " " << k;
      PackedMatrix dw = Packed(WeightType::kF32, RandomValues(n * k, 4), n, k), dw2 = dw.Clone();
      LinearBackwardWeight(compute_, ys, xs, dw);
      LinearBackwardWeight(reference, ys, xs, dw2);
      ASSERT_EQ(std::memcmp(dw.data().data(), dw2.data().data(), dw.bytes()), 0)
          << "weight " << m << " " << n << " " << k;
    }
  }
}

TEST_P(Invariance, LongReductionsAndManyRowsAreCutWithoutATrace) {
  const std::size_t m = 203, n = 70, k = 2100;  // beyond one block of rows and two of steps
  auto x = RandomValues(m * k, 1);
  for (const WeightType type : {WeightType::kF32, WeightType::kBf16}) {
    const PackedMatrix w = Packed(type, RandomValues(n * k, 2), n, k);
    std::vector<float> all(m * n), one(n), dx(m * k), dx_one(k);
    LinearForward(compute_, View(x, m, k), w, {}, Output::kWrite, View(all, m, n));
    LinearBackwardInput(compute_, View(all, m, n), w, Output::kWrite, View(dx, m, k));
    for (const std::size_t r : {0u, 95u, 96u, 202u}) {
      LinearForward(compute_, View(x, m, k).Rows(r, 1), w, {}, Output::kWrite, View(one, 1, n));
      EXPECT_EQ(std::memcmp(one.data(), all.data() + r * n, n * sizeof(float)), 0) << r;
      LinearBackwardInput(compute_, View(all, m, n).Rows(r, 1), w, Output::kWrite,
                          View(dx_one, 1, k));
      EXPECT_EQ(std::memcmp(dx_one.data(), dx.data() + r * k, k * sizeof(float)), 0) << r;
    }
  }
}

TEST_P(Invariance, PaddingOfAWeightGradientStaysZeroEvenForInfiniteInputs) {
  std::vector<float> x(5, std::numeric_limits<float>::infinity()), dy(33, 1.0f);
  PackedMatrix dw(WeightType::kF32, 33, 5);
  LinearBackwardWeight(compute_, View(dy, 1, 33), View(x, 1, 5), dw);
  for (std::size_t k = 0; k < 5; ++k) {
    for (std::size_t j = 1; j < 32; ++j) EXPECT_EQ(dw.data()[(5 + k) * 32 + j], 0.0f);
  }
}

TEST_P(Invariance, RowKernelsEqualThePortableOnesForEveryStride) {
  ThreadPool one(1);
  const Compute reference(one, Isa::kPortable);
  for (const std::size_t half : {1u, 3u, 8u, 12u, 16u, 20u, 32u, 33u}) {
    const std::size_t heads = 3, width = heads * 2 * half, rows = 4, stride = width + 3;
    std::vector<float> frequencies(half);
    for (std::size_t i = 0; i < half; ++i) frequencies[i] = 1.0f / static_cast<float>(1 + i);
    const RopeTable table = MakeRopeTable(frequencies, 100);
    const std::vector<std::uint32_t> positions = {0, 99, 3, 50};
    const auto weight = RandomValues(2 * half, 5);
    const auto run = [&](const Compute& compute) {
      auto x = RandomValues(rows * stride, 6);
      const MatrixView<float> view(x.data(), rows, width, stride);
      const auto input = x;
      std::vector<float> rstd(rows * heads), dweight(2 * half, 0.5f);
      HeadNormForward(compute, view, heads, weight, 1e-6f, View(rstd, rows, heads));
      RopeForward(compute, table, positions, heads, view);
      RopeBackward(compute, table, positions, heads, view);
      HeadNormBackward(compute, view, MatrixView<const float>(input.data(), rows, width, stride),
                       heads, weight, View(rstd, rows, heads), dweight);
      ScaleRows(compute, 1.25f, view);
      AddRows(compute, MatrixView<const float>(input.data(), rows, width, stride), view);
      x.insert(x.end(), dweight.begin(), dweight.end());
      x.insert(x.end(), rstd.begin(), rstd.end());
      return x;
    };
    EXPECT_TRUE(SameBits(run(compute_), run(reference))) << half;
  }
}

// A sequence of 150 positions with its pages.
struct Sequence {
  static constexpr std::size_t kLength = 150;
  AttentionShape shape{6, 2, 20};
  std::vector<float> keys = RandomValues(kLength * 40, 1), values = RandomValues(kLength * 40, 2);
  std::vector<float> queries = RandomValues(kLength * 120, 3, 3.0f);
  std::vector<std::vector<float>> pages{3, std::vector<float>(shape.page_floats(), 0.0f)};
  std::vector<float*> pointers{pages[0].data(), pages[1].data(), pages[2].data()};

  // Stores and attends rows [begin, begin + count) as a call of its own.
  void Step(const Compute& compute, std::size_t begin, std::size_t count, std::vector<float>& out) {
    const AttentionRows rows{0, count, begin, pointers};
    StoreKeysValues(compute, shape, {&rows, 1}, View(keys, kLength, 40).Rows(begin, count),
                    View(values, kLength, 40).Rows(begin, count));
    AttentionForward(compute, shape, {&rows, 1}, View(queries, kLength, 120).Rows(begin, count),
                     View(out, kLength, 120).Rows(begin, count), {});
  }
};

TEST_P(Invariance, AttentionIsTheSameTokenByTokenInChunksAndAtOnce) {
  ThreadPool one(1);
  std::vector<float> expected(Sequence::kLength * 120);
  Sequence whole;
  whole.Step(Compute(one, Isa::kPortable), 0, Sequence::kLength, expected);
  for (const std::size_t chunk : {1u, 7u, 64u, 100u, 150u}) {
    Sequence sequence;
    std::vector<float> out(Sequence::kLength * 120);
    for (std::size_t at = 0; at < Sequence::kLength; at += chunk) {
      sequence.Step(compute_, at, std::min(chunk, Sequence::kLength - at), out);
    }
    EXPECT_TRUE(SameBits(out, expected)) << chunk;
    for (std::size_t p = 0; p < 3; ++p) EXPECT_TRUE(SameBits(sequence.pages[p], whole.pages[p]));
  }
}

TEST_P(Invariance, SequencesThatShareAPrefixAddToItTheSameInOneCallAndInSeveral) {
  const AttentionShape shape{6, 2, 20};
  const std::size_t prefix = 70, rows = 11, sequences = 3, total = rows * sequences;
  auto q = RandomValues(total * 120, 1), dout = RandomValues(total * 120, 2);
  std::vector<std::vector<float>> pages;
  std::vector<std::vector<float*>> pointers(sequences);
  pages.push_back(RandomValues(shape.page_floats(), 3));
  for (std::size_t s = 0; s < sequences; ++s) pages.push_back(RandomValues(shape.page_floats(), 4));
  std::vector<AttentionRows> all;
  for (std::size_t s = 0; s < sequences; ++s) {
    pointers[s] = {pages[0].data(), pages[1 + s].data()};
    all.push_back({s * rows, rows, prefix, pointers[s]});
  }
  std::vector<float> out(total * 120), softmax(total * 12);
  AttentionForward(compute_, shape, all, View(q, total, 120), View(out, total, 120),
                   View(softmax, total, 12));
  const auto run = [&](std::size_t per_call) {
    std::vector<float> dq(total * 120), dk(total * 40), dv(total * 40);
    std::vector<float> prefix_k(prefix * 40, 0.25f), prefix_v(prefix * 40, -0.5f);
    std::vector<AttentionGradientRows> gradients;
    for (const AttentionRows& sequence : all) {
      gradients.push_back({sequence, View(prefix_k, prefix, 40), View(prefix_v, prefix, 40)});
    }
    for (std::size_t s = 0; s < sequences; s += per_call) {
      AttentionBackward(
          compute_, shape, std::span(gradients).subspan(s, std::min(per_call, sequences - s)),
          View(q, total, 120), View(out, total, 120), View(softmax, total, 12),
          View(dout, total, 120), View(dq, total, 120), View(dk, total, 40), View(dv, total, 40));
    }
    for (const auto& more : {dk, dv, prefix_k, prefix_v}) {
      dq.insert(dq.end(), more.begin(), more.end());
    }
    return dq;
  };
  const auto together = run(3);
  EXPECT_TRUE(SameBits(run(1), together));
  EXPECT_TRUE(SameBits(run(2), together));
}

INSTANTIATE_TEST_SUITE_P(AllInstructionSets, Invariance, ::testing::ValuesIn(SupportedIsas()),
                         [](const auto& isa) { return std::string(IsaName(isa.param)); });

TEST(Isa, NamesParseBackAndUnknownOnesNameTheChoices) {
  for (const Isa isa : SupportedIsas()) EXPECT_EQ(*ParseIsa(IsaName(isa)), isa);
  EXPECT_EQ(BestIsa(), SupportedIsas().back());
  const auto unknown = ParseIsa("sse2");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, ErrorCode::kUsage);
  EXPECT_NE(unknown.error().message.find("found \"sse2\", expected one of portable"),
            std::string::npos)
      << unknown.error().message;
}

}  // namespace
}  // namespace pawl
