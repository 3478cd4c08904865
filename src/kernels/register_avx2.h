// One AVX2 register of float32 for the matrix products.  Private to kernels/.
#pragma once

#include "kernels/lanes_avx2.h"

namespace pawl {
namespace {

struct Register {
  using F = __m256;
  static constexpr int kLanes = 8;
  static F Zero() { return _mm256_setzero_ps(); }
  static F Load(const float* p) { return _mm256_loadu_ps(p); }
  static void Store(float* p, F x) { _mm256_storeu_ps(p, x); }
  static F LoadN(const float* p, std::size_t n) { return _mm256_maskload_ps(p, Lanes::Mask8(n)); }
  static void StoreN(float* p, F x, std::size_t n) { _mm256_maskstore_ps(p, Lanes::Mask8(n), x); }
  static F Broadcast(const float* p) { return _mm256_set1_ps(*p); }
  static F Mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F Add(F a, F b) { return _mm256_add_ps(a, b); }
  static F Fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F Low(const std::uint32_t* p) {
    const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
  }
  static F High(const std::uint32_t* p) {
    const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i mask = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    return _mm256_castsi256_ps(_mm256_and_si256(words, mask));
  }
};

}  // namespace
}  // namespace pawl
