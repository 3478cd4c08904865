// Sixteen lanes in one AVX-512 register; see kernels/lanes_portable.h.  Private to kernels/.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace pawl {
namespace {

struct Lanes {
  using F = __m512;
  using I = __m512i;
  using M = __mmask16;

  static F Set(float x) { return _mm512_set1_ps(x); }
  static F Load(const float* p) { return _mm512_loadu_ps(p); }
  static F LoadN(const float* p, std::size_t n) { return _mm512_maskz_loadu_ps(FirstN(n), p); }
  static void Store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static void StoreN(float* p, F x, std::size_t n) { _mm512_mask_storeu_ps(p, FirstN(n), x); }

  static F Add(F a, F b) { return _mm512_add_ps(a, b); }
  static F Sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F Mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F Div(F a, F b) { return _mm512_div_ps(a, b); }
  static F Fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F Fnma(F a, F b, F c) { return _mm512_fnmadd_ps(a, b, c); }
  static F Max(F a, F b) { return _mm512_max_ps(a, b); }
  static F Min(F a, F b) { return _mm512_min_ps(a, b); }
  static float Sum(F x) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static float MaxAll(F x) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
  static float First(F x) { return _mm512_cvtss_f32(x); }

  static M Gt(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
  static M Eq(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
  static M FirstN(std::size_t n) { return static_cast<M>(n >= 16 ? 0xffffu : (1u << n) - 1u); }
  static M And(M a, M b) { return static_cast<M>(a & b); }
  static bool Any(M m) { return m != 0; }
  static F Select(M m, F a, F b) { return _mm512_mask_blend_ps(m, b, a); }
  static I SelectI(M m, I a, I b) { return _mm512_mask_blend_epi32(m, b, a); }

  static I SetI(std::uint32_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
  static I Iota() {
    return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  }
  static void StoreI(std::uint32_t* p, I x) { _mm512_storeu_si512(p, x); }
  static I Bits(F x) { return _mm512_castps_si512(x); }
  static F FromBits(I x) { return _mm512_castsi512_ps(x); }
  static I AddI(I a, I b) { return _mm512_add_epi32(a, b); }
  static I SubI(I a, I b) { return _mm512_sub_epi32(a, b); }
  static I AndI(I a, I b) { return _mm512_and_si512(a, b); }
  static I XorI(I a, I b) { return _mm512_xor_si512(a, b); }
  template <int kBits>
  static I ShlI(I a) {
    return _mm512_slli_epi32(a, kBits);
  }
  template <int kBits>
  static I SarI(I a) {
    return _mm512_srai_epi32(a, kBits);
  }
  static void MulWide(I a, std::uint32_t b, I& high, I& low) {
    const I factor = SetI(b);
    const I even = _mm512_mul_epu32(a, factor);
    const I odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), factor);
    low = _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
    high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
  }
  static F ToFloat(I a) { return _mm512_cvtepu32_ps(a); }

  // Sixteen columns of a panel: their values from one line of packed words.
  static F LowHalves(const std::uint32_t* p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16));
  }
  static F HighHalves(const std::uint32_t* p) {
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_loadu_si512(p), _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
  }
};

}  // namespace
}  // namespace pawl
