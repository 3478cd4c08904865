// The low-rank branches of the modules that share one input.  Private to model/.
#pragma once

#include "base/views.h"
#include "kernels/compute.h"
#include "model/adapter.h"

namespace pawl {

// One layer's branch group at work.  u [T, R] holds A x of ALL adapted modules of the layer, each
// at its own columns.
struct LoraBranch {
  const AdapterLayer* layer = nullptr;  // null: no adapter, every call returns at once
  float scale = 0;
  LoraGroup group = LoraGroup::kQkv;
  bool active() const;  // any module of the group adapted
};

std::size_t LoraRank(const AdapterLayer& layer);  // R of one layer
std::size_t LoraRank(const Adapter& adapter);     // the largest of all layers

// y = fma(scale, B (A x), y) for each module of the group; u is written.
void LoraForward(const Compute& compute, const LoraBranch& branch, MatrixView<const float> x,
                 MatrixView<float> u, MatrixView<float> y);

// From dy of the fused product: dx += scale * (dy B) A; with gradient (the layer of ZerosLike, may
// be null) dB += dy^T (scale u), dA += (scale dy B)^T x.  scaled_u [T, R] is scale * u.  du [T, R]
// is scratch.
void LoraBackward(const Compute& compute, const LoraBranch& branch, MatrixView<const float> dy,
                  MatrixView<const float> x, MatrixView<const float> scaled_u, MatrixView<float> du,
                  MatrixView<float> dx, AdapterLayer* gradient);

}  // namespace pawl
