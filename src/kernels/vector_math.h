// Elementary functions over the lanes of L, an instruction set's vector type (kernels/lanes_*.h).
// Written once, so that scalar, portable, AVX2 and AVX-512 code do the same operations in the same
// order.  Polynomials are own minimax fits (Remez); errors are those of the polynomial alone.
// Private to kernels/.  Everything has internal linkage: see kernels/kernel_table.h.
#pragma once

namespace pawl {
namespace {

// Adding and subtracting 1.5 * 2^23 rounds to the nearest integer; the integer is then the
// difference of the bits.  Unlike a conversion this is defined for NaN.
constexpr float kRoundMagic = 12582912.0f;
constexpr unsigned kRoundMagicBits = 0x4B400000u;
// ln 2 with 15 bits, so that k * kLn2High is exact, and the rest.
constexpr float kLn2High = 0x1.62e4p-1f, kLn2Low = 0x1.7f7d1cp-20f;

template <class L>
typename L::F VectorExp(typename L::F x) {
  // Beyond these e^x rounds to inf and 0.  Min and Max return the second operand for NaN.
  x = L::Max(L::Set(-104.0f), L::Min(L::Set(89.0f), x));
  const auto t = L::Fma(x, L::Set(0x1.715476p+0f), L::Set(kRoundMagic));
  const auto k = L::Sub(t, L::Set(kRoundMagic));
  auto r = L::Fnma(k, L::Set(kLn2High), x);
  r = L::Fnma(k, L::Set(kLn2Low), r);
  // e^r = 1 + r + r^2 q(r) for |r| <= ln(2)/2, relative error 3e-9
  auto q = L::Set(0x1.6a234ap-10f);
  q = L::Fma(q, r, L::Set(0x1.123a6cp-7f));
  q = L::Fma(q, r, L::Set(0x1.5558f4p-5f));
  q = L::Fma(q, r, L::Set(0x1.555490p-3f));
  q = L::Fma(q, r, L::Set(0x1.fffffcp-2f));
  const auto p = L::Add(L::Set(1.0f), L::Fma(L::Mul(r, r), q, r));
  // 2^k in two factors: k runs from -150 to 128.
  const auto exponent = L::SubI(L::Bits(t), L::SetI(kRoundMagicBits));
  const auto half = L::template SarI<1>(exponent);
  const auto bias = L::SetI(127);
  const auto scale1 = L::FromBits(L::template ShlI<23>(L::AddI(half, bias)));
  const auto scale2 = L::FromBits(L::template ShlI<23>(L::AddI(L::SubI(exponent, half), bias)));
  return L::Mul(L::Mul(p, scale1), scale2);
}

template <class L>
typename L::F VectorLog(typename L::F x) {
  const auto zero = L::Set(0.0f);
  const auto subnormal = L::Gt(L::Set(0x1p-126f), x);
  const auto scaled = L::Select(subnormal, L::Mul(x, L::Set(0x1p23f)), x);
  // scaled = 2^k m with m in [sqrt(1/2), sqrt(2))
  const auto root = L::SetI(0x3f3504f3u);
  const auto offset = L::SubI(L::Bits(scaled), root);
  const auto exponent = L::template SarI<23>(offset);
  const auto m = L::FromBits(L::AddI(L::AndI(offset, L::SetI(0x7fffffu)), root));
  const auto shift = L::Select(subnormal, L::Set(23.0f), zero);
  const auto k = L::Sub(
      L::Sub(L::FromBits(L::AddI(exponent, L::SetI(kRoundMagicBits))), L::Set(kRoundMagic)), shift);
  const auto f = L::Sub(m, L::Set(1.0f));
  const auto square = L::Mul(f, f);
  // log(1 + f) = f - f^2/2 + f^3 p(f), relative error 6e-9
  auto p = L::Set(-0x1.38b25ep-4f);
  p = L::Fma(p, f, L::Set(0x1.055a6cp-3f));
  p = L::Fma(p, f, L::Set(-0x1.0d8560p-3f));
  p = L::Fma(p, f, L::Set(0x1.22da44p-3f));
  p = L::Fma(p, f, L::Set(-0x1.547246p-3f));
  p = L::Fma(p, f, L::Set(0x1.99a006p-3f));
  p = L::Fma(p, f, L::Set(-0x1.000226p-2f));
  p = L::Fma(p, f, L::Set(0x1.555554p-2f));
  auto tail = L::Fma(L::Mul(square, f), p, L::Mul(k, L::Set(kLn2Low)));
  tail = L::Fnma(L::Set(0.5f), square, tail);
  const auto result = L::Fma(k, L::Set(kLn2High), L::Add(f, tail));
  const auto infinity = L::Set(__builtin_inff());
  const auto positive = L::Select(L::Gt(infinity, x), result, x);
  const auto other = L::Select(L::Eq(x, zero), L::Sub(zero, infinity), L::Set(__builtin_nanf("")));
  return L::Select(L::Gt(x, zero), positive, other);
}

template <class L>
typename L::F VectorSigmoid(typename L::F x) {
  const auto one = L::Set(1.0f);
  return L::Div(one, L::Add(one, VectorExp<L>(L::Sub(L::Set(0.0f), x))));
}

// log1p(-u), u in (0, 1); a u that was rounded up to 1 counts as the float below.
template <class L>
typename L::F VectorLog1pNeg(typename L::F u) {
  const auto one = L::Set(1.0f);
  u = L::Min(L::Set(0x1.fffffep-1f), u);
  const auto y = L::Sub(one, u);
  const auto lost = L::Sub(L::Sub(one, y), u);  // 1 - u = y + lost, exactly
  return L::Add(VectorLog<L>(y), L::Div(lost, y));
}

}  // namespace
}  // namespace pawl
