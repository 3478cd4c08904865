#include "stats/intervals.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pawl {
namespace {

constexpr double kPi = 3.14159265358979323846;

// Continued fraction of the incomplete beta function (Lentz's method).
double BetaFraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::fabs(d) < kTiny ? kTiny : d);
  double f = d;
  for (int m = 1; m < 100'000; ++m) {
    const double step = m;
    for (const double numerator :
         {step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step)),
          -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))}) {
      d = 1 + numerator * d;
      d = 1 / (std::fabs(d) < kTiny ? kTiny : d);
      c = 1 + numerator / c;
      if (std::fabs(c) < kTiny) c = kTiny;
      f *= c * d;
    }
    if (std::fabs(c * d - 1) < 1e-16) break;
  }
  return f;
}

// The x in [low, high] where an increasing function crosses 0.
template <class F>
double Bisect(double low, double high, F f) {
  for (int i = 0; i < 200 && low < high; ++i) {
    const double middle = low + (high - low) / 2;
    if (middle == low || middle == high) break;
    (f(middle) < 0 ? low : high) = middle;
  }
  return low + (high - low) / 2;
}

}  // namespace

double IncompleteBeta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * BetaFraction(a, b, x) / a;
  return 1 - front * BetaFraction(b, a, 1 - x) / b;
}

double BetaQuantile(double p, double a, double b) {
  return Bisect(0, 1, [&](double x) { return IncompleteBeta(a, b, x) - p; });
}

double NormalQuantile(double p) {
  if (p == 0.975) return kZ95;
  return Bisect(-40, 40, [&](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)) - p; });
}

double StudentTTwoSided(double t, double degrees) {
  return IncompleteBeta(degrees / 2, 0.5, degrees / (degrees + t * t));
}

double StudentTQuantile(double p, double degrees) {
  const double tail = 2 * std::min(p, 1 - p);
  const double t = Bisect(0, 1e8, [&](double x) { return tail - StudentTTwoSided(x, degrees); });
  return p < 0.5 ? -t : t;
}

std::optional<Interval> Wilson(long long k, long long n, double level) {
  if (n <= 0 || k < 0 || k > n) return std::nullopt;
  const double z = NormalQuantile(0.5 + level / 2);
  const double count = static_cast<double>(n), p = static_cast<double>(k) / count;
  const double scale = 1 + z * z / count;
  const double centre = (p + z * z / (2 * count)) / scale;
  const double half = z * std::sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / scale;
  return Interval{k == 0 ? 0.0 : std::max(0.0, centre - half),
                  k == n ? 1.0 : std::min(1.0, centre + half)};
}

std::optional<Interval> ClopperPearson(long long k, long long n, double level) {
  if (n <= 0 || k < 0 || k > n) return std::nullopt;
  const double tail = (1 - level) / 2;
  const double x = static_cast<double>(k), count = static_cast<double>(n);
  return Interval{k == 0 ? 0.0 : BetaQuantile(tail, x, count - x + 1),
                  k == n ? 1.0 : BetaQuantile(1 - tail, x + 1, count - x)};
}

namespace {

// log(n!) minus Stirling's formula.
double StirlingError(double n) {
  if (n < 16) {
    return std::lgamma(n + 1) - (n + 0.5) * std::log(n) + n - 0.5 * std::log(2 * kPi);
  }
  const double square = n * n;
  return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - 1.0 / 1680 / square) / square) / square) / n;
}

// x log(x / mean) + mean - x, without cancellation near the mean.
double Deviance(double x, double mean) {
  if (std::fabs(x - mean) >= 0.1 * (x + mean)) return x * std::log(x / mean) + mean - x;
  const double v = (x - mean) / (x + mean);
  double sum = (x - mean) * v, term = 2 * x * v;
  for (int j = 1; j < 1'000; ++j) {
    term *= v * v;
    const double next = sum + term / (2 * j + 1);
    if (next == sum) break;
    sum = next;
  }
  return sum;
}

// P(Bin(n, 1/2) = k) by the saddle-point form (Loader 2000, "Fast and accurate computation of
// binomial probabilities"): differences of large logarithms would cost digits.
double BinomialHalf(double k, double n) {
  if (k == 0 || k == n) return std::exp(-n * std::log(2.0));
  const double error = StirlingError(n) - StirlingError(k) - StirlingError(n - k);
  return std::exp(error - Deviance(k, n / 2) - Deviance(n - k, n / 2)) *
         std::sqrt(n / (2 * kPi * k * (n - k)));
}

}  // namespace

double BinomialHalfCdf(long long k, long long n) {
  if (k < 0) return 0;
  if (k >= n) return 1;
  if (k > n - k - 1) return 1 - BinomialHalfCdf(n - k - 1, n);
  const double count = static_cast<double>(n);
  double term = BinomialHalf(static_cast<double>(k), count), sum = 0;
  // Below the middle the terms fall: some ten standard deviations hold all that a double can see.
  for (double i = static_cast<double>(k); i >= 0 && term > 1e-18 * sum; --i) {
    sum += term;
    term *= i / (count - i + 1);
  }
  return sum;
}

double McNemarExact(long long b, long long c) {
  if (b + c == 0) return 1;
  return std::min(1.0, 2 * BinomialHalfCdf(std::min(b, c), b + c));
}

double McNemarMidP(long long b, long long c) {
  if (b + c == 0) return 1;
  const long long k = std::min(b, c), n = b + c;
  if (b == c) {
    const double point = BinomialHalfCdf(k, n) - BinomialHalfCdf(k - 1, n);
    return 1 - point / 2;
  }
  return BinomialHalfCdf(k, n) + BinomialHalfCdf(k - 1, n);
}

std::optional<PairedInterval> NewcombePaired(const PairedTable& t, double level) {
  const long long n = t.both + t.only_first + t.only_second + t.neither;
  const long long first = t.both + t.only_first, second = t.both + t.only_second;
  const auto one = Wilson(first, n, level), two = Wilson(second, n, level);
  if (!one || !two) return std::nullopt;
  const double count = static_cast<double>(n);
  const double p1 = static_cast<double>(first) / count, p2 = static_cast<double>(second) / count;
  const double a = static_cast<double>(t.both), b = static_cast<double>(t.only_first);
  const double c = static_cast<double>(t.only_second), d = static_cast<double>(t.neither);
  const double margins = (a + b) * (c + d) * (a + c) * (b + d);
  double phi = 0;
  if (margins > 0) {
    const double cross = a * d - b * c;
    // Method 10's correction of a positive association.
    const double corrected = cross > count / 2 ? cross - count / 2 : cross >= 0 ? 0 : cross;
    phi = corrected / std::sqrt(margins);
  }
  const double l1 = p1 - one->low, u1 = one->high - p1, l2 = p2 - two->low, u2 = two->high - p2;
  const double below = std::sqrt(std::max(0.0, l1 * l1 - 2 * phi * l1 * u2 + u2 * u2));
  const double above = std::sqrt(std::max(0.0, u1 * u1 - 2 * phi * u1 * l2 + l2 * l2));
  return PairedInterval{p1 - p2, p1 - p2 - below, p1 - p2 + above, phi};
}

std::optional<MeanInterval> TInterval(std::span<const double> values, double level) {
  const double n = static_cast<double>(values.size());
  if (values.size() < 2) return std::nullopt;
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  const double error = std::sqrt(squares / (n - 1) / n);
  const double half = StudentTQuantile(0.5 + level / 2, n - 1) * error;
  return MeanInterval{mean, error, {mean - half, mean + half}};
}

std::optional<double> PassAtK(long long n, long long correct, long long k) {
  if (k < 1 || k > n || correct < 0 || correct > n) return std::nullopt;
  if (n - correct < k) return 1.0;
  // prod over j in (n - small, n] of 1 - large / j: C(n-c, k) / C(n, k) is symmetric in c and k.
  const double small = static_cast<double>(std::min(correct, k));
  const double large = static_cast<double>(std::max(correct, k)), count = static_cast<double>(n);
  double miss = 1;
  for (double j = count; j > count - small && miss > 1e-20; --j) miss *= 1 - large / j;
  return 1 - miss;
}

namespace {

std::vector<double> Ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t i = 0; i < order.size();) {
    std::size_t j = i;
    while (j < order.size() && values[order[j]] == values[order[i]]) ++j;
    const double rank = (static_cast<double>(i + j) + 1) / 2;
    for (; i < j; ++i) ranks[order[i]] = rank;
  }
  return ranks;
}

// The values over a power of two near the largest, so that no square overflows or vanishes; such
// a division is exact.
std::vector<double> Scaled(std::span<const double> values) {
  double top = 0;
  for (const double v : values) top = std::max(top, std::fabs(v));
  const int exponent = top > 0 ? std::ilogb(top) : 0;
  std::vector<double> scaled;
  for (const double v : values) scaled.push_back(std::ldexp(v, -exponent));
  return scaled;
}

}  // namespace

Correlation Pearson(std::span<const double> x_raw, std::span<const double> y_raw) {
  if (x_raw.size() != y_raw.size() || x_raw.size() < 2) return {};
  const std::vector<double> x = Scaled(x_raw), y = Scaled(y_raw);
  const double n = static_cast<double>(x.size());
  const double mx = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double my = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mx) * (x[i] - mx);
    yy += (y[i] - my) * (y[i] - my);
    xy += (x[i] - mx) * (y[i] - my);
  }
  const auto constant = [](const std::vector<double>& v) {
    return std::all_of(v.begin(), v.end(), [&](double a) { return a == v[0]; });
  };
  if (constant(x) || constant(y)) return {};
  // One square root: sums of ranks are exact, so a perfect order gives exactly 1.
  const double norm = std::sqrt(xx * yy);
  if (!(norm > 0)) return {};  // differences below a double's resolution
  const double r = std::clamp(xy / norm, -1.0, 1.0);
  if (x.size() == 2) return {r, 1.0};
  // t = r sqrt(df / (1 - r^2)): its tail as a beta integral, without cancellation near |r| = 1.
  const double p = IncompleteBeta((n - 2) / 2, 0.5, (1 - r) * (1 + r));
  return {r, p};
}

Correlation Spearman(std::span<const double> x, std::span<const double> y) {
  if (x.size() != y.size() || x.size() < 2) return {};
  const std::vector<double> rx = Ranks(x), ry = Ranks(y);
  Correlation out = Pearson(rx, ry);
  if (x.size() == 2) out.p.reset();  // no degree of freedom is left, as scipy has it
  return out;
}

std::optional<double> MinimumDetectableDifference(double standard_deviation, long long n) {
  if (n < 1) return std::nullopt;
  return 2.486475 * standard_deviation / std::sqrt(static_cast<double>(n));
}

}  // namespace pawl
