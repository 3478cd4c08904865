// How row-wise kernels are spread over threads: rows in contiguous parts, or columns where every
// row adds to one vector.  Small work stays on the calling thread.
#pragma once

#include <cstddef>

#include "kernels/compute.h"

namespace pawl {

// Elements below which waking a thread costs more than it saves.
inline constexpr std::size_t kElementsPerWake = 16'384;

// work(row) for rows of `cost` elements each.
template <class Work>
void EachRow(const Compute& compute, std::size_t rows, std::size_t cost, Work work) {
  const auto range = [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) work(t);
  };
  if (rows * cost < kElementsPerWake) {
    range(0, rows);
  } else {
    compute.pool.For(rows, 1, range);
  }
}

// work(begin, count) for parts of the columns; the rows go through each part in ascending order.
template <class Work>
void EachColumns(const Compute& compute, std::size_t rows, std::size_t columns, Work work) {
  if (rows * columns < kElementsPerWake) {
    if (columns > 0) work(std::size_t{0}, columns);
  } else {
    compute.pool.For(columns, 16,
                     [&](std::size_t begin, std::size_t end) { work(begin, end - begin); });
  }
}

}  // namespace pawl
