#include "stats/threshold_rule.h"

#include <vector>

namespace pawl {

std::optional<double> ThresholdRollback(long long n, double max_drop, double lose, double win) {
  if (n < 1 || n > 2000 || !(lose >= 0 && win >= 0 && lose + win <= 1)) return std::nullopt;
  // p[n + d]: probability of losses - wins = d.
  const auto size = static_cast<std::size_t>(2 * n + 1);
  std::vector<double> p(size, 0.0), next(size);
  p[static_cast<std::size_t>(n)] = 1;
  for (long long i = 0; i < n; ++i) {
    for (std::size_t d = 0; d < size; ++d) {
      next[d] = (1 - lose - win) * p[d] + lose * (d > 0 ? p[d - 1] : 0) +
                win * (d + 1 < size ? p[d + 1] : 0);
    }
    p.swap(next);
  }
  double fired = 0;
  for (long long d = 1; d <= n; ++d) {
    if (100.0 * static_cast<double>(d) > max_drop * static_cast<double>(n)) {
      fired += p[static_cast<std::size_t>(n + d)];
    }
  }
  return fired;
}

std::optional<double> ThresholdFalseAlarm(long long n, double max_drop, double churn) {
  return ThresholdRollback(n, max_drop, churn / 2, churn / 2);
}

}  // namespace pawl
