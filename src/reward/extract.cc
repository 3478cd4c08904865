#include "reward/extract.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "reward/number.h"

namespace pawl {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsStrictChar(char c) { return IsDigit(c) || c == '.' || c == ','; }
bool IsFlexibleChar(char c) { return IsStrictChar(c) || c == '$'; }

// Python's `\.$` also matches before a final newline; `.` removal keeps that newline.
std::string Normalised(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return c == ',' || c == '$'; });
  const std::size_t marker = out.rfind("#### ");
  if (marker != std::string::npos) out.erase(0, marker + 5);
  if (!out.empty() && out.back() == '.') {
    out.pop_back();
  } else if (out.size() >= 2 && out.back() == '\n' && out[out.size() - 2] == '.') {
    out.erase(out.size() - 2, 1);
  }
  for (char& c : out) c = 'A' <= c && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
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

bool MathEqual(std::string_view prediction, std::string_view gold) {
  const auto a = ParseNumber(prediction);
  const auto b = ParseNumber(gold);
  return a && b && EqualRationals(*a, *b);
}

namespace {

// The \boxed{...} that begins last among those whose braces close.
std::optional<std::string_view> LastBoxed(std::string_view text) {
  constexpr std::string_view kBoxed = "\\boxed";
  std::vector<std::size_t> open;
  std::optional<std::string_view> last;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{') open.push_back(i);
    if (text[i] != '}' || open.empty()) continue;
    const std::size_t begin = open.back() - std::min(open.back(), kBoxed.size());
    const bool later = !last || text.data() + begin > last->data();
    if (later && text.substr(begin, open.back() - begin) == kBoxed) {
      last = text.substr(begin, i + 1 - begin);
    }
    open.pop_back();
  }
  return last;
}

}  // namespace

std::optional<MathAnswer> ExtractMath(std::string_view text) {
  const auto answer = [](std::string_view found) {
    return MathAnswer{std::string(found), ParseNumber(found)};
  };
  if (auto number = ParseNumber(text)) {
    return MathAnswer{std::string(Trimmed(text)), std::move(number)};
  }
  if (const auto boxed = LastBoxed(text)) return answer(*boxed);
  const std::size_t marker = text.rfind("####");
  if (marker == std::string_view::npos) return std::nullopt;
  const std::string_view rest = Trimmed(text.substr(marker + 4));
  if (rest.empty()) return std::nullopt;
  return answer(Trimmed(rest.substr(0, rest.find('\n'))));
}

}  // namespace pawl
