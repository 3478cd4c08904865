// Every equation that a response writes down, checked exactly.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pawl {

__extension__ typedef __int128 Int128;  // ISO C++ has no such integer

// A rational number in lowest terms, denominator > 0; arithmetic that would leave 127 bits is
// absent.
struct Fraction {
  Int128 numerator = 0, denominator = 1;
  bool operator==(const Fraction&) const = default;
};
std::optional<Fraction> Add(Fraction a, Fraction b);
std::optional<Fraction> Subtract(Fraction a, Fraction b);
std::optional<Fraction> Multiply(Fraction a, Fraction b);
std::optional<Fraction> Divide(Fraction a, Fraction b);  // absent for b = 0
// "1,200.50", "18", "-3", ".5": a whole text that is a number (no unit).
std::optional<Fraction> ParseFraction(std::string_view text);

enum class EquationCheck {
  kRight,
  kRounded,   // the right side is the left one rounded to the digits that are written
  kWrong,     // an undefined left side (division by 0) too
  kTooLarge,  // beyond exact arithmetic; not judged
};
struct CheckedEquation {
  std::string text;  // as written, from the left side's first character
  EquationCheck check = EquationCheck::kRight;
  std::vector<Fraction> operands;  // the numbers of the left side
  Fraction result;                 // what is written on the right
};

// Left to right: a sum of products of numbers and brackets with at least one operator (+ - * / and
// their signs U+2212, U+00D7, U+00B7, U+00F7, and x between numbers), '=', a number.  Units of up
// to three words after a number, currency signs before it, thousands commas, decimals, % (a
// hundredth) are understood; "a = b = c" gives an equation for each part that has an operator
// before its '='.  A text inside << >> repeats what stands beside it and is left out.
std::vector<CheckedEquation> CheckEquations(std::string_view text);

// All numbers that the text writes in digits, in order.
std::vector<Fraction> NumbersIn(std::string_view text);

}  // namespace pawl
