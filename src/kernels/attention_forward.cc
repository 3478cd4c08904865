#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/profile.h"
#include "kernels/attention.h"
#include "kernels/attention_tiles.h"
#include "kernels/kernel_table.h"
#include "kernels/scratch.h"

namespace pawl {
namespace {

// Multiply-adds below which a second thread does not pay.
constexpr std::size_t kSerialWork = 100'000;

// One tile of rows of one sequence against all pages up to its last row.
void ForwardTile(const Compute& compute, const AttentionShape& shape, const AttentionRows& sequence,
                 std::size_t kv_head, std::size_t first, std::size_t rows,
                 MatrixView<const float> queries, MatrixView<float> out,
                 MatrixView<float> softmax) {
  const HeadGroup head{shape, kv_head};
  const std::size_t g = head.group(), d = shape.head_dim, lines = rows * g;
  float* q = ThreadScratch(ScratchSlot::kFirst, lines * d);
  float* sums = ThreadScratch(ScratchSlot::kSecond, lines * d);
  float* scores = ThreadScratch(ScratchSlot::kThird, lines * kPagePositions);
  float* max = ThreadScratch(ScratchSlot::kFourth, 4 * lines);
  float *sum = max + lines, *correction = sum + lines;
  auto* counts = reinterpret_cast<std::uint32_t*>(correction + lines);
  head.Gather(queries, sequence.row_begin + first, rows, q);
  std::fill_n(sums, lines * d, 0.0f);
  std::fill_n(max, lines, -std::numeric_limits<float>::infinity());
  std::fill_n(sum, lines, 0.0f);
  const std::size_t position = sequence.position_begin + first;
  const std::size_t pages = (position + rows - 1) / kPagePositions + 1;
  for (std::size_t p = 0; p < pages; ++p) {
    // Rows before this page are finished; they are the tile's first ones.
    const std::size_t skip = p * kPagePositions > position ? p * kPagePositions - position : 0;
    const std::size_t at = skip * g, n = lines - at;
    for (std::size_t i = at; i < lines; ++i) {
      counts[i] = static_cast<std::uint32_t>(KeysInPage(position + i / g, p));
    }
    PanelProduct score;
    score.a = q + at * d;
    score.a_row = d;
    score.a_step = 1;
    score.w = head.Keys(sequence.pages[p]);
    score.w_step = kPagePositions;
    score.w_panel = 32;
    score.c = scores + at * kPagePositions;
    score.c_row = kPagePositions;
    score.rows = n;
    score.columns = kPagePositions;
    score.steps = d;
    compute.kernels.product_f32(score);
    compute.kernels.attention_page({scores + at * kPagePositions, counts + at, n,
                                    1.0f / std::sqrt(static_cast<float>(d)), max + at, sum + at,
                                    correction + at});
    for (std::size_t i = at; i < lines; ++i) {
      if (correction[i] != 1.0f) compute.kernels.scale(correction[i], sums + i * d, d);
    }
    // Lines with equally many keys go together: all of a full page, one row's heads otherwise.
    for (std::size_t i = at, end; i < lines; i = end) {
      for (end = i + 1; end < lines && counts[end] == counts[i];) ++end;
      PanelProduct value;
      value.a = scores + i * kPagePositions;
      value.a_row = kPagePositions;
      value.a_step = 1;
      value.w = head.Values(sequence.pages[p]);
      value.w_step = d;
      value.w_panel = 32;
      value.c = sums + i * d;
      value.c_row = d;
      value.rows = end - i;
      value.columns = d;
      value.steps = counts[i];
      value.from_zero = false;
      compute.kernels.product_f32(value);
    }
  }
  for (std::size_t i = 0; i < lines; ++i) {
    compute.kernels.divide(sum[i], sums + i * d, d);
    if (softmax.rows() == 0) continue;
    float* to = softmax.row(sequence.row_begin + first + i / g) + kv_head * g + i % g;
    to[0] = max[i];
    to[shape.heads] = sum[i];
  }
  head.Scatter(sums, sequence.row_begin + first, rows, out);
}

}  // namespace

void StoreKeysValues(const Compute& compute, const AttentionShape& shape,
                     std::span<const AttentionRows> sequences, MatrixView<const float> keys,
                     MatrixView<const float> values) {
  const ProfileKind timed(Kind::kAttention);
  const std::size_t d = shape.head_dim;
  PAWL_CHECK(keys.cols() == shape.kv_heads * d && values.cols() == keys.cols());
  // By key/value head, so that threads write apart.
  const std::size_t grain = keys.rows() * keys.cols() < 65536 ? shape.kv_heads : 1;
  compute.pool.For(shape.kv_heads, grain, [&](std::size_t begin, std::size_t end) {
    for (const AttentionRows& s : sequences) {
      for (std::size_t i = 0, run; i < s.row_count; i += run) {
        const std::size_t slot = (s.position_begin + i) % kPagePositions;
        run = std::min(kPagePositions - slot, s.row_count - i);
        float* page = s.pages[(s.position_begin + i) / kPagePositions];
        for (std::size_t k = begin; k < end; ++k) {
          const HeadGroup head{shape, k};
          compute.kernels.transpose(keys.row(s.row_begin + i) + k * d, keys.stride(), run, d,
                                    head.Keys(page) + slot, kPagePositions);
          for (std::size_t r = 0; r < run; ++r) {
            std::memcpy(head.Values(page) + (slot + r) * d, values.row(s.row_begin + i + r) + k * d,
                        d * sizeof(float));
          }
        }
      }
    }
  });
}

void AttentionForward(const Compute& compute, const AttentionShape& shape,
                      std::span<const AttentionRows> sequences, MatrixView<const float> queries,
                      MatrixView<float> out, MatrixView<float> softmax) {
  const ProfileKind timed(Kind::kAttention);
  PAWL_CHECK(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0);
  PAWL_CHECK(queries.cols() == shape.heads * shape.head_dim && out.cols() == queries.cols());
  PAWL_CHECK(queries.rows() == out.rows());
  PAWL_CHECK(softmax.rows() == 0 ||
             (softmax.rows() == out.rows() && softmax.cols() == 2 * shape.heads));
  const std::size_t tile = HeadGroup{shape, 0}.tile_rows();
  std::size_t work = 0;
  for (const AttentionRows& s : sequences) {
    PAWL_CHECK(s.row_begin + s.row_count <= queries.rows());
    PAWL_CHECK((s.position_begin + s.row_count + kPagePositions - 1) / kPagePositions <=
               s.pages.size());
    work += s.row_count * (s.position_begin + s.row_count) * queries.cols();
  }
  // Tiles go to the threads in turn, since later ones of a sequence cost more.
  const auto part = [&](int thread, int threads) {
    std::size_t unit = 0;
    for (const AttentionRows& s : sequences) {
      for (std::size_t k = 0; k < shape.kv_heads; ++k) {
        for (std::size_t first = 0; first < s.row_count; first += tile, ++unit) {
          if (unit % static_cast<std::size_t>(threads) != static_cast<std::size_t>(thread))
            continue;
          ForwardTile(compute, shape, s, k, first, std::min(tile, s.row_count - first), queries,
                      out, softmax);
        }
      }
    }
  };
  if (work < kSerialWork || compute.pool.size() == 1) {
    part(0, 1);
  } else {
    compute.pool.Run([&](int thread) { part(thread, compute.pool.size()); });
  }
}

}  // namespace pawl
