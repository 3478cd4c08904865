// The 7-bit quantiser and the transpose of 8-bit panels, with AVX2 alone: they are a few percent of
// the products they feed.  After kernels/transpose_x86.h.  Private to kernels/.
#pragma once

#include <immintrin.h>

#include "kernels/kernel_table.h"
#include "kernels/quantize_row.h"
#include "kernels/transpose_x86.h"

namespace pawl {
namespace {

float Quantize(const float* x, std::size_t n, std::uint8_t* out) {
  // Magnitudes compare as integers, NaN above infinity: the same largest in any order.
  const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i most = _mm256_setzero_si256();
  const std::size_t eights = n / 8 * 8, full = n / 32 * 32;
  for (std::size_t i = 0; i < eights; i += 8) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    most = _mm256_max_epi32(most, _mm256_and_si256(bits, magnitude));
  }
  alignas(32) std::uint32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), most);
  std::uint32_t largest = LargestMagnitude(x + eights, n - eights);
  for (int i = 0; i < 8; ++i) largest = lanes[i] > largest ? lanes[i] : largest;
  const RowScale scale = ScaleOf(largest);
  if (scale.inverse == 0) {
    QuantizeTail(x, n, 0, out);
    return scale.scale;
  }
  const __m256 inverse = _mm256_set1_ps(scale.inverse);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i zero_point = _mm256_set1_epi8(64);
  for (std::size_t i = 0; i < full; i += 32) {
    __m256i q[4];
    for (std::size_t v = 0; v < 4; ++v) {
      q[v] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8 * v), inverse));
    }
    const __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
    const __m256i ordered = _mm256_permutevar8x32_epi32(bytes, order);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm256_add_epi8(ordered, zero_point));
  }
  QuantizeTail(x + full, n - full, scale.inverse, out + full);
  return scale.scale;
}

// Eight groups of four k for eight columns become, per column, 32 consecutive k.
void TransposeInt8(const std::int8_t* panel, std::size_t k_begin, std::size_t count,
                   const float* scales, float* out) {
  const std::size_t groups = (count + 3) / 4;
  for (std::size_t column = 0; column < 32; column += 8) {
    __m256 rows[8];
    for (std::size_t g = 0; g < 8; ++g) {
      const std::int8_t* line = panel + (k_begin / 4 + g) * 128 + column * 4;
      rows[g] =
          g < groups ? _mm256_loadu_ps(reinterpret_cast<const float*>(line)) : _mm256_setzero_ps();
    }
    alignas(32) float bytes[8 * 8];  // [column][k], four k in a float's place
    Transpose8x8(rows, bytes, 8);
    for (std::size_t j = 0; j < 8; ++j) {
      const __m256 scale = _mm256_set1_ps(scales[column + j]);
      const auto* in = reinterpret_cast<const std::int8_t*>(bytes + 8 * j);
      for (std::size_t i = 0; i < 32; i += 8) {
        const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(in + i));
        const __m256 wide = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(eight));
        _mm256_storeu_ps(out + (column + j) * 32 + i, _mm256_mul_ps(wide, scale));
      }
    }
  }
}

}  // namespace
}  // namespace pawl
