// Numbers of a report as text; "-" for what is undefined.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "stats/intervals.h"

namespace pawl {

std::string Plain(std::string_view text);  // a text from outside, without control characters
std::string PlainAt(const Json& object, const std::string& key);  // "" where missing
std::string PercentText(const std::optional<double>& share);      // "98.3 %"
std::string PercentText(long long k, long long n);            // "12 of 30 (40.0 %, 24.6 to 57.7)"
std::string PercentRange(const Json& interval);               // of two shares: "96.2 to 99.3 %"
std::string PointsText(const std::optional<double>& points);  // "+2.0 points", or "unknown"
std::string PointsRange(const Json& interval);                // " (95 % interval -1.0 to +5.0)"
std::string NumberText(const std::optional<double>& value, int digits);
std::string DurationText(
    const std::optional<double>& seconds);                  // "35 s", "2 min 5 s", "3 h 20 min"
std::string BytesText(const std::optional<double>& bytes);  // "1.94 GB"

}  // namespace pawl
