#include "kernels/packed_matrix.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

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
  } else if (type == WeightType::kInt8) {
    PAWL_CHECK(k <= kMaxInt8K);
    int8_ = AlignedBuffer<std::int8_t>(Elements(n, (k + 3) / 4 * 4, kPanelColumns));
    scales_ = AlignedBuffer<float>(panels() * kPanelColumns);
    offsets_ = AlignedBuffer<std::int32_t>(panels() * kPanelColumns);
  } else {
    bf16_ = AlignedBuffer<std::uint32_t>(Elements(n, k, kHalf));
  }
}

std::size_t PackedMatrix::bytes() const {
  return f32_.size() * sizeof(float) + bf16_.size() * sizeof(std::uint32_t) + int8_.size() +
         scales_.size() * (sizeof(float) + sizeof(std::int32_t));
}

const char* WeightTypeName(WeightType type) {
  if (type == WeightType::kInt8) return "int8";
  return type == WeightType::kBf16 ? "bf16" : "f32";
}

// Rows that are all below 2^-100 in magnitude become zero: their scale could not be inverted.
void PackedMatrix::SetRowInt8(std::size_t row, const float* values) {
  float largest = 0;
  for (std::size_t k = 0; k < k_; ++k) largest = std::max(largest, std::fabs(values[k]));
  const float scale = largest < 0x1p-100f ? 0.0f : largest / 127.0f;
  std::int8_t* out = int8_.data() + row / kPanelColumns * PanelBytes() + row % kPanelColumns * 4;
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < k_; ++k) {
    constexpr float kShift = 0x1.8p23f;  // rounds to even, without a library call
    const float rounded = scale == 0 ? 0.0f : (values[k] / scale + kShift) - kShift;
    const auto q = static_cast<std::int32_t>(rounded);
    out[k / 4 * 4 * kPanelColumns + k % 4] = static_cast<std::int8_t>(q);
    sum += q;
  }
  scales_[row] = scale;
  offsets_[row] = 64 * sum;
}

void PackedMatrix::SetRows(std::size_t row_begin, MatrixView<const float> rows) {
  PAWL_CHECK(rows.cols() == k_ && row_begin + rows.rows() <= n_);
  for (std::size_t r = 0; r < rows.rows(); ++r) {
    const std::size_t panel = (row_begin + r) / kPanelColumns, j = (row_begin + r) % kPanelColumns;
    const float* in = rows.row(r);
    if (type_ == WeightType::kInt8) {
      SetRowInt8(row_begin + r, in);
    } else if (type_ == WeightType::kF32) {
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
    if (type_ == WeightType::kInt8) {
      std::vector<float> wide(k_);
      for (std::size_t k = 0; k < k_; ++k) wide[k] = ToFloat(in[k]);
      SetRowInt8(row_begin + r, wide.data());
    } else if (type_ == WeightType::kF32) {
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
  } else if (type_ == WeightType::kInt8) {
    const std::int8_t* in = PanelInt8(panel) + 4 * j;
    for (std::size_t k = 0; k < k_; ++k) {
      out[k] = static_cast<float>(in[k / 4 * 4 * kPanelColumns + k % 4]) * scales_[row];
    }
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
  if (!int8_.empty()) {
    std::memcpy(copy.int8_.data(), int8_.data(), int8_.size());
    std::memcpy(copy.scales_.data(), scales_.data(), scales_.size() * sizeof(float));
    std::memcpy(copy.offsets_.data(), offsets_.data(), offsets_.size() * sizeof(std::int32_t));
  }
  return copy;
}

}  // namespace pawl
