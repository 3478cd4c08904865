// Sixteen lanes in two AVX2 registers; see kernels/lanes_portable.h.  Private to kernels/.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace pawl {
namespace {

struct Lanes {
  struct F {
    __m256 a, b;
  };
  struct I {
    __m256i a, b;
  };
  using M = F;  // all bits of a lane set, or none

  // Lane i is set where 8 - n <= i, read backwards from the middle: the first n lanes.
  static __m256i Mask8(std::size_t n) {
    alignas(64) static const std::int32_t kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                       0,  0,  0,  0,  0,  0,  0,  0};
    const std::size_t kept = n < 8 ? n : 8;
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - kept));
  }

  static F Set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static F Load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static F LoadN(const float* p, std::size_t n) {
    return {_mm256_maskload_ps(p, Mask8(n)),
            n > 8 ? _mm256_maskload_ps(p + 8, Mask8(n - 8)) : _mm256_setzero_ps()};
  }
  static void Store(float* p, F x) {
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
  }
  static void StoreN(float* p, F x, std::size_t n) {
    _mm256_maskstore_ps(p, Mask8(n), x.a);
    if (n > 8) _mm256_maskstore_ps(p + 8, Mask8(n - 8), x.b);
  }

  static F Add(F a, F b) { return {_mm256_add_ps(a.a, b.a), _mm256_add_ps(a.b, b.b)}; }
  static F Sub(F a, F b) { return {_mm256_sub_ps(a.a, b.a), _mm256_sub_ps(a.b, b.b)}; }
  static F Mul(F a, F b) { return {_mm256_mul_ps(a.a, b.a), _mm256_mul_ps(a.b, b.b)}; }
  static F Div(F a, F b) { return {_mm256_div_ps(a.a, b.a), _mm256_div_ps(a.b, b.b)}; }
  static F Fma(F a, F b, F c) {
    return {_mm256_fmadd_ps(a.a, b.a, c.a), _mm256_fmadd_ps(a.b, b.b, c.b)};
  }
  static F Fnma(F a, F b, F c) {
    return {_mm256_fnmadd_ps(a.a, b.a, c.a), _mm256_fnmadd_ps(a.b, b.b, c.b)};
  }
  static F Max(F a, F b) { return {_mm256_max_ps(a.a, b.a), _mm256_max_ps(a.b, b.b)}; }
  static F Min(F a, F b) { return {_mm256_min_ps(a.a, b.a), _mm256_min_ps(a.b, b.b)}; }
  static float Sum(F x) {
    const __m256 eight = _mm256_add_ps(x.a, x.b);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static float MaxAll(F x) {
    const __m256 eight = _mm256_max_ps(x.a, x.b);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
  static float First(F x) { return _mm256_cvtss_f32(x.a); }

  static M Gt(F a, F b) {
    return {_mm256_cmp_ps(a.a, b.a, _CMP_GT_OQ), _mm256_cmp_ps(a.b, b.b, _CMP_GT_OQ)};
  }
  static M Eq(F a, F b) {
    return {_mm256_cmp_ps(a.a, b.a, _CMP_EQ_OQ), _mm256_cmp_ps(a.b, b.b, _CMP_EQ_OQ)};
  }
  static M FirstN(std::size_t n) {
    return {_mm256_castsi256_ps(Mask8(n)), _mm256_castsi256_ps(Mask8(n > 8 ? n - 8 : 0))};
  }
  static M And(M a, M b) { return {_mm256_and_ps(a.a, b.a), _mm256_and_ps(a.b, b.b)}; }
  static bool Any(M m) { return _mm256_movemask_ps(_mm256_or_ps(m.a, m.b)) != 0; }
  static F Select(M m, F a, F b) {
    return {_mm256_blendv_ps(b.a, a.a, m.a), _mm256_blendv_ps(b.b, a.b, m.b)};
  }
  static I SelectI(M m, I a, I b) {
    return {_mm256_blendv_epi8(b.a, a.a, _mm256_castps_si256(m.a)),
            _mm256_blendv_epi8(b.b, a.b, _mm256_castps_si256(m.b))};
  }

  static I SetI(std::uint32_t x) {
    const __m256i v = _mm256_set1_epi32(static_cast<int>(x));
    return {v, v};
  }
  static I Iota() {
    return {_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
            _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15)};
  }
  static void StoreI(std::uint32_t* p, I x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.a);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), x.b);
  }
  static I Bits(F x) { return {_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }
  static F FromBits(I x) { return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
  static I AddI(I a, I b) { return {_mm256_add_epi32(a.a, b.a), _mm256_add_epi32(a.b, b.b)}; }
  static I SubI(I a, I b) { return {_mm256_sub_epi32(a.a, b.a), _mm256_sub_epi32(a.b, b.b)}; }
  static I AndI(I a, I b) { return {_mm256_and_si256(a.a, b.a), _mm256_and_si256(a.b, b.b)}; }
  static I XorI(I a, I b) { return {_mm256_xor_si256(a.a, b.a), _mm256_xor_si256(a.b, b.b)}; }
  template <int kBits>
  static I ShlI(I a) {
    return {_mm256_slli_epi32(a.a, kBits), _mm256_slli_epi32(a.b, kBits)};
  }
  template <int kBits>
  static I SarI(I a) {
    return {_mm256_srai_epi32(a.a, kBits), _mm256_srai_epi32(a.b, kBits)};
  }
  static void MulWide8(__m256i a, __m256i factor, __m256i& high, __m256i& low) {
    const __m256i even = _mm256_mul_epu32(a, factor);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), factor);
    low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
    high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  }
  static void MulWide(I a, std::uint32_t b, I& high, I& low) {
    const I factor = SetI(b);
    MulWide8(a.a, factor.a, high.a, low.a);
    MulWide8(a.b, factor.b, high.b, low.b);
  }
  // high * 2^16 + low: both are exact, so that fma rounds once.
  static __m256 ToFloat8(__m256i a) {
    const __m256 high = _mm256_cvtepi32_ps(_mm256_srli_epi32(a, 16));
    const __m256 low = _mm256_cvtepi32_ps(_mm256_and_si256(a, _mm256_set1_epi32(0xffff)));
    return _mm256_fmadd_ps(high, _mm256_set1_ps(65536.0f), low);
  }
  static F ToFloat(I a) { return {ToFloat8(a.a), ToFloat8(a.b)}; }
};

}  // namespace
}  // namespace pawl
