// Filling rows of packed matrices from many threads.  Private to model/.
#pragma once

#include <algorithm>

#include "base/thread_pool.h"
#include "model/weights.h"

namespace pawl {

// Calls work(first, count) for blocks of rows of `parameter` (a matrix), rows counted from the
// parameter's own first.  A block holds about block_rows rows and never shares a panel with another
// block, because elements of one panel share words.
template <class Work>
void ForEachRowBlock(ThreadPool& pool, const Parameter& parameter, std::size_t block_rows,
                     Work&& work) {
  const std::size_t begin = parameter.row_begin, end = begin + parameter.shape[0];
  const std::size_t first_panel = begin / kPanelColumns;
  const std::size_t panels = (end + kPanelColumns - 1) / kPanelColumns - first_panel;
  const std::size_t step = std::max<std::size_t>(1, block_rows / kPanelColumns);
  pool.For(panels, 1, [&](std::size_t p_begin, std::size_t p_end) {
    for (std::size_t p = p_begin; p < p_end; p += step) {
      const std::size_t from = std::max(begin, (first_panel + p) * kPanelColumns);
      const std::size_t to =
          std::min(end, (first_panel + std::min(p_end, p + step)) * kPanelColumns);
      work(from - begin, to - from);
    }
  });
}

}  // namespace pawl
