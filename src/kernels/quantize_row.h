// The rule of the 7-bit quantiser, for one row: scale = largest magnitude / 63, q = round to even
// of x * (63 / largest), stored as q + 64, so that 1 <= stored <= 127.  No std templates: see
// kernel_table.h.  Private to kernels/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace pawl {
namespace {

constexpr float kActivationLevels = 63.0f;
constexpr std::uint8_t kZeroPoint = 64;

// The largest |x| as bits; NaN counts as larger than infinity.
[[maybe_unused]] std::uint32_t LargestMagnitude(const float* x, std::size_t n) {
  std::uint32_t largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7fffffffu;
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

// inverse 0: every q is 0.  A row below 2^-100, whose inverse could overflow, counts as zero; one
// that is not finite gets the scale NaN, so that its outputs are NaN and training sees it.
struct RowScale {
  float scale, inverse;
};
[[maybe_unused]] RowScale ScaleOf(std::uint32_t largest_bits) {
  float largest = 0;
  std::memcpy(&largest, &largest_bits, sizeof largest);
  if (largest_bits >= 0x7f800000u) return {__builtin_nanf(""), 0};
  if (largest < 0x1p-100f) return {0, 0};
  return {largest / kActivationLevels, kActivationLevels / largest};
}

// Rounds to even without a library call: |x| < 2^22.
[[maybe_unused]] float RoundSmall(float x) {
  constexpr float kShift = 0x1.8p23f;
  return (x + kShift) - kShift;
}

// inverse 0 writes the zero point whatever x holds.
[[maybe_unused]] void QuantizeTail(const float* x, std::size_t n, float inverse,
                                   std::uint8_t* out) {
  for (std::size_t i = 0; i < n; ++i) {
    const int q = inverse == 0 ? 0 : static_cast<int>(RoundSmall(x[i] * inverse));
    out[i] = static_cast<std::uint8_t>(q + kZeroPoint);
  }
}

}  // namespace
}  // namespace pawl
