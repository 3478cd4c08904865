// Transposes for the x86 kernels in blocks of 8 x 8, with AVX2 alone: they are a few percent of the
// products they feed.  Private to kernels/.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace pawl {
namespace {

// out[i * out_row + j] = rows[j][i].
inline void Transpose8x8(const __m256 r[8], float* out, std::size_t out_row) {
  __m256 t[8], u[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    _mm256_storeu_ps(out + i * out_row, _mm256_permute2f128_ps(u[i], u[i + 4], 0x20));
    _mm256_storeu_ps(out + (i + 4) * out_row, _mm256_permute2f128_ps(u[i], u[i + 4], 0x31));
  }
}

void Transpose(const float* in, std::size_t in_row, std::size_t rows, std::size_t columns,
               float* out, std::size_t out_row) {
  const std::size_t full_rows = rows / 8 * 8, full_columns = columns / 8 * 8;
  for (std::size_t r = 0; r < full_rows; r += 8) {
    for (std::size_t c = 0; c < full_columns; c += 8) {
      __m256 block[8];
      for (std::size_t i = 0; i < 8; ++i) block[i] = _mm256_loadu_ps(in + (r + i) * in_row + c);
      Transpose8x8(block, out + c * out_row + r, out_row);
    }
  }
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t first = r < full_rows ? full_columns : 0;
    for (std::size_t c = first; c < columns; ++c) out[c * out_row + r] = in[r * in_row + c];
  }
}

inline void ZeroColumns(std::size_t count, float* out) {
  for (std::size_t j = 0; j < 32; ++j) {
    for (std::size_t i = count; i < 32; ++i) out[j * 32 + i] = 0;
  }
}

void TransposeF32(const float* panel, std::size_t k_begin, std::size_t count, float* out) {
  Transpose(panel + k_begin * 32, 32, count, 32, out, 32);
  ZeroColumns(count, out);
}

void TransposeBf16(const std::uint32_t* panel, std::size_t k_begin, std::size_t count, float* out) {
  panel += k_begin * 16;
  const __m256i mask = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  for (std::size_t i = 0; i < count; i += 8) {
    for (std::size_t word = 0; word < 16; word += 8) {
      __m256 low[8], high[8];
      for (std::size_t k = 0; k < 8; ++k) {
        const __m256i words =
            i + k < count
                ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel + (i + k) * 16 + word))
                : _mm256_setzero_si256();
        low[k] = _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
        high[k] = _mm256_castsi256_ps(_mm256_and_si256(words, mask));
      }
      Transpose8x8(low, out + word * 32 + i, 32);
      Transpose8x8(high, out + (16 + word) * 32 + i, 32);
    }
  }
  ZeroColumns(count, out);
}

}  // namespace
}  // namespace pawl
