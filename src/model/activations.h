// What the forward pass keeps for the backward pass, and the buffers both work in.  Private to
// model/ and its tests.
//
// T rows, C hidden size, H query heads, K key/value heads, D head width, F intermediate size,
// R ranks of a layer's adapted modules together.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/views.h"
#include "kernels/attention.h"
#include "kernels/softmax.h"
#include "model/adapter.h"
#include "model/backward.h"
#include "model/forward.h"

namespace pawl {

// A reusable matrix of rows: memory grows, never shrinks, so that a step after the first allocates
// nothing.
class RowBuffer {
 public:
  // Content is undefined after growth.
  MatrixView<float> Shape(std::size_t rows, std::size_t cols) {
    if (rows * cols > buffer_.size()) {
      buffer_ = AlignedBuffer<float>();  // the old memory goes first
      buffer_ = AlignedBuffer<float>(rows * cols);
    }
    rows_ = rows;
    cols_ = cols;
    return view();
  }
  MatrixView<float> view() { return {buffer_.data(), rows_, cols_}; }
  MatrixView<const float> view() const { return {buffer_.data(), rows_, cols_}; }
  std::size_t bytes() const { return buffer_.size() * sizeof(float); }

 private:
  AlignedBuffer<float> buffer_;
  std::size_t rows_ = 0, cols_ = 0;
};

// One layer of one forward pass.  Norm outputs and silu(gate) * up are recomputed in the backward
// pass: one sweep each, against 2C + F more floats a row here.
struct SavedLayer {
  RowBuffer input;        // [T, C] the residual stream before the layer
  RowBuffer input_rstd;   // [1, T]
  RowBuffer qkv;          // [T, (H + 2K) * D]; rotated, or, with q/k norms, before those
  RowBuffer attention;    // [T, H * D]
  RowBuffer softmax;      // [T, 2H] largest score and sum of each head
  RowBuffer middle;       // [T, C] the residual stream between attention and MLP
  RowBuffer middle_rstd;  // [1, T]
  RowBuffer gate_up;      // [T, 2F]
  RowBuffer lora_u;       // [T, R] A x of the adapted modules, in the order of LinearModule
};

struct SavedActivations::Layers {
  Saving saving = Saving::kAll;
  std::vector<SavedLayer> layers;  // with kRecompute only their inputs are filled, and
  SavedLayer live;                 // the rest of one layer lies here: the one computed last
  RowBuffer output;                // [T, C] before the final norm
  RowBuffer output_rstd;           // [1, T]
  std::vector<std::uint32_t> positions;
  std::size_t rows = 0;

  void Shape(const ModelConfig& config, const Adapter* adapter, std::size_t row_count);
  // Where everything but the input of a layer is.
  SavedLayer& Rest(std::size_t layer) { return saving == Saving::kAll ? layers[layer] : live; }
  const SavedLayer& Rest(std::size_t layer) const {
    return saving == Saving::kAll ? layers[layer] : live;
  }
};

// Rows of a batch that continue a sequence, with the position of the first.
struct SequenceSlice {
  std::size_t row_begin = 0, row_count = 0, position_begin = 0;
  const KvSequence* cache = nullptr;
};

struct Scratch::Buffers {
  // Forward and backward.
  RowBuffer x, y, normed, qkv, attention, gate_up, activated, lora_u;
  std::vector<std::uint32_t> positions;
  std::vector<SequenceSlice> batch, slices;  // the whole batch; the block of rows at hand
  std::vector<AttentionRows> attention_rows;
  // Head.
  RowBuffer logits, head_rows, head_gradient;
  std::vector<RowStatistics> statistics;
  std::vector<std::int32_t> head_targets;
  std::vector<std::size_t> head_index;
  std::vector<float> head_dlogp, head_dentropy;
  // Backward.
  RowBuffer dx, dnormed, dqkv, dattention, dactivated, lora_du, q_rstd, k_rstd;
  std::vector<AttentionGradientRows> gradient_rows;
  // One per thread where small models are cut by sequences; each with a pool of one thread.
  struct Worker;
  std::vector<std::unique_ptr<Worker>> workers;

  Buffers();
  ~Buffers();
};

// Runs one layer forward again over the rows of a pass that was saved with kRecompute; `sequences`
// are those of the pass, their caches still at its end.
void RecomputeLayer(const Policy& policy, const Compute& compute, std::size_t layer,
                    std::span<const BackwardRows> sequences, Scratch::Buffers& buffers,
                    SavedActivations::Layers& saved);

// Rows that go through the layers together: enough for the products' full speed, few enough that
// temporaries stay near the caches (2F = 9728: 20 MB).
inline constexpr std::size_t kForwardRows = 512;

}  // namespace pawl
