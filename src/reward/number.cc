#include "reward/number.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace pawl {
namespace {

constexpr std::string_view kNoBreakSpace = "\xc2\xa0";
constexpr std::string_view kMinus = "\xe2\x88\x92";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
// Without an early end, so that the compiler takes many characters at a time.
bool AllDigits(std::string_view s) {
  bool all = !s.empty();
  for (const char c : s) all &= IsDigit(c);
  return all;
}

std::string WithAsciiMinus(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (;;) {
    const std::size_t at = text.find(kMinus);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += '-';
    text.remove_prefix(at + kMinus.size());
  }
}

// The text that is left while rule 2 is applied: [begin_, end_) of the whole, behind an optional
// sign that a removed currency mark stood between.
class Remainder {
 public:
  explicit Remainder(const std::string& text) : text_(text), end_(text.size()) {
    if (text.find('{') != std::string::npos || text.find('}') != std::string::npos) MatchBraces();
    while (StripSpace() || Unwrap("\\boxed") || Unwrap("\\text") || DropUnit() || DropCurrency() ||
           DropEnding()) {
    }
  }
  char sign() const { return sign_; }
  std::string_view view() const { return std::string_view(text_).substr(begin_, end_ - begin_); }

 private:
  // For every '{' the place of its '}' and the reverse, or npos; computed once, so that peeling n
  // layers stays linear.
  void MatchBraces() {
    match_.assign(text_.size(), std::string::npos);
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < text_.size(); ++i) {
      if (text_[i] == '{') open.push_back(i);
      if (text_[i] == '}' && !open.empty()) {
        match_[i] = open.back();
        match_[open.back()] = i;
        open.pop_back();
      }
    }
  }

  bool StripSpace() {
    const std::size_t begin = begin_, end = end_;
    // Behind a sign no space may go: "- 5" is not a number.
    while (sign_ == 0 && begin_ < end_) {
      if (IsSpace(text_[begin_])) {
        ++begin_;
      } else if (view().starts_with(kNoBreakSpace)) {
        begin_ += kNoBreakSpace.size();
      } else {
        break;
      }
    }
    while (begin_ < end_) {
      if (IsSpace(text_[end_ - 1])) {
        --end_;
      } else if (view().ends_with(kNoBreakSpace)) {
        end_ -= kNoBreakSpace.size();
      } else {
        break;
      }
    }
    return begin != begin_ || end != end_;
  }

  bool Unwrap(std::string_view name) {
    if (sign_ != 0 || !view().starts_with(name)) return false;
    const std::size_t open = begin_ + name.size();
    if (open >= end_ || text_[open] != '{' || match_[open] != end_ - 1) return false;
    begin_ = open + 1;
    --end_;
    return true;
  }

  bool DropUnit() {
    constexpr std::string_view kText = "\\text";
    if (!view().ends_with('}')) return false;
    const std::size_t open = match_[end_ - 1];
    if (open == std::string::npos || open < begin_ + kText.size()) return false;
    const std::size_t at = open - kText.size();
    if (text_.compare(at, kText.size(), kText) != 0 || (at == begin_ && sign_ == 0)) return false;
    end_ = at;
    return true;
  }

  bool DropCurrency() {
    std::string_view s = view();
    const bool has_sign = sign_ == 0 && !s.empty() && (s[0] == '-' || s[0] == '+');
    std::size_t at = has_sign ? 1 : 0;
    while ((has_sign || sign_ != 0) && at < s.size() && s[at] == ' ') ++at;
    s.remove_prefix(at);
    const std::size_t mark = s.starts_with("\\$") ? 2 : s.starts_with('$') ? 1 : 0;
    if (mark == 0) return false;
    if (has_sign) sign_ = text_[begin_];
    begin_ += at + mark;
    // Without braces no other rule comes between, so that a run of marks goes at once.
    while (match_.empty() && begin_ < end_ && text_[begin_] == '$') ++begin_;
    return true;
  }

  bool DropEnding() {
    const std::size_t end = end_;
    while (begin_ < end_) {
      const char last = text_[end_ - 1];
      if (last != '.' && last != '$' && last != '%') break;
      --end_;
      if (last != '.' && begin_ < end_ && text_[end_ - 1] == '\\') --end_;
    }
    return end != end_;
  }

  const std::string& text_;
  std::vector<std::size_t> match_;
  std::size_t begin_ = 0, end_;
  char sign_ = 0;
};

std::string WithoutLeadingZeros(std::string_view digits) {
  const std::size_t first = digits.find_first_not_of('0');
  return first == std::string_view::npos ? "" : std::string(digits.substr(first));
}

// The digits of a whole number without its thousands commas.
std::optional<std::string> WholeDigits(std::string_view s) {
  if (s.find(',') == std::string_view::npos) {
    return AllDigits(s) ? std::optional(std::string(s)) : std::nullopt;
  }
  std::string digits;
  for (bool first = true;; first = false) {
    const std::size_t comma = s.find(',');
    const std::string_view group = s.substr(0, comma);
    const bool fits = first ? group.size() <= 3 && !group.starts_with('0') : group.size() == 3;
    if (!fits || !AllDigits(group)) return std::nullopt;
    digits += group;
    if (comma == std::string_view::npos) return digits;
    s.remove_prefix(comma + 1);
  }
}

std::optional<Rational> ParseFraction(std::string_view s, std::size_t slash, bool negative) {
  std::string_view a = s.substr(0, slash), b = s.substr(slash + 1);
  while (a.ends_with(' ')) a.remove_suffix(1);
  while (b.starts_with(' ')) b.remove_prefix(1);
  if (!AllDigits(a) || !AllDigits(b)) return std::nullopt;
  Rational r{negative, WithoutLeadingZeros(a), WithoutLeadingZeros(b)};
  if (r.denominator.empty()) return std::nullopt;
  return r;
}

std::optional<Rational> ParseDecimal(std::string_view s, bool negative) {
  const std::size_t point = s.find('.');
  std::string digits;
  if (point != 0) {
    const auto whole = WholeDigits(s.substr(0, point));
    if (!whole) return std::nullopt;
    digits = *whole;
  }
  std::string_view fraction;
  if (point != std::string_view::npos) {
    fraction = s.substr(point + 1);
    if (!AllDigits(fraction)) return std::nullopt;
    while (fraction.ends_with('0')) fraction.remove_suffix(1);
    digits += fraction;
  }
  return Rational{negative, WithoutLeadingZeros(digits), "1" + std::string(fraction.size(), '0')};
}

// Little-endian limbs in base 10^9.
using Limbs = std::vector<std::uint64_t>;
constexpr std::uint64_t kBase = 1'000'000'000;

Limbs ToLimbs(std::string_view digits) {
  Limbs limbs;
  limbs.reserve(digits.size() / 9 + 1);
  while (!digits.empty()) {
    const std::size_t begin = digits.size() < 9 ? 0 : digits.size() - 9;
    std::uint64_t limb = 0;
    for (const char c : digits.substr(begin)) limb = limb * 10 + static_cast<unsigned>(c - '0');
    limbs.push_back(limb);
    digits.remove_suffix(digits.size() - begin);
  }
  return limbs;
}

Limbs Product(const Limbs& a, const Limbs& b) {
  Limbs sum(a.size() + b.size(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::uint64_t value = sum[i + j] + a[i] * b[j] + carry;  // below 10^18 + 2 x 10^9
      sum[i + j] = value % kBase;
      carry = value / kBase;
    }
    sum[i + b.size()] = carry;
  }
  while (!sum.empty() && sum.back() == 0) sum.pop_back();
  return sum;
}

std::uint64_t Modulo(const Limbs& limbs, std::uint64_t prime) {
  std::uint64_t rest = 0;
  for (auto limb = limbs.rbegin(); limb != limbs.rend(); ++limb) {
    rest = (rest * kBase + *limb) % prime;
  }
  return rest;
}

// a * b == c * d
bool EqualProducts(const Limbs& a, const Limbs& b, const Limbs& c, const Limbs& d) {
  constexpr std::uint64_t kPrimes[] = {2147483647, 2147483629, 2147483587, 2147483579};
  constexpr std::size_t kMostSteps = 10'000'000;
  if (a.size() * b.size() <= kMostSteps && c.size() * d.size() <= kMostSteps) {
    return Product(a, b) == Product(c, d);
  }
  return std::all_of(std::begin(kPrimes), std::end(kPrimes), [&](std::uint64_t prime) {
    return Modulo(a, prime) * Modulo(b, prime) % prime ==
           Modulo(c, prime) * Modulo(d, prime) % prime;
  });
}

bool IsPowerOfTen(const std::string& digits) {
  return digits[0] == '1' && digits.find_first_not_of('0', 1) == std::string::npos;
}

}  // namespace

std::optional<Rational> ParseNumber(std::string_view text) {
  const std::string ascii = WithAsciiMinus(text);
  const Remainder rest(ascii);
  std::string_view s = rest.view();
  char sign = rest.sign();
  if (sign == 0 && !s.empty() && (s[0] == '-' || s[0] == '+')) {
    sign = s[0];
    s.remove_prefix(1);
  }
  const std::size_t slash = s.find('/');
  return slash == std::string_view::npos ? ParseDecimal(s, sign == '-')
                                         : ParseFraction(s, slash, sign == '-');
}

bool EqualRationals(const Rational& a, const Rational& b) {
  if (a.numerator.empty() || b.numerator.empty()) return a.numerator.empty() && b.numerator.empty();
  if (a.negative != b.negative) return false;
  // A product of numbers with m and n digits has m + n or m + n - 1: most pairs end here.
  const std::size_t left = a.numerator.size() + b.denominator.size();
  const std::size_t right = b.numerator.size() + a.denominator.size();
  if (left > right + 1 || right > left + 1) return false;
  if (IsPowerOfTen(a.denominator) && IsPowerOfTen(b.denominator)) {
    return a.numerator + b.denominator.substr(1) == b.numerator + a.denominator.substr(1);
  }
  return EqualProducts(ToLimbs(a.numerator), ToLimbs(b.denominator), ToLimbs(b.numerator),
                       ToLimbs(a.denominator));
}

}  // namespace pawl
