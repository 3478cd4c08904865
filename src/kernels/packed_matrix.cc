#include "kernels/packed_matrix.h"

#include <limits>

#include "base/check.h"

namespace pawl {
namespace {

constexpr std::size_t kHalf = kPanelColumns / 2;

// Elements of one storage array; overflow is a caller's bug, since files are checked before.
std::size_t Elements(std::size_t n, std::size_t k, std::size_t per_row_of_panel) {
  const std::size_t panels = n / kPanelColumns + (n % kPanelColumns != 0 ? 1 : 0);
  PAWL_CHECK(k == 0 || panels <= std::numeric_limits<std::size_t>::max() / per_row_of_panel / k);
  return panels * k * per_row_of_panel;
}

// Word and shift of column j of a bf16 line.
struct HalfWord {
  std::size_t word;
  unsigned shift;
};
HalfWord HalfOf(std::size_t j) { return j < kHalf ? HalfWord{j, 0} : HalfWord{j - kHalf, 16}; }

void SetHalf(std::uint32_t& word, unsigned shift, Bf16 value) {
  word = (word & ~(0xffffu << shift)) | (std::uint32_t{value.bits} << shift);
}

}  // namespace

PackedMatrix::PackedMatrix(WeightType type, std::size_t n, std::size_t k)
    : type_(type), n_(n), k_(k) {
  if (type == WeightType::kF32) {
    f32_ = AlignedBuffer<float>(Elements(n, k, kPanelColumns));
  } else {
    bf16_ = AlignedBuffer<std::uint32_t>(Elements(n, k, kHalf));
  }
}

std::size_t PackedMatrix::bytes() const {
  return f32_.size() * sizeof(float) + bf16_.size() * sizeof(std::uint32_t);
}

void PackedMatrix::SetRows(std::size_t row_begin, MatrixView<const float> rows) {
  PAWL_CHECK(rows.cols() == k_ && row_begin + rows.rows() <= n_);
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    const std::size_t panel = (row_begin + r) / kPanelColumns, j = (row_begin + r) % kPanelColumns;
    const float* in = rows.row(r);
    if (type_ == WeightType::kF32) {
      float* out = f32_.data() + panel * k_ * kPanelColumns + j;
      for (std::size_t k = 0; k < k_; ++k) out[k * kPanelColumns] = in[k];
    } else {
      const HalfWord half = HalfOf(j);
      std::uint32_t* out = bf16_.data() + panel * k_ * kHalf + half.word;
      for (std::size_t k = 0; k < k_; ++k) SetHalf(out[k * kHalf], half.shift, ToBf16(in[k]));
    }
  }
}

void PackedMatrix::SetRowsBf16(std::size_t row_begin, MatrixView<const Bf16> rows) {
  PAWL_CHECK(rows.cols() == k_ && row_begin + rows.rows() <= n_);
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    const std::size_t panel = (row_begin + r) / kPanelColumns, j = (row_begin + r) % kPanelColumns;
    const Bf16* in = rows.row(r);
    if (type_ == WeightType::kF32) {
      float* out = f32_.data() + panel * k_ * kPanelColumns + j;
      for (std::size_t k = 0; k < k_; ++k) out[k * kPanelColumns] = ToFloat(in[k]);
    } else {
      const HalfWord half = HalfOf(j);
      std::uint32_t* out = bf16_.data() + panel * k_ * kHalf + half.word;
      for (std::size_t k = 0; k < k_; ++k) SetHalf(out[k * kHalf], half.shift, in[k]);
    }
  }
}

void PackedMatrix::GetRow(std::size_t row, std::span<float> out) const {
  PAWL_CHECK(row < n_ && out.size() == k_);
  const std::size_t panel = row / kPanelColumns, j = row % kPanelColumns;
  if (type_ == WeightType::kF32) {
    const float* in = PanelF32(panel) + j;
    for (std::size_t k = 0; k < k_; ++k) out[k] = in[k * kPanelColumns];
  } else {
    const HalfWord half = HalfOf(j);
    const std::uint32_t* in = PanelBf16(panel) + half.word;
    for (std::size_t k = 0; k < k_; ++k) {
      out[k] = ToFloat(Bf16{static_cast<std::uint16_t>(in[k * kHalf] >> half.shift)});
    }
  }
}

void PackedMatrix::GetRows(std::size_t row_begin, MatrixView<float> out) const {
  PAWL_CHECK(out.cols() == k_ && row_begin + out.rows() <= n_);
  for (std::size_t r = 0; r < out.rows(); ++r) GetRow(row_begin + r, out.row_span(r));
}

PackedMatrix PackedMatrix::Clone() const {
  PackedMatrix copy(type_, n_, k_);
  if (!f32_.empty()) std::memcpy(copy.f32_.data(), f32_.data(), f32_.size() * sizeof(float));
  if (!bf16_.empty()) {
    std::memcpy(copy.bf16_.data(), bf16_.data(), bf16_.size() * sizeof(std::uint32_t));
  }
  return copy;
}

}  // namespace pawl
