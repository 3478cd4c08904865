// The forward product of 8-bit weights.  Private to kernels/.
#pragma once

#include "kernels/linear.h"

namespace pawl {

// LinearForward for a kInt8 matrix of at least one row and column.
void Int8Forward(const Compute& compute, MatrixView<const float> x, const PackedMatrix& w,
                 std::span<const float> bias, Output output, MatrixView<float> y);

}  // namespace pawl
