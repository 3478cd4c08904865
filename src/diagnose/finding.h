// A tested cause: what was measured, what follows, and what would settle it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "stats/intervals.h"

namespace pawl {

enum class Verdict { kSupported, kNotSupported, kCannotTell };
const char* VerdictName(Verdict verdict);  // "supported", "not supported", "cannot be told"

struct Measurement {
  std::string name;
  std::optional<double> value;         // absent: undefined
  std::optional<Interval> interval95;  // absent where the figure is a count or exact
  std::optional<long long> n;          // of what the figure is made of
  std::string unit;                    // "points", "nats per token", "share", ""
  std::string source;                  // the record it comes from
};

struct Finding {
  std::string key;         // "catastrophic_forgetting"
  std::string hypothesis;  // a sentence that may be true or false
  std::string rule;        // what makes it supported and not supported, fixed before looking
  Verdict verdict = Verdict::kCannotTell;
  std::string reason;     // one sentence from the measurements
  std::string to_settle;  // what would decide it; empty where it is decided
  std::vector<Measurement> measurements;
};

Json IntervalJson(const std::optional<Interval>& interval);  // [low, high] or null
Json FindingJson(const Finding& finding);

// The mean of paired differences in [-1, 1] with its t interval at `level`; without any spread,
// which t takes for certainty, the interval of a constant sample: at most 1 - (alpha/2)^(1/n) of
// all problems can differ from it (Clopper-Pearson), by up to the bounds.  Absent below 2 values.
std::optional<MeanInterval> MeanOfBounded(const std::vector<double>& values, double level = 0.95);
// Difference of two independent means b - a with Welch's interval; absent below 2 values each.
std::optional<MeanInterval> DifferenceOfMeans(const std::vector<double>& a,
                                              const std::vector<double>& b, double level = 0.95);
// Least squares slope of y on x with its t interval; absent below 3 points or without spread in x.
std::optional<MeanInterval> Slope(const std::vector<double>& x, const std::vector<double>& y);
// Fisher's interval of a correlation; absent below 4 points or at |r| = 1.
std::optional<Interval> CorrelationInterval(double r, long long n);

}  // namespace pawl
