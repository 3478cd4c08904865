// How answers are found in text and compared, exactly as lm-evaluation-harness and docs/MATH.md
// define it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "reward/number.h"

namespace pawl {

// The first match of `#### (\-?[0-9\.\,]+)`: GSM8K's strict filter.
std::optional<std::string> ExtractStrict(std::string_view completion);
// The last match of `(-?[$0-9.,]{2,})|(-?[0-9]+)`: GSM8K's flexible filter.
std::optional<std::string> ExtractFlexible(std::string_view completion);
// exact_match of both sides after removing `,`, `$`, everything up to `#### `, a final `.`,
// ignoring case.
bool GsmEqual(std::string_view extracted, std::string_view gold);

// Both are numbers (reward/number.h) and equal as exact rationals.
bool MathEqual(std::string_view prediction, std::string_view gold);

// What reward `math` takes for the answer: the whole completion where that is a number, else the
// last complete \boxed{...}, else the rest of the line after the last "####".  A number somewhere
// in a sentence is not an answer: "33 apples" and "x=5" give none.
struct MathAnswer {
  std::string text;
  std::optional<Rational> number;  // where the text is one
};
std::optional<MathAnswer> ExtractMath(std::string_view completion);

}  // namespace pawl
