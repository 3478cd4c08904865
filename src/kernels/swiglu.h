// SwiGLU (Shazeer 2020, arXiv:2002.05202): y = silu(gate) * up, silu(z) = z * sigmoid(z).
#pragma once

#include "base/views.h"
#include "kernels/compute.h"

namespace pawl {

// gate_up [T, 2F] holds gate in columns [0, F) and up in [F, 2F); y [T, F].
void SwigluForward(const Compute& compute, MatrixView<const float> gate_up, MatrixView<float> y);
// Writes dgate_up [T, 2F], which may be the same memory as gate_up.
void SwigluBackward(const Compute& compute, MatrixView<const float> gate_up,
                    MatrixView<const float> dy, MatrixView<float> dgate_up);

// y += x, elementwise on [T, C].
void AddRows(const Compute& compute, MatrixView<const float> x, MatrixView<float> y);
// y = fma(scale, x, y): LoRA's branch joins the base product.
void AddScaledRows(const Compute& compute, float scale, MatrixView<const float> x,
                   MatrixView<float> y);
// x *= scale.
void ScaleRows(const Compute& compute, float scale, MatrixView<float> x);

}  // namespace pawl
