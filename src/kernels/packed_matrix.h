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
//   kInt8  panel[g][32][4] int8:   element (g, j, b) = q of W[32p + j, 4g + b], with W = q * scale
//   of
//          the row: scale = largest magnitude / 127, q rounded to even; K padded to a multiple of 4
//          with zeros.  Sums stay within int32 up to K = kMaxInt8K.
#pragma once

#include <cstdint>
#include <span>

#include "base/bf16.h"
#include "base/views.h"

namespace pawl {

enum class WeightType { kF32, kBf16, kInt8 };
const char* WeightTypeName(WeightType type);  // "f32", "bf16", "int8"

inline constexpr std::size_t kPanelColumns = 32;
inline constexpr std::size_t kMaxInt8K = 131'072;

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

  const std::int8_t* PanelInt8(std::size_t p) const { return int8_.data() + p * PanelBytes(); }
  std::size_t PanelBytes() const { return (k_ + 3) / 4 * 4 * kPanelColumns; }  // kInt8
  // Of a kInt8 matrix, by row, up to a multiple of 32: the scale, and 64 times the sum of q, which
  // activations stored with 64 added bring into a product.
  std::span<const float> scales() const { return scales_.span(); }
  std::span<const std::int32_t> offsets() const { return offsets_.span(); }

  // All elements of a kF32 matrix in panel order, padding included: for optimizers and norms.
  std::span<float> data() { return f32_.span(); }
  std::span<const float> data() const { return f32_.span(); }

  // Packs rows [row_begin, row_begin + rows.rows()) from row-major floats [rows, K]; kBf16 and
  // kInt8 round.
  void SetRows(std::size_t row_begin, MatrixView<const float> rows);
  void SetRowsBf16(std::size_t row_begin, MatrixView<const Bf16> rows);  // kInt8 rounds
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
  AlignedBuffer<std::int8_t> int8_;
  AlignedBuffer<float> scales_;
  AlignedBuffer<std::int32_t> offsets_;

  void SetRowInt8(std::size_t row, const float* values);
};

}  // namespace pawl
