// Products of 8-bit weights with AVX-VNNI.
#include "kernels/register_avx2.h"

namespace pawl {
namespace {

struct Dot {
  using I = __m256i;
  static constexpr int kTileRows = 4;
  static I Zero() { return _mm256_setzero_si256(); }
  static I Load(const std::int8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static I Broadcast4(const std::uint8_t* p) {
    std::int32_t four = 0;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
  }
  static I MulAdd(I acc, I a, I w) { return _mm256_dpbusd_avx_epi32(acc, a, w); }
  static __m256 ToFloat(I acc, const std::int32_t* offset) {
    const I less = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(offset));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(acc, less));
  }
};

}  // namespace
}  // namespace pawl

#include "kernels/int8_x86.h"

namespace pawl {

void Int8ProductAvxVnni(const Int8Product& p) { ProductInt8(p); }

}  // namespace pawl
