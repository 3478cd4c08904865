// Sixteen float lanes as an array: the reference that the vector versions must equal bit for bit.
// Included by one kernels_*.cc each, inside an anonymous namespace, so that nothing compiled for a
// wider instruction set can be merged into code that runs everywhere.
//
// V is 16 float32 lanes, I is 16 uint32 lanes.  Every operation is one IEEE operation a lane.
struct I {
  std::uint32_t v[16];
};
struct V {
  float v[16];
};

#define PAWL_LANES for (int i = 0; i < 16; ++i)

inline V Load(const float* p) {
  V r;
  PAWL_LANES r.v[i] = p[i];
  return r;
}
inline V LoadPartial(const float* p, std::size_t n) {
  V r;
  PAWL_LANES r.v[i] = static_cast<std::size_t>(i) < n ? p[i] : 0.0f;
  return r;
}
inline void Store(float* p, V a) { PAWL_LANES p[i] = a.v[i]; }
inline void StorePartial(float* p, V a, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) p[i] = a.v[i];
}
inline V Set(float x) {
  V r;
  PAWL_LANES r.v[i] = x;
  return r;
}
inline V Add(V a, V b) {
  PAWL_LANES a.v[i] = a.v[i] + b.v[i];
  return a;
}
inline V Sub(V a, V b) {
  PAWL_LANES a.v[i] = a.v[i] - b.v[i];
  return a;
}
inline V Mul(V a, V b) {
  PAWL_LANES a.v[i] = a.v[i] * b.v[i];
  return a;
}
inline V Div(V a, V b) {
  PAWL_LANES a.v[i] = a.v[i] / b.v[i];
  return a;
}
inline V Fma(V a, V b, V c) {
  PAWL_LANES a.v[i] = __builtin_fmaf(a.v[i], b.v[i], c.v[i]);
  return a;
}
// The larger; the second where they are equal or one is NaN (as maxps).
inline V Max(V a, V b) {
  PAWL_LANES a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i];
  return a;
}
inline V Min(V a, V b) {
  PAWL_LANES a.v[i] = a.v[i] < b.v[i] ? a.v[i] : b.v[i];
  return a;
}
inline V Round(V a) {
  PAWL_LANES a.v[i] = __builtin_rintf(a.v[i]);
  return a;
}

inline I LoadI(const std::uint32_t* p) {
  I r;
  PAWL_LANES r.v[i] = p[i];
  return r;
}
inline I SetI(std::uint32_t x) {
  I r;
  PAWL_LANES r.v[i] = x;
  return r;
}
inline I AddI(I a, I b) {
  PAWL_LANES a.v[i] += b.v[i];
  return a;
}
inline I XorI(I a, I b) {
  PAWL_LANES a.v[i] ^= b.v[i];
  return a;
}
inline I AndI(I a, I b) {
  PAWL_LANES a.v[i] &= b.v[i];
  return a;
}
inline I OrI(I a, I b) {
  PAWL_LANES a.v[i] |= b.v[i];
  return a;
}
template <int kBits>
inline I ShiftLeft(I a) {
  PAWL_LANES a.v[i] <<= kBits;
  return a;
}
template <int kBits>
inline I ShiftRight(I a) {
  PAWL_LANES a.v[i] >>= kBits;
  return a;
}
// Both halves of the 64-bit products of a with one number.
inline void MulWide(I a, std::uint32_t b, I& high, I& low) {
  PAWL_LANES {
    const std::uint64_t product = std::uint64_t{a.v[i]} * b;
    high.v[i] = static_cast<std::uint32_t>(product >> 32);
    low.v[i] = static_cast<std::uint32_t>(product);
  }
}
inline V BitsToFloat(I a) {
  V r;
  PAWL_LANES r.v[i] = std::bit_cast<float>(a.v[i]);
  return r;
}
inline I FloatToBits(V a) {
  I r;
  PAWL_LANES r.v[i] = std::bit_cast<std::uint32_t>(a.v[i]);
  return r;
}
// Integral floats in the range of int32 to integers.
inline I ToInt(V a) {
  I r;
  PAWL_LANES r.v[i] = static_cast<std::uint32_t>(static_cast<std::int32_t>(a.v[i]));
  return r;
}
inline V IntToFloat(I a) {
  V r;
  PAWL_LANES r.v[i] = static_cast<float>(static_cast<std::int32_t>(a.v[i]));
  return r;
}
// chosen where a < b, otherwise other.
inline V WhereLess(V a, V b, V chosen, V other) {
  PAWL_LANES other.v[i] = a.v[i] < b.v[i] ? chosen.v[i] : other.v[i];
  return other;
}
// Sum of 16 lanes in the fixed tree 16-8-4-2-1: lane i with i + 8, then i + 4, i + 2, i + 1.
inline float SumTree(V a) {
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) a.v[i] = a.v[i] + a.v[i + half];
  }
  return a.v[0];
}
inline float MaxLane(V a) {
  float m = a.v[0];
  PAWL_LANES m = a.v[i] > m ? a.v[i] : m;
  return m;
}
inline void Prefetch(const void*) {}
#undef PAWL_LANES

// 16 x 16 transposed in place.
inline void Transpose16(V* rows) {
  for (int i = 0; i < 16; ++i) {
    for (int j = i + 1; j < 16; ++j) {
      const float keep = rows[i].v[j];
      rows[i].v[j] = rows[j].v[i];
      rows[j].v[i] = keep;
    }
  }
}
