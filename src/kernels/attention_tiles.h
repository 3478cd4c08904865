// What the forward and backward pass of attention share: how a page is addressed and how rows are
// gathered into tiles.  A tile is some consecutive rows of one sequence times the G query heads
// that read one key/value head; its line i * G + g is row i, head g.  Private to kernels/.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/attention.h"

namespace pawl {

// Lines of a tile: 64 lines of 64 scores and of D queries and sums fit a first-level cache of 48
// KiB nearly, and give the matrix kernels full register tiles.
inline constexpr std::size_t kTileLines = 64;

struct HeadGroup {
  const AttentionShape& shape;
  std::size_t kv_head;

  std::size_t group() const { return shape.heads / shape.kv_heads; }
  std::size_t tile_rows() const { return std::max<std::size_t>(1, kTileLines / group()); }
  // Keys [D][64] and values [64][D] of this head in a page.
  float* Keys(float* page) const { return page + kv_head * shape.head_dim * kPagePositions; }
  float* Values(float* page) const {
    return page + (shape.kv_heads + kv_head) * shape.head_dim * kPagePositions;
  }
  std::size_t first_column() const { return kv_head * group() * shape.head_dim; }

  // Lines [rows * G][D] from the rows of a matrix [T, H*D].
  void Gather(MatrixView<const float> from, std::size_t row, std::size_t rows, float* lines) const {
    const std::size_t width = group() * shape.head_dim;
    for (std::size_t i = 0; i < rows; ++i) {
      std::memcpy(lines + i * width, from.row(row + i) + first_column(), width * sizeof(float));
    }
  }
  void Scatter(const float* lines, std::size_t row, std::size_t rows, MatrixView<float> to) const {
    const std::size_t width = group() * shape.head_dim;
    for (std::size_t i = 0; i < rows; ++i) {
      std::memcpy(to.row(row + i) + first_column(), lines + i * width, width * sizeof(float));
    }
  }
};

// How many keys of `page` a row at `position` attends to.
inline std::size_t KeysInPage(std::size_t position, std::size_t page) {
  const std::size_t first = page * kPagePositions;
  return position < first ? 0 : std::min(kPagePositions, position + 1 - first);
}

}  // namespace pawl
