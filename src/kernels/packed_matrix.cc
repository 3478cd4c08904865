#include "kernels/packed_matrix.h"

#include <cstring>

namespace pawl {
namespace {

constexpr std::size_t kHalf = kPanelColumns / 2;

// Where element (n, k) lies: word index, and whether it is the high half of a bf16 word.
struct Bf16Place {
  std::size_t word;
  bool high;
};
Bf16Place PlaceOf(std::size_t n, std::size_t k, std::size_t depth) {
  const std::size_t panel = n / kPanelColumns, column = n % kPanelColumns;
  return {(panel * depth + k) * kHalf + column % kHalf, column >= kHalf};
}

void PutBf16(std::uint32_t& word, bool high, Bf16 value) {
  word = high ? (word & 0x0000ffffu) | (std::uint32_t{value.bits} << 16)
              : (word & 0xffff0000u) | value.bits;
}

Bf16 GetBf16(std::uint32_t word, bool high) {
  return {static_cast<std::uint16_t>(high ? word >> 16 : word & 0xffffu)};
}

}  // namespace

PackedMatrix::PackedMatrix(WeightType type, std::size_t n, std::size_t k)
    : type_(type), n_(n), k_(k) {
  if (type == WeightType::kF32) {
    f32_ = AlignedBuffer<float>(panels() * k * kPanelColumns);
  } else {
    bf16_ = AlignedBuffer<std::uint32_t>(panels() * k * kHalf);
  }
}

std::size_t PackedMatrix::bytes() const {
  return f32_.size() * sizeof(float) + bf16_.size() * sizeof(std::uint32_t);
}

void PackedMatrix::SetRows(std::size_t row_begin, MatrixView<const float> rows) {
  PAWL_CHECK(row_begin + rows.rows() <= n_ && rows.cols() == k_);
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    const std::size_t n = row_begin + r;
    const float* from = rows.row(r);
    if (type_ == WeightType::kF32) {
      float* to = f32_.data() + n / kPanelColumns * k_ * kPanelColumns + n % kPanelColumns;
      for (std::size_t k = 0; k < k_; ++k) to[k * kPanelColumns] = from[k];
    } else {
      const Bf16Place place = PlaceOf(n, 0, k_);
      std::uint32_t* to = bf16_.data() + place.word;
      for (std::size_t k = 0; k < k_; ++k) PutBf16(to[k * kHalf], place.high, ToBf16(from[k]));
    }
  }
}

void PackedMatrix::SetRowsBf16(std::size_t row_begin, MatrixView<const Bf16> rows) {
  PAWL_CHECK(row_begin + rows.rows() <= n_ && rows.cols() == k_);
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    const std::size_t n = row_begin + r;
    const Bf16* from = rows.row(r);
    if (type_ == WeightType::kF32) {
      float* to = f32_.data() + n / kPanelColumns * k_ * kPanelColumns + n % kPanelColumns;
      for (std::size_t k = 0; k < k_; ++k) to[k * kPanelColumns] = ToFloat(from[k]);
    } else {
      const Bf16Place place = PlaceOf(n, 0, k_);
      std::uint32_t* to = bf16_.data() + place.word;
      for (std::size_t k = 0; k < k_; ++k) PutBf16(to[k * kHalf], place.high, from[k]);
    }
  }
}

void PackedMatrix::GetRow(std::size_t row, std::span<float> out) const {
  PAWL_CHECK(row < n_ && out.size() == k_);
  if (type_ == WeightType::kF32) {
    const float* from =
        f32_.data() + row / kPanelColumns * k_ * kPanelColumns + row % kPanelColumns;
    for (std::size_t k = 0; k < k_; ++k) out[k] = from[k * kPanelColumns];
  } else {
    const Bf16Place place = PlaceOf(row, 0, k_);
    const std::uint32_t* from = bf16_.data() + place.word;
    for (std::size_t k = 0; k < k_; ++k) out[k] = ToFloat(GetBf16(from[k * kHalf], place.high));
  }
}

void PackedMatrix::GetRows(std::size_t row_begin, MatrixView<float> out) const {
  for (std::size_t r = 0; r < out.rows(); ++r) GetRow(row_begin + r, out.row_span(r));
}

PackedMatrix PackedMatrix::Clone() const {
  PackedMatrix copy(type_, n_, k_);
  if (f32_.size() > 0) std::memcpy(copy.f32_.data(), f32_.data(), f32_.size() * sizeof(float));
  if (bf16_.size() > 0) {
    std::memcpy(copy.bf16_.data(), bf16_.data(), bf16_.size() * sizeof(std::uint32_t));
  }
  return copy;
}

}  // namespace pawl
