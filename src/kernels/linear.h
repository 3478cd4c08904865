// Linear layers.  One float32 accumulator per output, fma in ascending order of the reduced index,
// never split: the result for a row depends on that row alone and is the same for every batch,
// thread count and vector width.
#pragma once

#include "base/views.h"
#include "kernels/compute.h"
#include "kernels/packed_matrix.h"

namespace pawl {

// y[m,n] = sum_k x[m,k] w[n,k] + bias[n].  The sum starts at 0 (or at y[m,n] with kAdd), k ascends;
// bias (length N, may be empty) is added after it.  x [M,K], y [M,N] must not overlap.
// kInt8 weights: each row of x is quantised to 7 bits (scale = largest magnitude / 63), the sum
// over k is exact in int32, and y = (0 or y) + float(sum) * (scale of the row of x * scale of the
// row of w); a row of x that is not finite gives NaN.
enum class Output { kWrite, kAdd };
void LinearForward(const Compute& compute, MatrixView<const float> x, const PackedMatrix& w,
                   std::span<const float> bias, Output output, MatrixView<float> y);

// y[m,n] = fma(scale, sum_k x[m,k] w[n,k], y[m,n]), the sum from 0 as above: LoRA's B (A x) joins
// the base product without a matrix of its own.
void LinearForwardScaled(const Compute& compute, MatrixView<const float> x, const PackedMatrix& w,
                         float scale, MatrixView<float> y);

// dx[m,k] = (0 or dx[m,k]) + sum_n dy[m,n] w[n,k], n ascending.  dy [M,N], dx [M,K].
// kInt8: w is q * scale in float32, the gradient passes straight through the rounding of x.
void LinearBackwardInput(const Compute& compute, MatrixView<const float> dy, const PackedMatrix& w,
                         Output output, MatrixView<float> dx);

// ADDS to dw: dw[n,k] += sum_t dy[t,n] x[t,k], t ascending, the accumulator carried from call to
// call, so that cutting the rows into slices changes nothing.  dw is kF32 [N,K].
void LinearBackwardWeight(const Compute& compute, MatrixView<const float> dy,
                          MatrixView<const float> x, PackedMatrix& dw);

// ADDS to dbias [N]: sum over rows of dy, ascending, carried.
void BiasBackward(const Compute& compute, MatrixView<const float> dy, std::span<float> dbias);

}  // namespace pawl
