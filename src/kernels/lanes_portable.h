// Sixteen lanes in plain C++: the reference for the instruction sets.  Private to kernels/.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace pawl {
namespace {

struct Lanes {
  struct F {
    float v[16];
  };
  struct I {
    std::uint32_t v[16];
  };
  struct M {
    bool v[16];
  };

  template <class T, class Op>
  static T Each(const Op& op) {
    T out;
    for (std::size_t i = 0; i < 16; ++i) out.v[i] = op(i);
    return out;
  }

  static F Set(float x) {
    return Each<F>([&](std::size_t) { return x; });
  }
  static F Load(const float* p) {
    return Each<F>([&](std::size_t i) { return p[i]; });
  }
  // n <= 16 lanes; the others are zero.
  static F LoadN(const float* p, std::size_t n) {
    return Each<F>([&](std::size_t i) { return i < n ? p[i] : 0.0f; });
  }
  static void Store(float* p, const F& x) { StoreN(p, x, 16); }
  static void StoreN(float* p, const F& x, std::size_t n) {
    for (std::size_t i = 0; i < 16 && i < n; ++i) p[i] = x.v[i];
  }

  static F Add(const F& a, const F& b) {
    return Each<F>([&](std::size_t i) { return a.v[i] + b.v[i]; });
  }
  static F Sub(const F& a, const F& b) {
    return Each<F>([&](std::size_t i) { return a.v[i] - b.v[i]; });
  }
  static F Mul(const F& a, const F& b) {
    return Each<F>([&](std::size_t i) { return a.v[i] * b.v[i]; });
  }
  static F Div(const F& a, const F& b) {
    return Each<F>([&](std::size_t i) { return a.v[i] / b.v[i]; });
  }
  static F Fma(const F& a, const F& b, const F& c) {
    return Each<F>([&](std::size_t i) { return std::fma(a.v[i], b.v[i], c.v[i]); });
  }
  static F Fnma(const F& a, const F& b, const F& c) {
    return Each<F>([&](std::size_t i) { return std::fma(-a.v[i], b.v[i], c.v[i]); });
  }
  // As x86 does it: the second operand where either is NaN.
  static F Max(const F& a, const F& b) {
    return Each<F>([&](std::size_t i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
  }
  static F Min(const F& a, const F& b) {
    return Each<F>([&](std::size_t i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
  }
  // Lane i with lane i + 8, then + 4, + 2, + 1.
  static float Sum(F x) {
    for (std::size_t width = 8; width > 0; width /= 2) {
      for (std::size_t i = 0; i < width; ++i) x.v[i] = x.v[i] + x.v[i + width];
    }
    return x.v[0];
  }
  static float MaxAll(F x) {
    for (std::size_t width = 8; width > 0; width /= 2) {
      for (std::size_t i = 0; i < width; ++i) {
        x.v[i] = x.v[i] > x.v[i + width] ? x.v[i] : x.v[i + width];
      }
    }
    return x.v[0];
  }
  static float First(const F& x) { return x.v[0]; }

  static M Gt(const F& a, const F& b) {
    return Each<M>([&](std::size_t i) { return a.v[i] > b.v[i]; });
  }
  static M Eq(const F& a, const F& b) {
    return Each<M>([&](std::size_t i) { return a.v[i] == b.v[i]; });
  }
  static M FirstN(std::size_t n) {
    return Each<M>([&](std::size_t i) { return i < n; });
  }
  static bool Any(const M& m) {
    bool any = false;
    for (const bool lane : m.v) any = any || lane;
    return any;
  }
  static M And(const M& a, const M& b) {
    return Each<M>([&](std::size_t i) { return a.v[i] && b.v[i]; });
  }
  static F Select(const M& m, const F& a, const F& b) {
    return Each<F>([&](std::size_t i) { return m.v[i] ? a.v[i] : b.v[i]; });
  }
  static I SelectI(const M& m, const I& a, const I& b) {
    return Each<I>([&](std::size_t i) { return m.v[i] ? a.v[i] : b.v[i]; });
  }

  static I SetI(std::uint32_t x) {
    return Each<I>([&](std::size_t) { return x; });
  }
  static I Iota() {
    return Each<I>([](std::size_t i) { return static_cast<std::uint32_t>(i); });
  }
  static void StoreI(std::uint32_t* p, const I& x) {
    for (std::size_t i = 0; i < 16; ++i) p[i] = x.v[i];
  }
  static I Bits(const F& x) {
    return Each<I>([&](std::size_t i) { return std::bit_cast<std::uint32_t>(x.v[i]); });
  }
  static F FromBits(const I& x) {
    return Each<F>([&](std::size_t i) { return std::bit_cast<float>(x.v[i]); });
  }
  static I AddI(const I& a, const I& b) {
    return Each<I>([&](std::size_t i) { return a.v[i] + b.v[i]; });
  }
  static I SubI(const I& a, const I& b) {
    return Each<I>([&](std::size_t i) { return a.v[i] - b.v[i]; });
  }
  static I AndI(const I& a, const I& b) {
    return Each<I>([&](std::size_t i) { return a.v[i] & b.v[i]; });
  }
  static I XorI(const I& a, const I& b) {
    return Each<I>([&](std::size_t i) { return a.v[i] ^ b.v[i]; });
  }
  template <int kBits>
  static I ShlI(const I& a) {
    return Each<I>([&](std::size_t i) { return a.v[i] << kBits; });
  }
  template <int kBits>
  static I SarI(const I& a) {
    return Each<I>([&](std::size_t i) {
      return static_cast<std::uint32_t>(static_cast<std::int32_t>(a.v[i]) >> kBits);
    });
  }
  // The 64-bit product in two words.
  static void MulWide(const I& a, std::uint32_t b, I& high, I& low) {
    for (std::size_t i = 0; i < 16; ++i) {
      const std::uint64_t product = std::uint64_t{a.v[i]} * b;
      high.v[i] = static_cast<std::uint32_t>(product >> 32);
      low.v[i] = static_cast<std::uint32_t>(product);
    }
  }
  // Unsigned, rounded once.
  static F ToFloat(const I& a) {
    return Each<F>([&](std::size_t i) { return static_cast<float>(a.v[i]); });
  }
};

}  // namespace
}  // namespace pawl
