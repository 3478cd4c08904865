// One AVX-512 register of float32 for the matrix products.  Private to kernels/.
#pragma once

#include "kernels/lanes_avx512.h"

namespace pawl {
namespace {

struct Register {
  using F = __m512;
  static constexpr int kLanes = 16;
  static F Zero() { return _mm512_setzero_ps(); }
  static F Load(const float* p) { return _mm512_loadu_ps(p); }
  static void Store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static F LoadN(const float* p, std::size_t n) { return Lanes::LoadN(p, n); }
  static void StoreN(float* p, F x, std::size_t n) { Lanes::StoreN(p, x, n); }
  static F Broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static F Mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F Add(F a, F b) { return _mm512_add_ps(a, b); }
  static F Fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F Low(const std::uint32_t* p) { return Lanes::LowHalves(p); }
  static F High(const std::uint32_t* p) { return Lanes::HighHalves(p); }
};

}  // namespace
}  // namespace pawl
