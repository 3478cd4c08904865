// The plain rule "roll back if accuracy fell by more than max_drop points", judged.
#pragma once

#include <optional>

namespace pawl {

// Probability that the rule 100 (L - W) > max_drop n fires when nothing changed: each of n problems
// is lost or won with probability churn / 2 each.  Exact, by convolution; none for n < 1 or n >
// 2000 and for a churn outside [0, 1].
std::optional<double> ThresholdFalseAlarm(long long n, double max_drop, double churn);

}  // namespace pawl
