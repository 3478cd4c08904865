// How a product is spread over the threads.  Private to kernels/.
#pragma once

#include <algorithm>

#include "base/views.h"
#include "kernels/compute.h"
#include "kernels/kernel_table.h"

namespace pawl {

// Below this many multiply-adds (about 3 us on one core) waking a second thread does not pay.
inline constexpr std::size_t kSerialWork = 150'000;
inline constexpr std::size_t kRowTile = 12;

inline std::size_t CeilDiv(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// Calls work(row range, block range) on every thread: a grid over row tiles and blocks of columns
// whose slowest part is as small as can be; ties prefer to split columns, whose weights are then
// read by one thread only.
template <class Work>
void SplitGrid(const Compute& compute, std::size_t rows, std::size_t blocks, std::size_t work_size,
               const Work& work) {
  const auto threads = static_cast<std::size_t>(compute.pool.size());
  if (threads == 1 || work_size < kSerialWork) {
    work(IndexRange{0, rows}, IndexRange{0, blocks});
    return;
  }
  const std::size_t tiles = CeilDiv(rows, kRowTile);
  std::size_t best_rows = 1, best = static_cast<std::size_t>(-1);
  for (std::size_t r = 1; r <= std::min(threads, tiles); ++r) {
    const std::size_t slowest = CeilDiv(tiles, r) * CeilDiv(blocks, threads / r);
    if (slowest < best) {
      best = slowest;
      best_rows = r;
    }
  }
  const auto row_parts = static_cast<int>(best_rows);
  const int block_parts = compute.pool.size() / row_parts;
  compute.pool.Run([&](int thread) {
    if (thread >= row_parts * block_parts) return;
    const IndexRange r = ThreadRange(rows, kRowTile, thread / block_parts, row_parts);
    const IndexRange b = ThreadRange(blocks, 1, thread % block_parts, block_parts);
    if (r.size() > 0 && b.size() > 0) work(r, b);
  });
}

inline void AddBias(const Compute& compute, std::span<const float> bias, IndexRange rows,
                    IndexRange columns, MatrixView<float> y) {
  if (bias.empty()) return;
  for (std::size_t r = rows.begin; r < rows.end; ++r) {
    compute.kernels.add(bias.data() + columns.begin, y.row(r) + columns.begin, columns.size());
  }
}

}  // namespace pawl
