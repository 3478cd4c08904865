#include "reward/extract.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace pawl {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsStrictChar(char c) { return IsDigit(c) || c == '.' || c == ','; }
bool IsFlexibleChar(char c) { return IsStrictChar(c) || c == '$'; }

// Python's `\.$` also matches before a final newline; `.` removal keeps that newline.
std::string Normalised(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ',' && c != '$') out += c;
  }
  const std::size_t marker = out.rfind("#### ");
  if (marker != std::string::npos) out.erase(0, marker + 5);
  if (!out.empty() && out.back() == '.') {
    out.pop_back();
  } else if (out.size() >= 2 && out.back() == '\n' && out[out.size() - 2] == '.') {
    out.erase(out.size() - 2, 1);
  }
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

std::optional<std::string> ExtractStrict(std::string_view text) {
  for (std::size_t at = text.find("#### "); at != std::string_view::npos;
       at = text.find("#### ", at + 1)) {
    std::size_t end = at + 5;
    if (end < text.size() && text[end] == '-') ++end;
    const std::size_t digits = end;
    while (end < text.size() && IsStrictChar(text[end])) ++end;
    if (end > digits) return std::string(text.substr(at + 5, end - at - 5));
  }
  return std::nullopt;
}

std::optional<std::string> ExtractFlexible(std::string_view text) {
  std::optional<std::string> last;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t start = at;
    std::size_t digits = at + (text[at] == '-' ? 1 : 0);
    std::size_t end = digits;
    while (end < text.size() && IsFlexibleChar(text[end])) ++end;
    if (end - digits >= 2) {
      last = std::string(text.substr(start, end - start));
      at = end;
      continue;
    }
    end = digits;
    while (end < text.size() && IsDigit(text[end])) ++end;
    if (end > digits) {
      last = std::string(text.substr(start, end - start));
      at = end;
      continue;
    }
    ++at;
  }
  return last;
}

bool GsmEqual(std::string_view extracted, std::string_view gold) {
  return Normalised(extracted) == Normalised(gold);
}

namespace {

constexpr std::string_view kNoBreak = "\xc2\xa0";
constexpr std::string_view kMinus = "\xe2\x88\x92";

void Strip(std::string_view& s) {
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  for (bool changed = true; changed;) {
    changed = false;
    while (!s.empty() && space(s.front())) s.remove_prefix(1), changed = true;
    while (!s.empty() && space(s.back())) s.remove_suffix(1), changed = true;
    while (s.starts_with(kNoBreak)) s.remove_prefix(2), changed = true;
    while (s.ends_with(kNoBreak)) s.remove_suffix(2), changed = true;
  }
}

// Position after the brace that closes the one at `open`; npos when unbalanced.
std::size_t ClosingBrace(std::string_view s, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < s.size(); ++i) {
    if (s[i] == '{') ++depth;
    if (s[i] == '}' && --depth == 0) return i + 1;
  }
  return std::string_view::npos;
}

// The whole string is \name{...}: keeps the inside.
bool Unwrap(std::string_view& s, std::string_view name) {
  if (!s.starts_with(name) || s.size() < name.size() + 2 || s[name.size()] != '{') return false;
  if (ClosingBrace(s, name.size()) != s.size()) return false;
  s = s.substr(name.size() + 1, s.size() - name.size() - 2);
  return true;
}

// A trailing \text{...} is a unit.
bool DropUnit(std::string_view& s) {
  if (!s.ends_with("}")) return false;
  const std::size_t at = s.rfind("\\text{");
  if (at == std::string_view::npos || at == 0) return false;
  // The last \text may be nested inside a longer one: look for the first whose braces end the
  // string.
  for (std::size_t p = s.find("\\text{"); p != std::string_view::npos;
       p = s.find("\\text{", p + 1)) {
    if (p > 0 && ClosingBrace(s, p + 5) == s.size()) {
      s = s.substr(0, p);
      return true;
    }
  }
  return false;
}

struct Rational {
  bool negative = false;
  std::string numerator, denominator;  // digits without leading zeros; "" is zero
};

std::string WithoutLeadingZeros(std::string_view digits) {
  const std::size_t first = digits.find_first_not_of('0');
  return first == std::string_view::npos ? "" : std::string(digits.substr(first));
}

bool AllDigits(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), IsDigit);
}

// ASCII digits, or groups of three after a first group of 1 to 3 that does not start with 0.
std::optional<std::string> WholeDigits(std::string_view s) {
  if (s.find(',') == std::string_view::npos) {
    return AllDigits(s) ? std::optional(std::string(s)) : std::nullopt;
  }
  std::string digits;
  bool first = true;
  for (;;) {
    const std::size_t comma = s.find(',');
    const std::string_view group = s.substr(0, comma);
    const bool fits =
        first ? group.size() >= 1 && group.size() <= 3 && group[0] != '0' : group.size() == 3;
    if (!fits || !AllDigits(group)) return std::nullopt;
    digits += group;
    first = false;
    if (comma == std::string_view::npos) return digits;
    s.remove_prefix(comma + 1);
  }
}

std::optional<Rational> ParseFraction(std::string_view s, bool negative) {
  const std::size_t slash = s.find('/');
  std::string_view a = s.substr(0, slash), b = s.substr(slash + 1);
  while (a.ends_with(' ')) a.remove_suffix(1);
  while (b.starts_with(' ')) b.remove_prefix(1);
  if (!AllDigits(a) || !AllDigits(b)) return std::nullopt;
  Rational r{negative, WithoutLeadingZeros(a), WithoutLeadingZeros(b)};
  if (r.denominator.empty()) return std::nullopt;
  return r;
}

// Strips what the rules allow and reads the number.
std::optional<Rational> ParseNumber(std::string_view text) {
  std::string ascii;
  for (std::size_t i = 0; i < text.size();) {
    if (text.substr(i).starts_with(kMinus)) {
      ascii += '-';
      i += kMinus.size();
    } else {
      ascii += text[i++];
    }
  }
  std::string_view s = ascii;
  std::string sign;
  for (bool changed = true; changed;) {
    const std::string_view before = s;
    const std::string sign_before = sign;
    Strip(s);
    while (Unwrap(s, "\\boxed") || Unwrap(s, "\\text")) Strip(s);
    DropUnit(s);
    // A currency mark at the start, or directly after a leading sign.
    std::string_view rest = s;
    char lead = 0;
    if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) {
      lead = rest[0];
      rest.remove_prefix(1);
    }
    std::string_view money = rest;
    while (money.starts_with(' ')) money.remove_prefix(1);
    const bool escaped = money.starts_with("\\$");
    if (escaped || money.starts_with("$")) {
      money.remove_prefix(escaped ? 2 : 1);
      if (lead != 0) {
        if (!sign.empty()) return std::nullopt;
        sign = lead;
      }
      s = money;
    }
    for (const std::string_view end : {"\\$", "$", "\\%", "%", "."}) {
      if (s.ends_with(end)) {
        s.remove_suffix(end.size());
        break;
      }
    }
    changed = s.size() != before.size() || sign != sign_before;
  }
  bool negative = sign == "-";
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) {
    if (!sign.empty()) return std::nullopt;
    negative = s[0] == '-';
    s.remove_prefix(1);
  }
  if (s.find('/') != std::string_view::npos) return ParseFraction(s, negative);
  const std::size_t point = s.find('.');
  std::string whole;
  if (point != 0) {
    const auto digits = WholeDigits(s.substr(0, point));
    if (!digits) return std::nullopt;
    whole = *digits;
  }
  std::string_view fraction;
  if (point != std::string_view::npos) {
    fraction = s.substr(point + 1);
    if (point == 0 && fraction.empty()) return std::nullopt;
    if (!fraction.empty() && !AllDigits(fraction)) return std::nullopt;
    while (fraction.ends_with('0')) fraction.remove_suffix(1);
  }
  Rational r{negative, WithoutLeadingZeros(whole + std::string(fraction)), "1"};
  r.denominator += std::string(fraction.size(), '0');
  return r;
}

// Digits of a * b, schoolbook; both within kMaxProduct digits.
constexpr std::size_t kMaxProduct = 4000;
std::string Multiply(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return "";
  std::vector<int> sum(a.size() + b.size(), 0);
  for (std::size_t i = a.size(); i-- > 0;) {
    int carry = 0;
    for (std::size_t j = b.size(); j-- > 0;) {
      const int value = sum[i + j + 1] + (a[i] - '0') * (b[j] - '0') + carry;
      sum[i + j + 1] = value % 10;
      carry = value / 10;
    }
    sum[i] += carry;
  }
  std::string digits;
  for (const int d : sum) digits += static_cast<char>('0' + d);
  return WithoutLeadingZeros(digits);
}

bool IsPowerOfTen(const std::string& digits) {
  return digits[0] == '1' && digits.find_first_not_of('0', 1) == std::string::npos;
}

bool Equal(const Rational& a, const Rational& b) {
  if (a.numerator.empty() || b.numerator.empty()) return a.numerator.empty() && b.numerator.empty();
  if (a.negative != b.negative) return false;
  if (IsPowerOfTen(a.denominator) && IsPowerOfTen(b.denominator)) {
    return a.numerator + b.denominator.substr(1) == b.numerator + a.denominator.substr(1);
  }
  // Lengths of equal products differ by at most one: a cheap test that ends hopeless comparisons.
  const std::size_t left = a.numerator.size() + b.denominator.size();
  const std::size_t right = b.numerator.size() + a.denominator.size();
  if (left > right + 1 || right > left + 1 || left > kMaxProduct) return false;
  return Multiply(a.numerator, b.denominator) == Multiply(b.numerator, a.denominator);
}

}  // namespace

bool MathEqual(std::string_view prediction, std::string_view gold) {
  const auto a = ParseNumber(prediction);
  const auto b = ParseNumber(gold);
  return a && b && Equal(*a, *b);
}

std::optional<std::string> ExtractMath(std::string_view text) {
  if (ParseNumber(text)) return std::string(text);
  const std::size_t boxed = text.rfind("\\boxed{");
  if (boxed != std::string_view::npos) {
    const std::size_t end = ClosingBrace(text, boxed + 6);
    if (end != std::string_view::npos) return std::string(text.substr(boxed, end - boxed));
  }
  const std::size_t marker = text.rfind("####");
  if (marker != std::string_view::npos) {
    std::string_view rest = text.substr(marker + 4);
    rest = rest.substr(0, rest.find('\n', rest.find_first_not_of(" \n") == std::string_view::npos
                                              ? 0
                                              : rest.find_first_not_of(" \n")));
    Strip(rest);
    return std::string(rest);
  }
  return ExtractFlexible(text);
}

}  // namespace pawl
