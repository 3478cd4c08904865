#include "stats/e_process.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "stats/intervals.h"

namespace pawl {

void EProcess::Add(double x) {
  for (std::size_t j = 0; j < log_sums_.size(); ++j) {
    log_sums_[j] += std::log1p(static_cast<double>(j + 1) / 16 * scale_ * x);
  }
}

double EProcess::Log() const {
  const double top = *std::max_element(log_sums_.begin(), log_sums_.end());
  double sum = 0;
  for (const double l : log_sums_) sum += std::exp(l - top);
  return top + std::log(sum / static_cast<double>(log_sums_.size()));
}

double EProcess::Value() const {
  return std::min(std::exp(std::min(Log(), 709.0)), std::numeric_limits<double>::max());
}

double RegressionClosedForm(long long losses, long long wins) {
  const double d = static_cast<double>(losses + wins);
  const double choose = std::lgamma(d + 1) - std::lgamma(static_cast<double>(losses) + 1) -
                        std::lgamma(static_cast<double>(wins) + 1);
  return std::exp((d + 1) * std::log(2.0) - std::log(d + 1) - choose) *
         BinomialHalfCdf(losses, losses + wins + 1);
}

double DefaultMargin(double baseline_accuracy) {
  return std::clamp(baseline_accuracy / 6, 0.03, 0.05);
}

}  // namespace pawl
