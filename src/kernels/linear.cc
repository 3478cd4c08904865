#include "kernels/linear.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "kernels/kernel_table.h"

namespace pawl {
namespace {

// Below so many multiply-adds waking a thread costs more than it saves (about 3 us of work).
constexpr std::size_t kThreadFrom = 150'000;
// Rows of x that stay in the second-level cache while panels stream past: 256 KiB of floats.
constexpr std::size_t kBlockFloats = 64 * 1024;
// Reduced columns of one transposed block in LinearBackwardInput.
constexpr std::size_t kChunkColumns = 256;

// Rows cut into register tiles of nearly equal height.
struct Tiles {
  std::size_t rows, count;
  Tiles(std::size_t total, std::size_t tile_rows)
      : rows(total), count((total + tile_rows - 1) / tile_rows) {}
  std::size_t Begin(std::size_t t) const { return t * rows / count; }
  std::size_t Height(std::size_t t) const { return Begin(t + 1) - Begin(t); }
};

// x rows [first, first + height), columns [k0, k0 + depth) -> a[k][height].
void PackRows(MatrixView<const float> x, std::size_t first, std::size_t height, std::size_t k0,
              std::size_t depth, float* a) {
  for (std::size_t r = 0; r < height; ++r) {
    const float* from = x.row(first + r) + k0;
    for (std::size_t k = 0; k < depth; ++k) a[k * height + r] = from[k];
  }
}

// Runs work(first, count) over `units` on the threads, or here when the work is small.
template <class Work>
void Split(const Compute& compute, std::size_t units, std::size_t multiply_adds, Work work) {
  if (multiply_adds < kThreadFrom || compute.pool.size() == 1) {
    if (units > 0) work(std::size_t{0}, units);
    return;
  }
  compute.pool.For(units, 1, [&](std::size_t begin, std::size_t end) { work(begin, end - begin); });
}

// Writes a tile of `columns` columns: through `edge` where fewer than 32 columns exist.
class TileOutput {
 public:
  TileOutput(MatrixView<float> y, std::size_t row, std::size_t height, std::size_t column,
             bool carry)
      : y_(y),
        row_(row),
        height_(height),
        column_(column),
        columns_(std::min(kPanelColumns, y.cols() - column)) {
    if (columns_ == kPanelColumns) return;
    edge_.fill(0.0f);
    if (carry) {
      for (std::size_t r = 0; r < height_; ++r) {
        std::memcpy(&edge_[r * kPanelColumns], y_.row(row_ + r) + column_,
                    columns_ * sizeof(float));
      }
    }
  }
  float* data() { return columns_ == kPanelColumns ? y_.row(row_) + column_ : edge_.data(); }
  std::size_t stride() const { return columns_ == kPanelColumns ? y_.stride() : kPanelColumns; }
  void Finish(std::span<const float> bias) {
    if (columns_ != kPanelColumns) {
      for (std::size_t r = 0; r < height_; ++r) {
        std::memcpy(y_.row(row_ + r) + column_, &edge_[r * kPanelColumns],
                    columns_ * sizeof(float));
      }
    }
    if (bias.empty()) return;
    for (std::size_t r = 0; r < height_; ++r) {
      float* row = y_.row(row_ + r) + column_;
      for (std::size_t j = 0; j < columns_; ++j) row[j] += bias[column_ + j];
    }
  }

 private:
  MatrixView<float> y_;
  std::size_t row_, height_, column_, columns_;
  std::array<float, 16 * kPanelColumns> edge_;
};

void RunTile(const KernelTable& kernels, const PackedMatrix& w, std::size_t panel, const float* a,
             std::size_t height, bool carry, TileOutput& out) {
  if (w.type() == WeightType::kF32) {
    kernels.tile_f32(a, height, w.PanelF32(panel), kPanelColumns, w.k(), carry, out.data(),
                     out.stride());
  } else {
    kernels.tile_bf16(a, height, w.PanelBf16(panel), w.k(), carry, out.data(), out.stride());
  }
}

// One row: panels four at a time, so that eight chains of fma hide their latency.
void ForwardRow(const KernelTable& kernels, const float* x, const PackedMatrix& w,
                std::span<const float> bias, bool carry, float* y, std::size_t first,
                std::size_t count) {
  for (std::size_t p = first; p < first + count;) {
    const std::size_t column = p * kPanelColumns;
    const std::size_t full = (w.n() - column) / kPanelColumns;
    const std::size_t panels =
        std::min<std::size_t>({4, first + count - p, std::max<std::size_t>(full, 1)});
    const std::size_t columns = std::min(panels * kPanelColumns, w.n() - column);
    std::array<float, 4 * kPanelColumns> edge{};
    float* out = columns == panels * kPanelColumns ? y + column : edge.data();
    if (carry && out == edge.data()) std::copy_n(y + column, columns, edge.begin());
    if (w.type() == WeightType::kF32) {
      kernels.row_f32(x, w.PanelF32(p), w.k(), panels, carry, out);
    } else {
      kernels.row_bf16(x, w.PanelBf16(p), w.k(), panels, carry, out);
    }
    if (out == edge.data()) std::copy_n(edge.begin(), columns, y + column);
    if (!bias.empty()) {
      for (std::size_t j = 0; j < columns; ++j) y[column + j] += bias[column + j];
    }
    p += panels;
  }
}

// Rows [row_begin, row_begin + row_count) against panels [panel_begin, panel_begin + panel_count).
void ForwardBlock(const Compute& compute, MatrixView<const float> x, const PackedMatrix& w,
                  std::span<const float> bias, bool carry, MatrixView<float> y,
                  std::size_t row_begin, std::size_t row_count, std::size_t panel_begin,
                  std::size_t panel_count) {
  const KernelTable& kernels = compute.kernels;
  const std::size_t block_tiles =
      std::max<std::size_t>(1, kBlockFloats / (w.k() * kernels.tile_rows));
  const Tiles tiles(row_count, kernels.tile_rows);
  std::vector<float> packed(std::min(row_count, (block_tiles + 1) * kernels.tile_rows) * w.k());
  for (std::size_t t0 = 0; t0 < tiles.count; t0 += block_tiles) {
    const std::size_t t1 = std::min(tiles.count, t0 + block_tiles);
    const std::size_t first = tiles.Begin(t0);
    for (std::size_t t = t0; t < t1; ++t) {
      PackRows(x, row_begin + tiles.Begin(t), tiles.Height(t), 0, w.k(),
               packed.data() + (tiles.Begin(t) - first) * w.k());
    }
    for (std::size_t p = panel_begin; p < panel_begin + panel_count; ++p) {
      for (std::size_t t = t0; t < t1; ++t) {
        TileOutput out(y, row_begin + tiles.Begin(t), tiles.Height(t), p * kPanelColumns, carry);
        RunTile(kernels, w, p, packed.data() + (tiles.Begin(t) - first) * w.k(), tiles.Height(t),
                carry, out);
        out.Finish(bias);
      }
    }
  }
}

}  // namespace

void LinearForward(const Compute& compute, MatrixView<const float> x, const PackedMatrix& w,
                   std::span<const float> bias, Output output, MatrixView<float> y) {
  PAWL_CHECK(x.cols() == w.k() && y.cols() == w.n() && x.rows() == y.rows());
  PAWL_CHECK(bias.empty() || bias.size() == w.n());
  const bool carry = output == Output::kAdd;
  const std::size_t rows = x.rows(), panels = w.panels();
  const std::size_t work = rows * w.n() * w.k();
  if (rows == 0) return;
  if (rows == 1) {
    const std::size_t groups = (panels + 3) / 4;
    Split(compute, groups, work, [&](std::size_t first, std::size_t count) {
      const std::size_t end = std::min(panels, (first + count) * 4);
      ForwardRow(compute.kernels, x.row(0), w, bias, carry, y.row(0), first * 4, end - first * 4);
    });
    return;
  }
  const auto threads = static_cast<std::size_t>(compute.pool.size());
  if (panels >= 8 * threads || rows < threads * compute.kernels.tile_rows) {
    Split(compute, panels, work, [&](std::size_t first, std::size_t count) {
      ForwardBlock(compute, x, w, bias, carry, y, 0, rows, first, count);
    });
  } else {
    Split(compute, rows, work, [&](std::size_t first, std::size_t count) {
      ForwardBlock(compute, x, w, bias, carry, y, first, count, 0, panels);
    });
  }
}

namespace {

// dx columns [32 * first, 32 * (first + count)) for rows [row_begin, row_begin + row_count): W is
// transposed block by block into float32 panels of 32 k-columns, n reduced in chunks with carried
// accumulators.
void BackwardInputBlock(const Compute& compute, MatrixView<const float> dy, const PackedMatrix& w,
                        bool carry, MatrixView<float> dx, std::size_t row_begin,
                        std::size_t row_count, std::size_t first, std::size_t count) {
  const KernelTable& kernels = compute.kernels;
  const Tiles tiles(row_count, kernels.tile_rows);
  std::vector<float> packed(row_count * kChunkColumns);
  AlignedBuffer<float> panel((kChunkColumns + 16) * kPanelColumns);
  for (std::size_t n0 = 0; n0 < w.n(); n0 += kChunkColumns) {
    const std::size_t depth = std::min(kChunkColumns, w.n() - n0);
    for (std::size_t t = 0; t < tiles.count; ++t) {
      PackRows(dy, row_begin + tiles.Begin(t), tiles.Height(t), n0, depth,
               packed.data() + tiles.Begin(t) * depth);
    }
    for (std::size_t b = first; b < first + count; ++b) {
      const std::size_t k0 = b * kPanelColumns;
      const std::size_t k_rows = std::min(kPanelColumns, w.k() - k0);
      for (std::size_t n = 0; n < depth; n += kPanelColumns) {
        const std::size_t p = (n0 + n) / kPanelColumns;
        float* out = panel.data() + n * kPanelColumns;
        if (w.type() == WeightType::kF32) {
          kernels.transpose_f32(w.PanelF32(p) + k0 * kPanelColumns, k_rows, out);
        } else {
          kernels.transpose_bf16(w.PanelBf16(p) + k0 * 16, k_rows, out);
        }
      }
      const bool add = carry || n0 > 0;
      for (std::size_t t = 0; t < tiles.count; ++t) {
        TileOutput out(dx, row_begin + tiles.Begin(t), tiles.Height(t), k0, add);
        kernels.tile_f32(packed.data() + tiles.Begin(t) * depth, tiles.Height(t), panel.data(),
                         kPanelColumns, depth, add, out.data(), out.stride());
        out.Finish({});
      }
    }
  }
}

}  // namespace

void LinearBackwardInput(const Compute& compute, MatrixView<const float> dy, const PackedMatrix& w,
                         Output output, MatrixView<float> dx) {
  PAWL_CHECK(dy.cols() == w.n() && dx.cols() == w.k() && dy.rows() == dx.rows());
  const bool carry = output == Output::kAdd;
  const std::size_t rows = dy.rows();
  const std::size_t blocks = (w.k() + kPanelColumns - 1) / kPanelColumns;
  if (rows == 0) return;
  const auto threads = static_cast<std::size_t>(compute.pool.size());
  if (blocks >= 8 * threads || rows < threads * compute.kernels.tile_rows) {
    Split(compute, blocks, rows * w.n() * w.k(), [&](std::size_t first, std::size_t count) {
      BackwardInputBlock(compute, dy, w, carry, dx, 0, rows, first, count);
    });
  } else {
    Split(compute, rows, rows * w.n() * w.k(), [&](std::size_t first, std::size_t count) {
      BackwardInputBlock(compute, dy, w, carry, dx, first, count, 0, blocks);
    });
  }
}

void LinearBackwardWeight(const Compute& compute, MatrixView<const float> dy,
                          MatrixView<const float> x, PackedMatrix& dw) {
  PAWL_CHECK(dy.cols() == dw.n() && x.cols() == dw.k() && dy.rows() == x.rows());
  PAWL_CHECK(dw.type() == WeightType::kF32);
  const KernelTable& kernels = compute.kernels;
  const std::size_t rows = dy.rows();
  if (rows == 0) return;
  // Tiles run over k (their rows) and n (their lanes); units are (panel, group of tiles of k).
  const Tiles tiles(dw.k(), kernels.tile_rows);
  const std::size_t groups = std::min<std::size_t>(tiles.count, 8);
  Split(compute, dw.panels() * groups, rows * dw.n() * dw.k(),
        [&](std::size_t first, std::size_t count) {
          std::vector<float> lanes(rows * kPanelColumns);
          std::vector<float> columns(rows * kernels.tile_rows);
          std::size_t packed_panel = static_cast<std::size_t>(-1);
          for (std::size_t unit = first; unit < first + count; ++unit) {
            const std::size_t p = unit / groups, group = unit % groups;
            if (p != packed_panel) {
              const std::size_t width = std::min(kPanelColumns, dw.n() - p * kPanelColumns);
              for (std::size_t t = 0; t < rows; ++t) {
                float* to = &lanes[t * kPanelColumns];
                std::memcpy(to, dy.row(t) + p * kPanelColumns, width * sizeof(float));
                std::fill(to + width, to + kPanelColumns, 0.0f);
              }
              packed_panel = p;
            }
            float* out = dw.data().data() + p * dw.k() * kPanelColumns;
            for (std::size_t tile = group * tiles.count / groups;
                 tile < (group + 1) * tiles.count / groups; ++tile) {
              const std::size_t k0 = tiles.Begin(tile), height = tiles.Height(tile);
              for (std::size_t t = 0; t < rows; ++t) {
                std::memcpy(&columns[t * height], x.row(t) + k0, height * sizeof(float));
              }
              kernels.tile_f32(columns.data(), height, lanes.data(), kPanelColumns, rows, true,
                               out + k0 * kPanelColumns, kPanelColumns);
            }
          }
        });
}

void BiasBackward(const Compute& compute, MatrixView<const float> dy, std::span<float> dbias) {
  PAWL_CHECK(dy.cols() == dbias.size());
  Split(compute, dy.cols(), dy.rows() * dy.cols() * 4, [&](std::size_t first, std::size_t count) {
    for (std::size_t t = 0; t < dy.rows(); ++t) {
      compute.kernels.add_row(dy.row(t) + first, count, dbias.data() + first);
    }
  });
}

}  // namespace pawl
