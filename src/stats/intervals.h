// Intervals and tests of proportions and paired outcomes.  Doubles throughout; undefined results
// are absent, never NaN.  Formulas: docs/MATH.md, section Statistics.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace pawl {

struct Interval {
  double low = 0, high = 0;
};

inline constexpr double kZ95 = 1.959963984540054;

double NormalQuantile(double p);                      // inverse of the standard normal cdf
double IncompleteBeta(double a, double b, double x);  // regularised I_x(a, b)
double BetaQuantile(double p, double a, double b);
double StudentTQuantile(double p, double degrees);
double StudentTTwoSided(double t, double degrees);  // P(|T| >= |t|)

// Wilson's score interval (1927), without continuity correction.  n = 0: absent.
std::optional<Interval> Wilson(long long k, long long n, double level = 0.95);
// Clopper and Pearson (1934), exact; the lower limit of 0/n is 0 and the upper of n/n is 1.
std::optional<Interval> ClopperPearson(long long k, long long n, double level = 0.95);

// P(Bin(n, 1/2) <= k), by summation of logarithms.
double BinomialHalfCdf(long long k, long long n);

// McNemar's test on discordant pairs: b only the first right, c only the second.
double McNemarExact(long long b, long long c);  // two-sided, min(1, 2 P(X <= min))
double McNemarMidP(long long b, long long c);   // two-sided mid-p

// Newcombe's paired interval for the difference of proportions first - second (1998, method 10).
struct PairedTable {
  long long both = 0, only_first = 0, only_second = 0, neither = 0;
};
struct PairedInterval {
  double difference = 0, low = 0, high = 0, phi = 0;
};
std::optional<PairedInterval> NewcombePaired(const PairedTable& table, double level = 0.95);

// t interval of a mean over problems; absent below two values.
struct MeanInterval {
  double mean = 0, standard_error = 0;
  Interval interval;
};
std::optional<MeanInterval> TInterval(std::span<const double> values, double level = 0.95);

// Unbiased pass@k (Chen et al. 2021, arXiv:2107.03374); absent when k > n or k < 1.
std::optional<double> PassAtK(long long n, long long correct, long long k);

struct Correlation {
  std::optional<double> r, p;  // absent when undefined (constant input, fewer than 2 points)
};
Correlation Pearson(std::span<const double> x, std::span<const double> y);
Correlation Spearman(std::span<const double> x,
                     std::span<const double> y);  // average ranks of ties

// Holm's step-down correction (1979): adjusted p-values in the order given, each at most 1.
std::vector<double> HolmAdjusted(std::span<const double> p);

// Smallest difference that a one-sided 5 % test would see with 80 % power: 2.486475 * sd / sqrt(n).
std::optional<double> MinimumDetectableDifference(double standard_deviation, long long n);

}  // namespace pawl
