// A weight matrix W [N, K] (out-features first, as Hugging Face stores it) packed once at load for
// the linear kernels.  One layout serves every instruction set and both products, y = x W^T and
// dx = dy W; gradients and optimizer state of a trained matrix use the float32 layout too, so that
// updates are plain loops over data().
//
// Layout: panels of 32 output columns, panel p holds W[32p .. 32p+31, :], missing columns zero.
//   kF32   panel[k][32] float:     element (k, j) = W[32p + j, k]
//   kBf16  panel[k][16] uint32:    word (k, j) = W[32p + j, k] in its low half, W[32p + 16 + j, k]
//   in
//          its high half (as bf16 bits), so a shift and a mask widen one 64-byte line to 32 floats
#pragma once

#include <cstdint>
#include <span>

#include "base/bf16.h"
#include "base/views.h"

namespace pawl {

enum class WeightType { kF32, kBf16 };

inline constexpr std::size_t kPanelColumns = 32;

class PackedMatrix {
 public:
  PackedMatrix() = default;
  PackedMatrix(WeightType type, std::size_t n, std::size_t k);  // all zero

  WeightType type() const { return type_; }
  std::size_t n() const { return n_; }
  std::size_t k() const { return k_; }
  std::size_t panels() const { return (n_ + kPanelColumns - 1) / kPanelColumns; }
  std::size_t bytes() const;
  bool empty() const { return n_ == 0; }

  const float* PanelF32(std::size_t p) const { return f32_.data() + p * k_ * kPanelColumns; }
  const std::uint32_t* PanelBf16(std::size_t p) const { return bf16_.data() + p * k_ * 16; }

  // All elements of a kF32 matrix in panel order, padding included: for optimizers and norms.
  std::span<float> data() { return f32_.span(); }
  std::span<const float> data() const { return f32_.span(); }

  // Packs rows [row_begin, row_begin + rows.rows()) from row-major floats [rows, K]; kBf16 rounds.
  void SetRows(std::size_t row_begin, MatrixView<const float> rows);
  void SetRowsBf16(std::size_t row_begin, MatrixView<const Bf16> rows);  // exact for both types
  // The reverse, widened: rows [row_begin, row_begin + out.rows()) -> out [rows, K].
  void GetRows(std::size_t row_begin, MatrixView<float> out) const;
  // One row, for embedding lookup: out [K].
  void GetRow(std::size_t row, std::span<float> out) const;

  PackedMatrix Clone() const;  // a copy is visible where it happens

 private:
  WeightType type_ = WeightType::kF32;
  std::size_t n_ = 0, k_ = 0;
  AlignedBuffer<float> f32_;
  AlignedBuffer<std::uint32_t> bf16_;
};

}  // namespace pawl
