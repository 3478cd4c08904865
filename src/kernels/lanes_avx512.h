// Sixteen float lanes in one AVX-512 register; see lanes_portable.h for what each operation means.
using V = __m512;
using I = __m512i;

inline __mmask16 FirstLanes(std::size_t n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1u);
}
inline V Load(const float* p) { return _mm512_loadu_ps(p); }
inline V LoadPartial(const float* p, std::size_t n) {
  return _mm512_maskz_loadu_ps(FirstLanes(n), p);
}
inline void Store(float* p, V a) { _mm512_storeu_ps(p, a); }
inline void StorePartial(float* p, V a, std::size_t n) {
  _mm512_mask_storeu_ps(p, FirstLanes(n), a);
}
inline V Set(float x) { return _mm512_set1_ps(x); }
inline V Add(V a, V b) { return _mm512_add_ps(a, b); }
inline V Sub(V a, V b) { return _mm512_sub_ps(a, b); }
inline V Mul(V a, V b) { return _mm512_mul_ps(a, b); }
inline V Div(V a, V b) { return _mm512_div_ps(a, b); }
inline V Fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
inline V Max(V a, V b) { return _mm512_max_ps(a, b); }
inline V Min(V a, V b) { return _mm512_min_ps(a, b); }
inline V Round(V a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

inline I LoadI(const std::uint32_t* p) { return _mm512_loadu_si512(p); }
inline I SetI(std::uint32_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
inline I AddI(I a, I b) { return _mm512_add_epi32(a, b); }
inline I XorI(I a, I b) { return _mm512_xor_si512(a, b); }
inline I AndI(I a, I b) { return _mm512_and_si512(a, b); }
inline I OrI(I a, I b) { return _mm512_or_si512(a, b); }
template <int kBits>
inline I ShiftLeft(I a) {
  return _mm512_slli_epi32(a, kBits);
}
template <int kBits>
inline I ShiftRight(I a) {
  return _mm512_srli_epi32(a, kBits);
}
inline void MulWide(I a, std::uint32_t b, I& high, I& low) {
  const I factor = SetI(b);
  const I even = _mm512_mul_epu32(a, factor);
  const I odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), factor);
  low = _mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32));
  high = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
}
inline V BitsToFloat(I a) { return _mm512_castsi512_ps(a); }
inline I FloatToBits(V a) { return _mm512_castps_si512(a); }
inline I ToInt(V a) { return _mm512_cvttps_epi32(a); }
inline V IntToFloat(I a) { return _mm512_cvtepi32_ps(a); }
inline V WhereLess(V a, V b, V chosen, V other) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), other, chosen);
}
inline float SumTree(V a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float MaxLane(V a) { return _mm512_reduce_max_ps(a); }
inline void Prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }

// 16 x 16 transposed in place: pairs, quads, then 128-bit blocks.
inline void Transpose16(V* r) {
  V t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    const __m512d a = _mm512_castps_pd(t[i]), b = _mm512_castps_pd(t[i + 1]);
    const __m512d c = _mm512_castps_pd(t[i + 2]), d = _mm512_castps_pd(t[i + 3]);
    r[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
    r[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
    r[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
    r[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
  }
  // r[4q + c], block b (of 128 bits) holds column 4b + c of rows 4q .. 4q+3.
  for (int c = 0; c < 4; ++c) {
    const V lo01 = _mm512_shuffle_f32x4(r[c], r[4 + c], 0x88);
    const V hi01 = _mm512_shuffle_f32x4(r[c], r[4 + c], 0xdd);
    const V lo23 = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0x88);
    const V hi23 = _mm512_shuffle_f32x4(r[8 + c], r[12 + c], 0xdd);
    t[c] = _mm512_shuffle_f32x4(lo01, lo23, 0x88);
    t[8 + c] = _mm512_shuffle_f32x4(lo01, lo23, 0xdd);
    t[4 + c] = _mm512_shuffle_f32x4(hi01, hi23, 0x88);
    t[12 + c] = _mm512_shuffle_f32x4(hi01, hi23, 0xdd);
  }
  for (int i = 0; i < 16; ++i) r[i] = t[i];
}
