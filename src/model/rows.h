// Small sweeps over rows, spread over the threads.  Private to model/.
#pragma once

#include <cstring>

#include "base/views.h"
#include "kernels/compute.h"

namespace pawl {

// Few rows are not worth waking a thread.
inline constexpr std::size_t kRowGrain = 8;

inline void CopyRows(const Compute& compute, MatrixView<const float> from, MatrixView<float> to) {
  compute.pool.For(from.rows(), kRowGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      std::memcpy(to.row(t), from.row(t), from.cols() * sizeof(float));
    }
  });
}

inline void ZeroRows(const Compute& compute, MatrixView<float> rows) {
  compute.pool.For(rows.rows(), kRowGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      std::memset(rows.row(t), 0, rows.cols() * sizeof(float));
    }
  });
}

}  // namespace pawl
