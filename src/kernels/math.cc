#include "kernels/math.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/vector_math.h"

namespace pawl {
namespace {

// One lane of kernels/lanes_portable.h: what the functions of kernels/vector_math.h need.
struct OneLane {
  using F = float;
  using I = std::uint32_t;
  static F Set(float x) { return x; }
  static F Add(F a, F b) { return a + b; }
  static F Sub(F a, F b) { return a - b; }
  static F Mul(F a, F b) { return a * b; }
  static F Div(F a, F b) { return a / b; }
  static F Fma(F a, F b, F c) { return std::fma(a, b, c); }
  static F Fnma(F a, F b, F c) { return std::fma(-a, b, c); }
  static F Max(F a, F b) { return a > b ? a : b; }
  static F Min(F a, F b) { return a < b ? a : b; }
  static bool Gt(F a, F b) { return a > b; }
  static bool Eq(F a, F b) { return a == b; }
  static F Select(bool m, F a, F b) { return m ? a : b; }
  static I SetI(std::uint32_t x) { return x; }
  static I Bits(F x) { return std::bit_cast<I>(x); }
  static F FromBits(I x) { return std::bit_cast<F>(x); }
  static I AddI(I a, I b) { return a + b; }
  static I SubI(I a, I b) { return a - b; }
  static I AndI(I a, I b) { return a & b; }
  template <int kBits>
  static I ShlI(I a) {
    return a << kBits;
  }
  template <int kBits>
  static I SarI(I a) {
    return static_cast<I>(static_cast<std::int32_t>(a) >> kBits);
  }
};

// ln 2 in two parts, the first with 42 bits, so that k * kLn2High is exact for |k| < 2^11.
constexpr double kLn2HighD = 0x1.62e42fefa3800p-1, kLn2LowD = 0x1.ef35793c76730p-45;

// 2^k for -1074 <= k <= 1023.
double PowerOfTwo(int k) {
  if (k < -1022) return std::bit_cast<double>(std::uint64_t{1} << (k + 1074));
  return std::bit_cast<double>(static_cast<std::uint64_t>(k + 1023) << 52);
}

// e^(x + tail) for |tail| much smaller than |x|.
double ExpWithTail(double x, double tail) {
  if (std::isnan(x)) return x;
  if (x > 709.79) return std::numeric_limits<double>::infinity();
  if (x < -745.14) return 0;
  const double k = std::rint(x * 0x1.71547652b82fep+0);
  const double exact = std::fma(-k, kLn2HighD, x);
  const double low = std::fma(-k, kLn2LowD, tail);
  const double r = exact + low;
  const double lost = (exact - r) + low;
  // e^r = 1 + r + r^2 (1/2 + r/6 + ... + r^12/14!); the rest is below 2^-60.
  double q = 0;
  for (int i = 14; i >= 2; --i) {
    constexpr double kInverseFactorials[] = {1.0,
                                             1.0,
                                             1.0 / 2,
                                             1.0 / 6,
                                             1.0 / 24,
                                             1.0 / 120,
                                             1.0 / 720,
                                             1.0 / 5040,
                                             1.0 / 40320,
                                             1.0 / 362880,
                                             1.0 / 3628800,
                                             1.0 / 39916800,
                                             1.0 / 479001600,
                                             1.0 / 6227020800,
                                             1.0 / 87178291200};
    q = std::fma(q, r, kInverseFactorials[i]);
  }
  const double p = 1.0 + (r + std::fma(r * r, q, lost));
  const int exponent = static_cast<int>(k), half = exponent / 2;
  return p * PowerOfTwo(half) * PowerOfTwo(exponent - half);
}

struct DoubleDouble {
  double high, low;
};

// log x = k ln 2 + 2 atanh(s), s = (m - 1) / (m + 1), x = 2^k m; about 2^-60 relative.
DoubleDouble LogExtended(double x) {
  int shift = 0;
  if (x < 0x1p-1022) {
    x *= 0x1p54;
    shift = 54;
  }
  const std::uint64_t root = 0x3fe6a09e667f3bcdu;  // sqrt(1/2)
  const std::uint64_t offset = std::bit_cast<std::uint64_t>(x) - root;
  const double k = static_cast<double>(static_cast<std::int64_t>(offset) >> 52) - shift;
  const double m = std::bit_cast<double>((offset & 0xfffffffffffffu) + root);
  const double f = m - 1.0, g = m + 1.0;
  const double g_lost = f - (g - 2.0);  // m + 1 = g + g_lost
  const double s = f / g;
  const double s_low = std::fma(-s, g_lost, std::fma(-s, g, f)) / g;
  const double z = s * s;
  double series = 0;
  for (int n = 12; n >= 1; --n) series = std::fma(series, z, 1.0 / (2 * n + 1));
  const double tail = std::fma(2.0 * s * z, series, 2.0 * s_low);
  // (k ln2_high) + 2s, then everything small; k ln2_high is exact.
  const double a = k * kLn2HighD, b = 2.0 * s;
  const double sum = a + b;
  const double bb = sum - a;
  const double lost = (a - (sum - bb)) + (b - bb);
  const double low = std::fma(k, kLn2LowD, lost + tail);
  const double high = sum + low;
  return {high, (sum - high) + low};
}

// x = k pi/2 + (r, r_low), |r| <= pi/4; returns k mod 4.
int ReduceAngle(double x, double& r, double& r_low) {
  const double k = std::rint(x * 0x1.45f306dc9c883p-1);
  const double r0 = std::fma(-k, 0x1.921fb54442d18p+0, x);
  r = std::fma(-k, 0x1.1a62633145c07p-54, r0);
  r_low = std::fma(-k, 0x1.1a62633145c07p-54, r0 - r);
  return static_cast<int>(static_cast<std::int64_t>(k) & 3);
}

double SinPolynomial(double r, double low) {
  constexpr double kTerms[] = {
      -1.0 / 6,        1.0 / 120,        -1.0 / 5040,          1.0 / 362880,
      -1.0 / 39916800, 1.0 / 6227020800, -1.0 / 1307674368000, 1.0 / 355687428096000};
  const double z = r * r;
  double p = 0;
  for (int i = 7; i >= 0; --i) p = std::fma(p, z, kTerms[i]);
  return r + std::fma(z * r, p, std::fma(-0.5 * z, low, low));
}

double CosPolynomial(double r, double low) {
  constexpr double kTerms[] = {
      1.0 / 24,        -1.0 / 720,         1.0 / 40320,          -1.0 / 3628800,
      1.0 / 479001600, -1.0 / 87178291200, 1.0 / 20922789888000, -1.0 / 6402373705728000};
  const double z = r * r, half = 0.5 * z, w = 1.0 - half;
  double p = 0;
  for (int i = 7; i >= 0; --i) p = std::fma(p, z, kTerms[i]);
  return w + ((1.0 - w - half) + std::fma(z * z, p, -(r * low)));
}

}  // namespace

float ExpF(float x) { return VectorExp<OneLane>(x); }
float LogF(float x) { return VectorLog<OneLane>(x); }
float SigmoidF(float x) { return VectorSigmoid<OneLane>(x); }
float Log1pNegF(float u) { return VectorLog1pNeg<OneLane>(u); }

double ExpD(double x) { return ExpWithTail(x, 0); }

double LogD(double x) {
  if (x == 0) return -std::numeric_limits<double>::infinity();
  if (!(x > 0)) return std::numeric_limits<double>::quiet_NaN();
  if (std::isinf(x)) return x;
  return LogExtended(x).high;
}

double SinD(double x) {
  if (!std::isfinite(x)) return std::numeric_limits<double>::quiet_NaN();
  double r, low;
  const int quadrant = ReduceAngle(x, r, low);
  const double y = quadrant % 2 == 0 ? SinPolynomial(r, low) : CosPolynomial(r, low);
  return quadrant < 2 ? y : -y;
}

double CosD(double x) {
  if (!std::isfinite(x)) return std::numeric_limits<double>::quiet_NaN();
  double r, low;
  const int quadrant = ReduceAngle(x, r, low);
  const double y = quadrant % 2 == 0 ? CosPolynomial(r, low) : SinPolynomial(r, low);
  return quadrant == 0 || quadrant == 3 ? y : -y;
}

double PowD(double base, double exponent) {
  if (exponent == 0 || base == 1) return 1;
  if (base == 0) return exponent > 0 ? 0 : std::numeric_limits<double>::infinity();
  if (!(base > 0) || std::isinf(base)) return std::numeric_limits<double>::quiet_NaN();
  const DoubleDouble log = LogExtended(base);
  const double high = exponent * log.high;
  const double low = std::fma(exponent, log.low, std::fma(exponent, log.high, -high));
  return ExpWithTail(high, low);
}

}  // namespace pawl
