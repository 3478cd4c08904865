// Backward of attention in two passes over scores that are computed again (Dao et al. 2022,
// arXiv:2205.14135): by tiles of rows for the queries' gradients, by pages for the keys' and
// values'.  Nothing grows with the square of the length, and each number is summed by one thread
// in one order.
#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/profile.h"
#include "kernels/attention.h"
#include "kernels/attention_tiles.h"
#include "kernels/kernel_table.h"
#include "kernels/scratch.h"

namespace pawl {
namespace {

constexpr std::size_t kSerialWork = 100'000;

struct Inputs {
  const Compute& compute;
  const AttentionShape& shape;
  MatrixView<const float> queries, out, softmax, dout;
};

// A tile's rows and what is derived from them.
struct Tile {
  std::size_t lines = 0;
  float *q = nullptr, *dout = nullptr;                     // [lines][D]
  float *max = nullptr, *sum = nullptr, *delta = nullptr;  // [lines]; delta = dout . out
  float *scores = nullptr, *dweights = nullptr;            // [lines][64]: then weights, dscores
  std::uint32_t* counts = nullptr;                         // [lines]
};

Tile LoadTile(const Inputs& in, const AttentionRows& sequence, const HeadGroup& head,
              std::size_t first, std::size_t rows) {
  const std::size_t g = head.group(), d = in.shape.head_dim, lines = rows * g;
  Tile tile;
  tile.lines = lines;
  tile.q = ThreadScratch(ScratchSlot::kFirst, 2 * lines * d);
  tile.dout = tile.q + lines * d;
  tile.scores = ThreadScratch(ScratchSlot::kSecond, 2 * lines * kPagePositions);
  tile.dweights = tile.scores + lines * kPagePositions;
  tile.max = ThreadScratch(ScratchSlot::kThird, 4 * lines);
  tile.sum = tile.max + lines;
  tile.delta = tile.sum + lines;
  tile.counts = reinterpret_cast<std::uint32_t*>(tile.delta + lines);
  const std::size_t row = sequence.row_begin + first;
  head.Gather(in.queries, row, rows, tile.q);
  head.Gather(in.dout, row, rows, tile.dout);
  for (std::size_t i = 0; i < lines; ++i) {
    const std::size_t h = head.kv_head * g + i % g;
    tile.max[i] = in.softmax.row(row + i / g)[h];
    tile.sum[i] = in.softmax.row(row + i / g)[in.shape.heads + h];
    tile.delta[i] = in.compute.kernels.dot(tile.dout + i * d, in.out.row(row + i / g) + h * d, d);
  }
  return tile;
}

// scores = weights p and dweights = dscores of the tile for one page; values_t [D][64].
void PageGradient(const Inputs& in, const HeadGroup& head, float* page, const float* values_t,
                  std::size_t position, std::size_t page_index, Tile& tile) {
  const std::size_t d = in.shape.head_dim;
  for (std::size_t i = 0; i < tile.lines; ++i) {
    tile.counts[i] =
        static_cast<std::uint32_t>(KeysInPage(position + i / head.group(), page_index));
  }
  PanelProduct score;
  score.a = tile.q;
  score.a_row = d;
  score.a_step = 1;
  score.w = head.Keys(page);
  score.w_step = kPagePositions;
  score.w_panel = 32;
  score.c = tile.scores;
  score.c_row = kPagePositions;
  score.rows = tile.lines;
  score.columns = kPagePositions;
  score.steps = d;
  in.compute.kernels.product_f32(score);
  score.a = tile.dout;
  score.w = values_t;
  score.c = tile.dweights;
  in.compute.kernels.product_f32(score);
  in.compute.kernels.attention_page_gradient({tile.scores, tile.dweights, tile.counts, tile.lines,
                                              1.0f / std::sqrt(static_cast<float>(d)), tile.max,
                                              tile.sum, tile.delta});
}

void QueryTile(const Inputs& in, const AttentionRows& sequence, std::size_t kv_head,
               std::size_t first, std::size_t rows, MatrixView<float> dqueries) {
  const HeadGroup head{in.shape, kv_head};
  const std::size_t d = in.shape.head_dim;
  Tile tile = LoadTile(in, sequence, head, first, rows);
  float* dq = ThreadScratch(ScratchSlot::kFourth, tile.lines * d);
  float* values_t = ThreadScratch(ScratchSlot::kFifth, 2 * d * kPagePositions);
  float* keys_t = values_t + d * kPagePositions;
  std::fill_n(dq, tile.lines * d, 0.0f);
  const std::size_t position = sequence.position_begin + first;
  const std::size_t pages = (position + rows - 1) / kPagePositions + 1;
  for (std::size_t p = 0; p < pages; ++p) {
    float* page = sequence.pages[p];
    in.compute.kernels.transpose(head.Values(page), d, kPagePositions, d, values_t, kPagePositions);
    in.compute.kernels.transpose(head.Keys(page), kPagePositions, d, kPagePositions, keys_t, d);
    PageGradient(in, head, page, values_t, position, p, tile);
    // Lines with equally many keys go together, so that no row sees keys after it.
    for (std::size_t i = 0, end; i < tile.lines; i = end) {
      for (end = i + 1; end < tile.lines && tile.counts[end] == tile.counts[i];) ++end;
      if (tile.counts[i] == 0) continue;
      PanelProduct product;
      product.a = tile.dweights + i * kPagePositions;
      product.a_row = kPagePositions;
      product.a_step = 1;
      product.w = keys_t;
      product.w_step = d;
      product.w_panel = 32;
      product.c = dq + i * d;
      product.c_row = d;
      product.rows = end - i;
      product.columns = d;
      product.steps = tile.counts[i];
      product.from_zero = false;
      in.compute.kernels.product_f32(product);
    }
  }
  head.Scatter(dq, sequence.row_begin + first, rows, dqueries);
}

// to[j] += sum over the tile's lines, ascending, of weights[line][slot + j] * lines[line]: a tile's
// sum first, so that long sequences round a gradient once a tile and not once a row and head.
void AddTile(const Inputs& in, const Tile& tile, const float* weights, const float* lines,
             std::size_t slots, float* to, std::size_t to_row) {
  const std::size_t d = in.shape.head_dim;
  float* sums = ThreadScratch(ScratchSlot::kFourth, kPagePositions * d);
  PanelProduct product;
  product.a = weights;
  product.a_row = 1;
  product.a_step = kPagePositions;
  product.w = lines;
  product.w_step = d;
  product.w_panel = 32;
  product.c = sums;
  product.c_row = d;
  product.rows = slots;
  product.columns = d;
  product.steps = tile.lines;
  in.compute.kernels.product_f32(product);
  for (std::size_t j = 0; j < slots; ++j) in.compute.kernels.add(sums + j * d, to + j * to_row, d);
}

// Gradients of the keys and values in slots [slot_begin, slot_end) of one page from the rows of one
// sequence that reach the page, added to dkeys / dvalues, whose row 0 is slot_begin's.  Tiles are
// cut from the first such row on.
void KeyPage(const Inputs& in, const AttentionRows& sequence, std::size_t kv_head,
             std::size_t page_index, std::size_t slot_begin, std::size_t slot_end,
             MatrixView<float> dkeys, MatrixView<float> dvalues) {
  const HeadGroup head{in.shape, kv_head};
  const std::size_t d = in.shape.head_dim, tile_rows = head.tile_rows();
  float* page = sequence.pages[page_index];
  float* values_t = ThreadScratch(ScratchSlot::kFifth, d * kPagePositions);
  in.compute.kernels.transpose(head.Values(page), d, kPagePositions, d, values_t, kPagePositions);
  const std::size_t page_begin = page_index * kPagePositions;
  const std::size_t begin =
      page_begin > sequence.position_begin ? page_begin - sequence.position_begin : 0;
  for (std::size_t first = begin; first < sequence.row_count; first += tile_rows) {
    const std::size_t rows = std::min(tile_rows, sequence.row_count - first);
    Tile tile = LoadTile(in, sequence, head, first, rows);
    PageGradient(in, head, page, values_t, sequence.position_begin + first, page_index, tile);
    AddTile(in, tile, tile.dweights + slot_begin, tile.q, slot_end - slot_begin,
            dkeys.row(0) + kv_head * d, dkeys.stride());
    AddTile(in, tile, tile.scores + slot_begin, tile.dout, slot_end - slot_begin,
            dvalues.row(0) + kv_head * d, dvalues.stride());
  }
}

// A page's worth of key and value gradients that one thread computes: of the prefix buffer of
// sequence `first` (all later sequences with the same buffer add to it too), or of its own rows.
struct KeyUnit {
  std::size_t sequence, kv_head, page;
  bool prefix;
};

std::vector<KeyUnit> KeyUnits(const AttentionShape& shape,
                              std::span<const AttentionGradientRows> sequences) {
  std::vector<KeyUnit> units;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const AttentionRows& rows = sequences[s].rows;
    if (rows.row_count == 0) continue;
    bool owner = rows.position_begin > 0;
    for (std::size_t e = 0; e < s && owner; ++e) {
      owner = sequences[e].rows.row_count == 0 ||
              sequences[e].dprefix_keys.data() != sequences[s].dprefix_keys.data();
    }
    const std::size_t end = rows.position_begin + rows.row_count;
    for (std::size_t k = 0; k < shape.kv_heads; ++k) {
      for (std::size_t p = 0; owner && p * kPagePositions < rows.position_begin; ++p) {
        units.push_back({s, k, p, true});
      }
      for (std::size_t p = rows.position_begin / kPagePositions; p * kPagePositions < end; ++p) {
        units.push_back({s, k, p, false});
      }
    }
  }
  return units;
}

void OwnKeys(const Inputs& in, const KeyUnit& unit, const AttentionRows& rows,
             MatrixView<float> dkeys, MatrixView<float> dvalues) {
  const std::size_t page_begin = unit.page * kPagePositions, d = in.shape.head_dim;
  const std::size_t begin = std::max(page_begin, rows.position_begin);
  const std::size_t end =
      std::min(page_begin + kPagePositions, rows.position_begin + rows.row_count);
  const std::size_t row = rows.row_begin + begin - rows.position_begin;
  for (std::size_t r = row; r < row + (end - begin); ++r) {
    std::fill_n(dkeys.row(r) + unit.kv_head * d, d, 0.0f);
    std::fill_n(dvalues.row(r) + unit.kv_head * d, d, 0.0f);
  }
  KeyPage(in, rows, unit.kv_head, unit.page, begin - page_begin, end - page_begin,
          dkeys.Rows(row, end - begin), dvalues.Rows(row, end - begin));
}

void PrefixKeys(const Inputs& in, const KeyUnit& unit,
                std::span<const AttentionGradientRows> sequences) {
  const AttentionGradientRows& owner = sequences[unit.sequence];
  const std::size_t begin = unit.page * kPagePositions;
  const std::size_t end = std::min(begin + kPagePositions, owner.rows.position_begin);
  for (std::size_t s = unit.sequence; s < sequences.size(); ++s) {
    const AttentionGradientRows& other = sequences[s];
    if (other.rows.row_count == 0 || other.rows.position_begin == 0 ||
        other.dprefix_keys.data() != owner.dprefix_keys.data()) {
      continue;
    }
    KeyPage(in, other.rows, unit.kv_head, unit.page, 0, end - begin,
            other.dprefix_keys.Rows(begin, end - begin),
            other.dprefix_values.Rows(begin, end - begin));
  }
}

void CheckSequence(const AttentionGradientRows& s, std::size_t rows, std::size_t kv_width) {
  PAWL_CHECK(s.rows.row_begin + s.rows.row_count <= rows);
  PAWL_CHECK((s.rows.position_begin + s.rows.row_count + kPagePositions - 1) / kPagePositions <=
             s.rows.pages.size());
  if (s.rows.position_begin == 0) return;
  PAWL_CHECK(s.dprefix_keys.rows() == s.rows.position_begin && s.dprefix_keys.cols() == kv_width);
  PAWL_CHECK(s.dprefix_values.rows() == s.rows.position_begin &&
             s.dprefix_values.cols() == kv_width);
}

}  // namespace

void AttentionBackward(const Compute& compute, const AttentionShape& shape,
                       std::span<const AttentionGradientRows> sequences,
                       MatrixView<const float> queries, MatrixView<const float> out,
                       MatrixView<const float> softmax, MatrixView<const float> dout,
                       MatrixView<float> dqueries, MatrixView<float> dkeys,
                       MatrixView<float> dvalues) {
  const ProfileKind timed(Kind::kAttention);
  const std::size_t rows = queries.rows(), width = shape.heads * shape.head_dim;
  const std::size_t kv_width = shape.kv_heads * shape.head_dim;
  PAWL_CHECK(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0);
  PAWL_CHECK(queries.cols() == width && out.cols() == width && dout.cols() == width);
  PAWL_CHECK(dqueries.cols() == width && dkeys.cols() == kv_width && dvalues.cols() == kv_width);
  PAWL_CHECK(out.rows() == rows && dout.rows() == rows && dqueries.rows() == rows);
  PAWL_CHECK(dkeys.rows() == rows && dvalues.rows() == rows);
  PAWL_CHECK(softmax.rows() == rows && softmax.cols() == 2 * shape.heads);
  const Inputs in{compute, shape, queries, out, softmax, dout};
  std::size_t work = 0;
  for (const AttentionGradientRows& s : sequences) {
    CheckSequence(s, rows, kv_width);
    work += s.rows.row_count * (s.rows.position_begin + s.rows.row_count) * width;
  }
  const std::vector<KeyUnit> units = KeyUnits(shape, sequences);
  const std::size_t tile = HeadGroup{shape, 0}.tile_rows();
  // Units go to the threads in turn: neighbours cost about the same.
  const auto part = [&](std::size_t thread, std::size_t threads) {
    std::size_t unit = 0;
    for (const AttentionGradientRows& s : sequences) {
      for (std::size_t k = 0; k < shape.kv_heads; ++k) {
        for (std::size_t first = 0; first < s.rows.row_count; first += tile, ++unit) {
          if (unit % threads != thread) continue;
          QueryTile(in, s.rows, k, first, std::min(tile, s.rows.row_count - first), dqueries);
        }
      }
    }
    for (std::size_t i = thread; i < units.size(); i += threads) {
      const KeyUnit& u = units[i];
      if (u.prefix) {
        PrefixKeys(in, u, sequences);
      } else {
        OwnKeys(in, u, sequences[u.sequence].rows, dkeys, dvalues);
      }
    }
  };
  const int threads = compute.pool.size();
  if (work < kSerialWork || threads == 1) {
    part(0, 1);
  } else {
    compute.pool.Run([&](int thread) {
      part(static_cast<std::size_t>(thread), static_cast<std::size_t>(threads));
    });
  }
}

}  // namespace pawl
