// Root-mean-square norm (Zhang & Sennrich 2019, arXiv:1910.07467), forward and backward.
#pragma once

#include "base/views.h"
#include "kernels/compute.h"

namespace pawl {

// rstd[t] = 1 / sqrt(mean_c x[t,c]^2 + eps);  y[t,c] = (x[t,c] * rstd[t]) * weight[c].
// x, y [T, C] may be the same; weight [C]; rstd [T] written when not empty.  The mean in 16 lanes
// and a fixed tree.
void RmsNormForward(const Compute& compute, MatrixView<const float> x,
                    std::span<const float> weight, float eps, MatrixView<float> y,
                    std::span<float> rstd);

// ADDS to dx [T, C] and, when dweight is not empty, to dweight [C] (rows ascending, carried).
void RmsNormBackward(const Compute& compute, MatrixView<const float> dy, MatrixView<const float> x,
                     std::span<const float> weight, std::span<const float> rstd,
                     MatrixView<float> dx, std::span<float> dweight);

// The norm of each head's D values with one weight [D] (Qwen3's q_norm and k_norm): x [T, heads *
// D] in place; rstd [T, heads] written when not empty.
void HeadNormForward(const Compute& compute, MatrixView<float> x, std::size_t heads,
                     std::span<const float> weight, float eps, MatrixView<float> rstd);
// dy in, dx out, in place in `gradient` [T, heads * D]; x is the INPUT of HeadNormForward.
void HeadNormBackward(const Compute& compute, MatrixView<float> gradient, MatrixView<const float> x,
                      std::size_t heads, std::span<const float> weight,
                      MatrixView<const float> rstd, std::span<float> dweight);

}  // namespace pawl
