// How answers are found in text and compared, exactly as lm-evaluation-harness and docs/MATH.md
// define it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pawl {

// The first match of `#### (\-?[0-9\.\,]+)`: GSM8K's strict filter.
std::optional<std::string> ExtractStrict(std::string_view completion);
// The last match of `(-?[$0-9.,]{2,})|(-?[0-9]+)`: GSM8K's flexible filter.
std::optional<std::string> ExtractFlexible(std::string_view completion);
// exact_match of both sides after removing `,`, `$`, everything up to `#### `, a final `.`,
// ignoring case.
bool GsmEqual(std::string_view extracted, std::string_view gold);

// Equality of two numbers as exact rationals under the rules of reward `math`: signs, thousands
// commas, decimals, integer fractions, $, %, \boxed{} and \text{} stripped.  A side that is no
// number equals nothing. Linear in the length of its input for decimals.
bool MathEqual(std::string_view prediction, std::string_view gold);

// The answer part of a longer completion for reward `math`: the last \boxed{...}, else what follows
// the last
// "####", else the whole text when that is a number, else the last number in it.
std::optional<std::string> ExtractMath(std::string_view completion);

}  // namespace pawl
