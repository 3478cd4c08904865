// Products of 8-bit weights with AVX-512 VNNI.
#include "kernels/register_avx512.h"

namespace pawl {
namespace {

struct Dot {
  using I = __m512i;
  static constexpr int kTileRows = 12;
  static I Zero() { return _mm512_setzero_si512(); }
  static I Load(const std::int8_t* p) { return _mm512_loadu_si512(p); }
  static I Broadcast4(const std::uint8_t* p) {
    std::int32_t four = 0;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
  }
  static I MulAdd(I acc, I a, I w) { return _mm512_dpbusd_epi32(acc, a, w); }
  static __m512 ToFloat(I acc, const std::int32_t* offset) {
    const I less = _mm512_loadu_si512(offset);
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(acc, less));
  }
};

}  // namespace
}  // namespace pawl

#include "kernels/int8_x86.h"

namespace pawl {

void Int8ProductAvx512Vnni(const Int8Product& p) { ProductInt8(p); }

}  // namespace pawl
