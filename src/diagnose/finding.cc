#include "diagnose/finding.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pawl {
namespace {

struct Moments {
  double mean = 0, variance = 0;  // n - 1
};
Moments Of(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  Moments m;
  m.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  for (const double v : values) m.variance += (v - m.mean) * (v - m.mean) / (n - 1);
  return m;
}

}  // namespace

const char* VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSupported:
      return "supported";
    case Verdict::kNotSupported:
      return "not supported";
    case Verdict::kCannotTell:
      return "cannot be told";
  }
  return "";
}

Json IntervalJson(const std::optional<Interval>& interval) {
  return interval ? Json::array({interval->low, interval->high}) : Json();
}

Json FindingJson(const Finding& finding) {
  Json measurements = Json::array();
  for (const Measurement& m : finding.measurements) {
    measurements.push_back({{"name", m.name},
                            {"value", m.value ? Json(*m.value) : Json()},
                            {"interval95", IntervalJson(m.interval95)},
                            {"n", m.n ? Json(*m.n) : Json()},
                            {"unit", m.unit},
                            {"source", m.source}});
  }
  return {{"key", finding.key},
          {"hypothesis", finding.hypothesis},
          {"verdict", VerdictName(finding.verdict)},
          {"reason", finding.reason},
          {"rule", finding.rule},
          {"to_settle", finding.to_settle.empty() ? Json() : Json(finding.to_settle)},
          {"measurements", std::move(measurements)}};
}

std::optional<MeanInterval> MeanOfBounded(const std::vector<double>& values, double level) {
  auto t = TInterval(values, level);
  if (!t || t->standard_error > 0) return t;
  const double n = static_cast<double>(values.size());
  const double other = 1 - std::pow((1 - level) / 2, 1 / n);
  t->interval = {t->mean - other * (1 + t->mean), t->mean + other * (1 - t->mean)};
  return t;
}

std::optional<MeanInterval> DifferenceOfMeans(const std::vector<double>& a,
                                              const std::vector<double>& b, double level) {
  if (a.size() < 2 || b.size() < 2) return std::nullopt;
  const Moments x = Of(a), y = Of(b);
  const double na = static_cast<double>(a.size()), nb = static_cast<double>(b.size());
  const double va = x.variance / na, vb = y.variance / nb;
  MeanInterval out;
  out.mean = y.mean - x.mean;
  out.standard_error = std::sqrt(va + vb);
  if (va + vb <= 0) {
    // Two constants: as MeanOfBounded, for each side.
    const double other = 1 - std::pow((1 - level) / 2, 1 / std::min(na, nb));
    out.interval = {std::max(-1.0, out.mean - other), std::min(1.0, out.mean + other)};
    return out;
  }
  const double degrees = (va + vb) * (va + vb) / (va * va / (na - 1) + vb * vb / (nb - 1));
  const double half = StudentTQuantile(0.5 + level / 2, degrees) * out.standard_error;
  out.interval = {out.mean - half, out.mean + half};
  return out;
}

std::optional<MeanInterval> Slope(const std::vector<double>& x, const std::vector<double>& y) {
  if (x.size() != y.size() || x.size() < 3) return std::nullopt;
  const double n = static_cast<double>(x.size());
  const double mean_x = Of(x).mean, mean_y = Of(y).mean;
  double xx = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  if (xx <= 0) return std::nullopt;
  MeanInterval out;
  out.mean = xy / xx;
  double residual = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double r = y[i] - mean_y - out.mean * (x[i] - mean_x);
    residual += r * r;
  }
  out.standard_error = std::sqrt(residual / (n - 2) / xx);
  const double half = StudentTQuantile(0.975, n - 2) * out.standard_error;
  out.interval = {out.mean - half, out.mean + half};
  return out;
}

std::optional<Interval> CorrelationInterval(double r, long long n) {
  if (n < 4 || std::abs(r) >= 1) return std::nullopt;
  const double z = std::atanh(r), half = kZ95 / std::sqrt(static_cast<double>(n) - 3);
  return Interval{std::tanh(z - half), std::tanh(z + half)};
}

}  // namespace pawl
