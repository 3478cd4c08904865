#include "diagnose/equations.h"

namespace pawl {
namespace {

Int128 Gcd(Int128 a, Int128 b) {
  if (a < 0) a = -a;
  while (b != 0) {
    const Int128 rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

Fraction Reduced(Int128 numerator, Int128 denominator) {
  if (denominator < 0) {
    numerator = -numerator;
    denominator = -denominator;
  }
  const Int128 common = Gcd(denominator, numerator < 0 ? -numerator : numerator);
  return common > 1 ? Fraction{numerator / common, denominator / common}
                    : Fraction{numerator, denominator};
}

}  // namespace

std::optional<Fraction> Add(Fraction a, Fraction b) {
  Int128 left = 0, right = 0, sum = 0, below = 0;
  if (__builtin_mul_overflow(a.numerator, b.denominator, &left) ||
      __builtin_mul_overflow(b.numerator, a.denominator, &right) ||
      __builtin_add_overflow(left, right, &sum) ||
      __builtin_mul_overflow(a.denominator, b.denominator, &below)) {
    return std::nullopt;
  }
  return Reduced(sum, below);
}

std::optional<Fraction> Subtract(Fraction a, Fraction b) {
  Int128 negative = 0;
  if (__builtin_sub_overflow(static_cast<Int128>(0), b.numerator, &negative)) return std::nullopt;
  return Add(a, {negative, b.denominator});
}

std::optional<Fraction> Multiply(Fraction a, Fraction b) {
  Int128 above = 0, below = 0;
  if (__builtin_mul_overflow(a.numerator, b.numerator, &above) ||
      __builtin_mul_overflow(a.denominator, b.denominator, &below)) {
    return std::nullopt;
  }
  return Reduced(above, below);
}

std::optional<Fraction> Divide(Fraction a, Fraction b) {
  if (b.numerator == 0) return std::nullopt;
  return Multiply(a, Reduced(b.denominator, b.numerator));
}

std::optional<Fraction> ParseFraction(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  Int128 value = 0, below = 1;
  bool point = false, digits = false;
  int since_comma = -1;  // digits since the last thousands comma
  for (const char c : text) {
    if (c == ',') {
      if (point || !digits || (since_comma != -1 && since_comma != 3)) return std::nullopt;
      since_comma = 0;
    } else if (c == '.') {
      if (point) return std::nullopt;
      point = true;
    } else if (c >= '0' && c <= '9') {
      if (__builtin_mul_overflow(value, static_cast<Int128>(10), &value) ||
          __builtin_add_overflow(value, static_cast<Int128>(c - '0'), &value) ||
          (point && __builtin_mul_overflow(below, static_cast<Int128>(10), &below))) {
        return std::nullopt;
      }
      digits = true;
      if (!point && since_comma >= 0) ++since_comma;
    } else {
      return std::nullopt;
    }
  }
  if (!digits || (since_comma != -1 && since_comma != 3)) return std::nullopt;
  return Reduced(negative ? -value : value, below);
}

}  // namespace pawl
