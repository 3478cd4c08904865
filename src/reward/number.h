// Numbers in answers as exact rationals: what reward `math` compares.  Nothing is evaluated in
// floating point, and time grows linearly with the length of the text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pawl {

struct Rational {
  bool negative = false;
  std::string numerator;  // decimal digits without leading zeros; "" is zero
  std::string denominator;
};

// Reads a text that is a number and nothing else; nullopt where it is not.
// 1. U+2212 becomes '-'.
// 2. Until nothing changes: white space (space, tab, CR, LF, U+00A0) goes at both ends; \boxed{...}
//    or \text{...} around everything goes; a \text{...} at the end (a unit) goes; $ or \$ goes at
//    the start or after a leading sign; $, \$, %, \% or '.' goes at the end.
// 3. The rest must be [sign] digits ['.' digits], [sign] '.' digits, or [sign] digits '/' digits
//    (spaces around '/', divisor not zero).  Thousands commas are allowed outside fractions, in
//    groups of three after a first group that does not start with 0.
// So 50% is 50, and "18 apples", "1.8e1", "1,5", "- 5", "1 1/2" are no numbers.
std::optional<Rational> ParseNumber(std::string_view text);

// Exact, by cross-multiplication.  Two fractions whose product would take more than 10^7 steps
// (both have over 28,000 digits) are compared modulo four 31-bit primes instead.
bool EqualRationals(const Rational& a, const Rational& b);

}  // namespace pawl
