// Every kernel gives the same bits on every instruction set, thread count, batch and slicing.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
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

// Runs `work` on every instruction set with 1, 2, 3 and 8 threads; all results must equal the
// first.
void ExpectSameEverywhere(const std::function<std::vector<float>(const Compute&)>& work) {
  ThreadPool one(1);
  const std::vector<float> reference = work(Compute(one, Isa::kPortable));
  for (const Isa isa : SupportedIsas()) {
    for (const int threads : {1, 2, 3, 8}) {
      ThreadPool pool(threads);
      EXPECT_TRUE(SameBits(work(Compute(pool, isa)), reference))
          << IsaName(isa) << " with " << threads << " threads";
    }
  }
}

struct Shape {
  std::size_t m, n, k;
};
const Shape kShapes[] = {{1, 1, 1},     {1, 33, 17},    {2, 31, 5},    {3, 64, 63},
                         {5, 100, 37},  {7, 96, 96},    {12, 33, 65},  {13, 288, 96},
                         {25, 130, 50}, {64, 257, 129}, {1, 600, 300}, {100, 600, 300}};

TEST(LinearForward, GivesTheSameBitsOnEveryInstructionSetAndThreadCount) {
  for (const WeightType type : {WeightType::kF32, WeightType::kBf16}) {
    for (const Shape& s : kShapes) {
      auto x = RandomValues(s.m * s.k, 1);
      const auto bias = RandomValues(s.n, 3);
      const PackedMatrix w = Packed(type, RandomValues(s.n * s.k, 2), s.n, s.k);
      ExpectSameEverywhere([&](const Compute& compute) {
        std::vector<float> y(s.m * s.n);
        LinearForward(compute, View(x, s.m, s.k), w, bias, Output::kWrite, View(y, s.m, s.n));
        LinearForward(compute, View(x, s.m, s.k), w, {}, Output::kAdd, View(y, s.m, s.n));
        return y;
      });
    }
  }
}

TEST(LinearForward, ScaledJoinsAsTheProductAndAFusedAdditionWould) {
  for (const WeightType type : {WeightType::kF32, WeightType::kBf16}) {
    for (const Shape& s : kShapes) {
      auto x = RandomValues(s.m * s.k, 1), start = RandomValues(s.m * s.n, 5);
      const PackedMatrix w = Packed(type, RandomValues(s.n * s.k, 2), s.n, s.k);
      ThreadPool pool(1);
      std::vector<float> product(s.m * s.n), expected = start;
      LinearForward(Compute(pool), View(x, s.m, s.k), w, {}, Output::kWrite,
                    View(product, s.m, s.n));
      AddScaledRows(Compute(pool), 0.7f, View(product, s.m, s.n), View(expected, s.m, s.n));
      ExpectSameEverywhere([&](const Compute& compute) {
        std::vector<float> y = start;
        LinearForwardScaled(compute, View(x, s.m, s.k), w, 0.7f, View(y, s.m, s.n));
        EXPECT_TRUE(SameBits(y, expected));
        return y;
      });
    }
  }
}

TEST(LinearForward, IsOneAscendingChainOfFusedMultiplyAdds) {
  const Shape s{9, 45, 77};
  auto x = RandomValues(s.m * s.k, 1);
  auto weights = RandomValues(s.n * s.k, 2);
  const PackedMatrix w = Packed(WeightType::kF32, weights, s.n, s.k);
  ThreadPool pool(2);
  std::vector<float> y(s.m * s.n), expected(s.m * s.n);
  LinearForward(Compute(pool), View(x, s.m, s.k), w, {}, Output::kWrite, View(y, s.m, s.n));
  for (std::size_t m = 0; m < s.m; ++m) {
    for (std::size_t n = 0; n < s.n; ++n) {
      float acc = 0;
      for (std::size_t k = 0; k < s.k; ++k) {
        acc = std::fma(x[m * s.k + k], weights[n * s.k + k], acc);
      }
      expected[m * s.n + n] = acc;
    }
  }
  EXPECT_TRUE(SameBits(y, expected));
}

TEST(LinearForward, DoesNotDependOnTheRowsAroundARow) {
  const std::size_t n = 70, k = 40;
  const PackedMatrix w = Packed(WeightType::kBf16, RandomValues(n * k, 2), n, k);
  auto x = RandomValues(30 * k, 1);
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

TEST(LinearBackwardInput, IsOneAscendingChainOnEveryInstructionSet) {
  for (const WeightType type : {WeightType::kF32, WeightType::kBf16}) {
    for (const Shape& s : kShapes) {
      auto dy = RandomValues(s.m * s.n, 4);
      const PackedMatrix w = Packed(type, RandomValues(s.n * s.k, 2), s.n, s.k);
      std::vector<float> rows(s.n * s.k), expected(s.m * s.k);
      w.GetRows(0, View(rows, s.n, s.k));
      for (std::size_t m = 0; m < s.m; ++m) {
        for (std::size_t k = 0; k < s.k; ++k) {
          float acc = 0;
          for (std::size_t n = 0; n < s.n; ++n) {
            acc = std::fma(dy[m * s.n + n], rows[n * s.k + k], acc);
          }
          expected[m * s.k + k] = acc;
        }
      }
      for (const Isa isa : SupportedIsas()) {
        ThreadPool pool(2);
        std::vector<float> dx(s.m * s.k);
        LinearBackwardInput(Compute(pool, isa), View(dy, s.m, s.n), w, Output::kWrite,
                            View(dx, s.m, s.k));
        EXPECT_TRUE(SameBits(dx, expected)) << IsaName(isa) << " " << s.m << " " << s.n;
      }
    }
  }
}

TEST(LinearBackwardWeight, CarriesItsSumsAcrossSlicesOfRows) {
  for (const Shape& s : kShapes) {
    auto dy = RandomValues(s.m * s.n, 4), x = RandomValues(s.m * s.k, 5);
    ExpectSameEverywhere([&](const Compute& compute) {
      PackedMatrix dw(WeightType::kF32, s.n, s.k);
      LinearBackwardWeight(compute, View(dy, s.m, s.n), View(x, s.m, s.k), dw);
      PackedMatrix sliced(WeightType::kF32, s.n, s.k);
      const std::size_t cut = s.m / 3;
      LinearBackwardWeight(compute, View(dy, s.m, s.n).Rows(0, cut), View(x, s.m, s.k).Rows(0, cut),
                           sliced);
      LinearBackwardWeight(compute, View(dy, s.m, s.n).Rows(cut, s.m - cut),
                           View(x, s.m, s.k).Rows(cut, s.m - cut), sliced);
      EXPECT_EQ(std::memcmp(dw.data().data(), sliced.data().data(), dw.bytes()), 0);
      std::vector<float> out(s.n * s.k);
      dw.GetRows(0, View(out, s.n, s.k));
      return out;
    });
  }
}

TEST(PackedMatrix, GivesBackWhatWasPut) {
  for (const WeightType type : {WeightType::kF32, WeightType::kBf16}) {
    auto values = RandomValues(45 * 7, 6);
    for (float& v : values) v = ToFloat(ToBf16(v));
    const PackedMatrix packed = Packed(type, values, 45, 7);
    std::vector<float> back(45 * 7);
    packed.GetRows(0, View(back, 45, 7));
    EXPECT_TRUE(SameBits(values, back));
  }
}

TEST(RowKernels, GiveTheSameBitsOnEveryInstructionSetAtAwkwardWidths) {
  for (const std::size_t width : {1u, 3u, 7u, 15u, 16u, 17u, 31u, 32u, 33u, 63u, 64u, 65u}) {
    const std::size_t rows = 5;
    auto x = RandomValues(rows * width, 7, 3.0f), dy = RandomValues(rows * width, 8);
    auto weight = RandomValues(width, 9), gates = RandomValues(rows * 2 * width, 10, 4.0f);
    ExpectSameEverywhere([&](const Compute& compute) {
      std::vector<float> y(rows * width), rstd(rows), dx = dy, dweight(width);
      std::vector<float> glu(rows * width), dgates(rows * 2 * width);
      RmsNormForward(compute, View(x, rows, width), weight, 1e-6f, View(y, rows, width), rstd);
      RmsNormBackward(compute, View(dy, rows, width), View(x, rows, width), weight, rstd,
                      View(dx, rows, width), dweight);
      SwigluForward(compute, View(gates, rows, 2 * width), View(glu, rows, width));
      SwigluBackward(compute, View(gates, rows, 2 * width), View(dy, rows, width),
                     View(dgates, rows, 2 * width));
      AddScaledRows(compute, 0.3f, View(x, rows, width), View(glu, rows, width));
      for (const auto& more : {rstd, dx, dweight, glu, dgates})
        y.insert(y.end(), more.begin(), more.end());
      return y;
    });
  }
}

TEST(SoftmaxAndSampling, GiveTheSameBitsOnEveryInstructionSet) {
  for (const std::size_t vocabulary : {1u, 5u, 64u, 515u, 4096u, 4100u, 9000u}) {
    auto logits = RandomValues(3 * vocabulary, 11, 8.0f);
    ExpectSameEverywhere([&](const Compute& compute) {
      std::vector<RowStatistics> statistics(3);
      SoftmaxStatistics(compute, View(logits, 3, vocabulary), 0.8f, statistics);
      std::vector<float> out;
      for (const auto& row : statistics) {
        out.insert(out.end(),
                   {row.max, row.sum, row.log_sum, row.entropy, static_cast<float>(row.argmax)});
      }
      std::vector<std::int32_t> tokens(3);
      const SampleAddress addresses[3] = {{5, 1, 2, 3}, {5, 1, 2, 4}, {6, 70000, 2, 70000}};
      GumbelArgmaxRows(compute, View(logits, 3, vocabulary), 0.8f, addresses, tokens);
      for (std::size_t r = 0; r < 3; ++r) {
        EXPECT_EQ(
            GumbelArgmax(compute, View(logits, 3, vocabulary).row_span(r), 0.8f, addresses[r]),
            tokens[r]);
        out.push_back(static_cast<float>(tokens[r]));
      }
      std::vector<float> gradient = logits;
      const std::int32_t targets[3] = {0, static_cast<std::int32_t>(vocabulary - 1), -1};
      LogProbBackward(compute, targets, statistics, 0.8f, std::vector<float>{1, -2, 0.5f},
                      std::vector<float>{0, 0.1f, 0}, View(gradient, 3, vocabulary));
      out.insert(out.end(), gradient.begin(), gradient.end());
      return out;
    });
  }
}

// Some sequences over one cache, with queries for their last rows.
struct AttentionCase {
  AttentionShape shape;
  std::vector<std::vector<std::vector<float>>> pages;  // [sequence][page]
  std::vector<std::vector<float*>> pointers;
  std::vector<AttentionRows> rows;
  std::size_t total = 0;

  AttentionCase(AttentionShape s, std::vector<std::pair<std::size_t, std::size_t>> spans)
      : shape(s) {
    for (const auto& [begin, count] : spans) {
      const std::size_t count_pages = (begin + count + 63) / 64;
      pages.emplace_back();
      for (std::size_t p = 0; p < count_pages; ++p) {
        pages.back().push_back(RandomValues(shape.page_floats(), 100 * pages.size() + p));
      }
      rows.push_back({total, count, begin, {}});
      total += count;
    }
    for (std::size_t i = 0; i < pages.size(); ++i) {
      pointers.emplace_back();
      for (auto& page : pages[i]) pointers.back().push_back(page.data());
    }
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i].pages = pointers[i];
  }
};

TEST(Attention, GivesTheSameBitsForwardAndBackwardOnEveryInstructionSet) {
  for (const auto& shape :
       {std::array<std::size_t, 3>{7, 1, 8}, {4, 2, 24}, {14, 2, 64}, {3, 3, 32}}) {
    const std::size_t heads = shape[0], kv = shape[1], dim = shape[2];
    AttentionCase c({heads, kv, dim}, {{0, 5}, {63, 2}, {60, 9}, {0, 70}, {130, 1}});
    auto q = RandomValues(c.total * heads * dim, 12),
         dout = RandomValues(c.total * heads * dim, 13);
    ExpectSameEverywhere([&](const Compute& compute) {
      std::vector<float> out(c.total * heads * dim), softmax(c.total * 2 * heads);
      AttentionForward(compute, c.shape, c.rows, View(q, c.total, heads * dim),
                       View(out, c.total, heads * dim), View(softmax, c.total, 2 * heads));
      std::vector<float> dq(c.total * heads * dim), dk(c.total * kv * dim), dv(dk.size());
      std::vector<float> prefix_k(130 * kv * dim), prefix_v(prefix_k.size());
      std::vector<AttentionGradientRows> gradient;
      for (const auto& rows : c.rows) {
        gradient.push_back({rows,
                            {prefix_k.data(), rows.position_begin, kv * dim},
                            {prefix_v.data(), rows.position_begin, kv * dim}});
      }
      AttentionBackward(compute, c.shape, gradient, View(q, c.total, heads * dim),
                        View(out, c.total, heads * dim), View(softmax, c.total, 2 * heads),
                        View(dout, c.total, heads * dim), View(dq, c.total, heads * dim),
                        View(dk, c.total, kv * dim), View(dv, c.total, kv * dim));
      for (const auto& more : {softmax, dq, dk, dv, prefix_k, prefix_v}) {
        out.insert(out.end(), more.begin(), more.end());
      }
      return out;
    });
  }
}

TEST(Attention, EqualsADirectComputationInDouble) {
  const std::size_t dim = 24;
  AttentionCase c({4, 2, dim}, {{60, 9}});
  auto q = RandomValues(c.total * 4 * dim, 12);
  std::vector<float> out(c.total * 4 * dim), softmax(c.total * 8);
  ThreadPool pool(1);
  AttentionForward(Compute(pool), c.shape, c.rows, View(q, c.total, 4 * dim),
                   View(out, c.total, 4 * dim), View(softmax, c.total, 8));
  for (std::size_t r = 0; r < c.total; ++r) {
    for (std::size_t h = 0; h < 4; ++h) {
      const std::size_t kv = h / 2, position = 60 + r;
      std::vector<double> weights, expected(dim);
      double sum = 0;
      for (std::size_t j = 0; j <= position; ++j) {
        const float* page = c.pointers[0][j / 64];
        double dot = 0;
        for (std::size_t d = 0; d < dim; ++d) {
          dot +=
              static_cast<double>(q[(r * 4 + h) * dim + d]) * page[kv * dim * 64 + d * 64 + j % 64];
        }
        weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(dim))));
        sum += weights.back();
        for (std::size_t d = 0; d < dim; ++d) {
          expected[d] += weights.back() * page[(2 + kv) * dim * 64 + (j % 64) * dim + d];
        }
      }
      EXPECT_NEAR(softmax[r * 8 + h] + std::log(softmax[r * 8 + 4 + h]), std::log(sum), 1e-5);
      for (std::size_t d = 0; d < dim; ++d) {
        EXPECT_NEAR(out[(r * 4 + h) * dim + d], expected[d] / sum, 2e-6);
      }
    }
  }
}

}  // namespace
}  // namespace pawl
