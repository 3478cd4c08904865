#include "kernels/math.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace pawl {
namespace {

#include "kernels/lanes_portable.h"

#include "kernels/functions_impl.h"

// One lane of a vector function.
template <V (*kFunction)(V)>
float Lane(float x) {
  return kFunction(Set(x)).v[0];
}

double Fused(double a, double b, double c) { return __builtin_fma(a, b, c); }

double ScaleByPowerOfTwo(double x, int n) {
  // Two steps, so that results near the ends of the range stay right.
  const int half = n / 2;
  const auto power = [](int e) {
    return std::bit_cast<double>(static_cast<std::uint64_t>(e + 1023) << 52);
  };
  return x * power(half) * power(n - half);
}

// pi / 2 in three parts (Cody and Waite); the first two have trailing zeros, so that n times them
// is exact for n below 2^20.
constexpr double kHalfPi1 = 1.57079632673412561417e+00;
constexpr double kHalfPi2 = 6.07710050630396597660e-11;
constexpr double kHalfPi3 = 2.02226624879595063154e-21;

struct Reduced {
  double r;      // in about [-pi/4, pi/4]
  int quadrant;  // mod 4
};
Reduced ReduceHalfPi(double x) {
  const double n = __builtin_rint(x * 6.36619772367581382433e-01);
  double r = Fused(-n, kHalfPi1, x);
  r = Fused(-n, kHalfPi2, r);
  r = Fused(-n, kHalfPi3, r);
  return {r, static_cast<int>(static_cast<std::int64_t>(n) & 3)};
}

// Taylor polynomials; on |r| <= pi/4 the first term left out is below 2^-56.
double SinSmall(double r) {
  const double z = r * r;
  double p = -7.6471637318198164759e-13;
  p = Fused(p, z, 1.6059043836821614599e-10);
  p = Fused(p, z, -2.5052108385441718775e-08);
  p = Fused(p, z, 2.7557319223985890653e-06);
  p = Fused(p, z, -1.9841269841269841270e-04);
  p = Fused(p, z, 8.3333333333333333333e-03);
  p = Fused(p, z, -1.6666666666666666667e-01);
  return Fused(p * z, r, r);
}
double CosSmall(double r) {
  const double z = r * r;
  double p = 4.7794773323873852974e-14;
  p = Fused(p, z, -1.1470745597729724714e-11);
  p = Fused(p, z, 2.0876756987868098979e-09);
  p = Fused(p, z, -2.7557319223985890653e-07);
  p = Fused(p, z, 2.4801587301587301587e-05);
  p = Fused(p, z, -1.3888888888888888889e-03);
  p = Fused(p, z, 4.1666666666666666667e-02);
  return Fused(p * z, z, Fused(-0.5, z, 1.0));
}

}  // namespace

float ExpF(float x) { return Lane<Exp>(x); }
float LogF(float x) { return Lane<Log>(x); }
float SigmoidF(float x) { return Lane<Sigmoid>(x); }
float Log1pNegF(float u) { return -Lane<NegLog1pNeg>(u); }

double ExpD(double x) {
  if (x != x) return x;
  if (x > 709.782712893383973) return __builtin_inf();
  if (x < -745.2) return 0.0;
  const double n = __builtin_rint(x * 1.44269504088896340736);
  double r = Fused(-n, 6.93147180369123816490e-01, x);
  r = Fused(-n, 1.90821492927058770002e-10, r);
  // sum of r^i / i! up to i = 13: the next term is below 2^-58 for |r| <= 0.347.
  double p = 1.6059043836821614599e-10;
  constexpr double kInverse[] = {2.0876756987868098979e-09,
                                 2.5052108385441718775e-08,
                                 2.7557319223985890653e-07,
                                 2.7557319223985890653e-06,
                                 2.4801587301587301587e-05,
                                 1.9841269841269841270e-04,
                                 1.3888888888888888889e-03,
                                 8.3333333333333333333e-03,
                                 4.1666666666666666667e-02,
                                 1.6666666666666666667e-01,
                                 0.5,
                                 1.0,
                                 1.0};
  for (const double coefficient : kInverse) p = Fused(p, r, coefficient);
  return ScaleByPowerOfTwo(p, static_cast<int>(n));
}

double LogD(double x) {
  if (!(x > 0)) return x == 0 ? -__builtin_inf() : __builtin_nan("");
  if (x > 1.7976931348623157e308) return x;
  int exponent = 0;
  if (x < 2.2250738585072014e-308) {
    x *= 0x1p54;
    exponent = -54;
  }
  auto bits = std::bit_cast<std::uint64_t>(x);
  constexpr std::uint64_t kRoot = 0x3fe6a09e667f3bcd;  // sqrt(1/2)
  const std::uint64_t shifted = bits + (0x3ff0000000000000 - kRoot);
  exponent += static_cast<int>(shifted >> 52) - 1023;
  bits = (shifted & 0x000fffffffffffff) + kRoot;
  const double m = std::bit_cast<double>(bits);  // [sqrt(1/2), sqrt(2))
  // log m = 2 atanh(s), s = (m - 1) / (m + 1), |s| <= 0.1716: odd powers up to s^23.
  const double s = (m - 1) / (m + 1);
  const double z = s * s;
  double p = 1.0 / 23;
  for (int odd = 21; odd >= 3; odd -= 2) p = Fused(p, z, 1.0 / odd);
  const double log_m = Fused(2 * s * z, p, 2 * s);
  const double e = exponent;
  return Fused(e, 6.93147180369123816490e-01, Fused(e, 1.90821492927058770002e-10, log_m));
}

double SinD(double x) {
  const Reduced reduced = ReduceHalfPi(x);
  const double value = reduced.quadrant % 2 == 0 ? SinSmall(reduced.r) : CosSmall(reduced.r);
  return reduced.quadrant >= 2 ? -value : value;
}

double CosD(double x) {
  const Reduced reduced = ReduceHalfPi(x);
  const double value = reduced.quadrant % 2 == 0 ? CosSmall(reduced.r) : SinSmall(reduced.r);
  return reduced.quadrant == 1 || reduced.quadrant == 2 ? -value : value;
}

double PowD(double base, double exponent) {
  if (exponent == 0) return 1;
  return ExpD(exponent * LogD(base));
}

}  // namespace pawl
