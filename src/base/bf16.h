// bfloat16 and float16 as bits.  Widening is exact; narrowing rounds to nearest, ties to even.
#pragma once

#include <bit>
#include <cstdint>

namespace pawl {

struct Bf16 {
  std::uint16_t bits = 0;
};
struct F16 {
  std::uint16_t bits = 0;
};

inline float ToFloat(Bf16 x) { return std::bit_cast<float>(std::uint32_t{x.bits} << 16); }

inline Bf16 ToBf16(float x) {
  const auto u = std::bit_cast<std::uint32_t>(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) {  // NaN stays NaN, made quiet
    return {static_cast<std::uint16_t>((u >> 16) | 0x40u)};
  }
  return {static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16)};
}

float ToFloat(F16 x);
F16 ToF16(float x);

}  // namespace pawl
