// The plain rule "roll back if accuracy fell by more than max_drop points", judged.
#pragma once

#include <optional>

namespace pawl {

// Probability that the rule 100 (L - W) > max_drop n fires where each of n problems is lost with
// probability `lose` and won with `win`.  Exact, by convolution; none for n < 1 or n > 2000 and for
// probabilities outside [0, 1], their sum included.
std::optional<double> ThresholdRollback(long long n, double max_drop, double lose, double win);

// The same when nothing changed: churn / 2 each.
std::optional<double> ThresholdFalseAlarm(long long n, double max_drop, double churn);

}  // namespace pawl
