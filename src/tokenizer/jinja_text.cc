#include "tokenizer/jinja_text.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <utility>

#include "tokenizer/utf8.h"

namespace pawl::jinja {
namespace {

std::string OneChar(char32_t c) {
  std::string out;
  AppendUtf8(c, &out);
  return out;
}

// Each character replaced by map(c, index), its marks kept.
template <class Map>
Text MapPoints(const Text& text, Map map) {
  Text out;
  std::size_t index = 0;
  for (std::size_t at = 0; at < text.size(); ++index) {
    const bool outside = text.marks[at] != 0;
    out.Append(Text(map(DecodeUtf8(text.bytes, &at), index), outside));
  }
  return out;
}

// The letters whose upper case is longer than one character, without the Greek ones.
std::string UpperOf(char32_t c) {
  static constexpr std::pair<char32_t, const char*> kLonger[] = {
      {0xDF, "SS"},    {0x149, "\xCA\xBCN"}, {0x1F0, "J\xCC\x8C"}, {0x587, "\xD4\xB5\xD5\x92"},
      {0xFB00, "FF"},  {0xFB01, "FI"},       {0xFB02, "FL"},       {0xFB03, "FFI"},
      {0xFB04, "FFL"}, {0xFB05, "ST"},       {0xFB06, "ST"}};
  for (const auto& [from, to] : kLonger) {
    if (from == c) return to;
  }
  return OneChar(static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
}

std::string TitleOf(char32_t c) {
  return OneChar(static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
}

std::string LowerOf(char32_t c) {
  if (c == 0x130) return "i\xCC\x87";
  return OneChar(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

std::size_t CharCount(const Text& text) { return CodePoints(text.bytes).size() - 1; }

}  // namespace

bool IsPythonSpace(char32_t c) {
  return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F) || c == 0x85 ||
         c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsLetter(char32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

Text Strip(const Text& text, Sides sides, const std::optional<std::string>& characters) {
  const auto drop = [&](std::size_t begin, std::size_t end) {
    const std::string_view one = std::string_view(text.bytes).substr(begin, end - begin);
    if (characters) return characters->find(one) != std::string::npos;
    return IsPythonSpace(DecodeUtf8(text.bytes, &begin));
  };
  std::size_t begin = 0, end = text.size();
  while (sides != Sides::kRight && begin < end) {
    std::size_t next = begin;
    DecodeUtf8(text.bytes, &next);
    if (!drop(begin, next)) break;
    begin = next;
  }
  while (sides != Sides::kLeft && end > begin) {
    const std::size_t previous = PreviousUtf8(text.bytes, end);
    if (!drop(previous, end)) break;
    end = previous;
  }
  return text.Sub(begin, end - begin);
}

Text Upper(const Text& text) {
  return MapPoints(text, [](char32_t c, std::size_t) { return UpperOf(c); });
}

Text Lower(const Text& text) {
  constexpr char32_t kSigma = 0x3A3;
  const auto offsets = CodePoints(text.bytes);
  const auto letter = [&](std::size_t i) {
    std::size_t at = i + 1 < offsets.size() ? offsets[i] : text.size();
    return at < text.size() && IsLetter(DecodeUtf8(text.bytes, &at));
  };
  return MapPoints(text, [&](char32_t c, std::size_t i) {
    // A capital sigma that ends a word has a lower case of its own.
    if (c == kSigma && i > 0 && letter(i - 1) && !letter(i + 1)) return OneChar(0x3C2);
    return LowerOf(c);
  });
}

Text Capitalize(const Text& text) {
  return MapPoints(text,
                   [](char32_t c, std::size_t i) { return i == 0 ? TitleOf(c) : LowerOf(c); });
}

Text TitleMethod(const Text& text) {
  bool inside = false;
  return MapPoints(text, [&](char32_t c, std::size_t) {
    std::string out = inside ? LowerOf(c) : TitleOf(c);
    inside = IsLetter(c);
    return out;
  });
}

Text TitleFilter(const Text& text) {
  bool inside = false;
  return MapPoints(text, [&](char32_t c, std::size_t) {
    std::string out = inside ? LowerOf(c) : UpperOf(c);
    inside = !IsPythonSpace(c) && c != '-' && c != '(' && c != '{' && c != '[' && c != '<';
    return out;
  });
}

bool IsUpper(const Text& text) {
  return Upper(text).bytes == text.bytes && Lower(text).bytes != text.bytes;
}
bool IsLower(const Text& text) {
  return Lower(text).bytes == text.bytes && Upper(text).bytes != text.bytes;
}

Text Replace(const Text& text, const Text& from, const Text& to, long long count) {
  Text out;
  std::size_t at = 0;
  if (from.size() == 0) {  // between all characters
    const auto offsets = CodePoints(text.bytes);
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      if (count != 0) {
        out.Append(to);
        --count;
      }
      if (i + 1 < offsets.size()) out.Append(text.Sub(offsets[i], offsets[i + 1] - offsets[i]));
    }
    return out;
  }
  for (std::size_t found;
       count != 0 && (found = text.bytes.find(from.bytes, at)) != std::string::npos; --count) {
    out.Append(text.Sub(at, found - at));
    out.Append(to);
    at = found + from.size();
  }
  out.Append(text.Sub(at));
  return out;
}

namespace {

List SplitAt(const Text& text, const std::string& separator, long long limit, bool from_right) {
  std::vector<std::size_t> cuts;
  if (from_right) {
    for (std::size_t end = text.size(); limit != 0 && end >= separator.size(); --limit) {
      const std::size_t found = text.bytes.rfind(separator, end - separator.size());
      if (found == std::string::npos) break;
      cuts.push_back(found);
      end = found;
    }
    std::reverse(cuts.begin(), cuts.end());
  } else {
    for (std::size_t at = 0, found;
         limit != 0 && (found = text.bytes.find(separator, at)) != std::string::npos; --limit) {
      cuts.push_back(found);
      at = found + separator.size();
    }
  }
  List parts;
  std::size_t at = 0;
  for (const std::size_t cut : cuts) {
    parts.push_back(Value::String(text.Sub(at, cut - at)));
    at = cut + separator.size();
  }
  parts.push_back(Value::String(text.Sub(at)));
  return parts;
}

// The words between runs of white space, as [begin, end).
std::vector<std::pair<std::size_t, std::size_t>> Words(const Text& text) {
  std::vector<std::pair<std::size_t, std::size_t>> words;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const bool space = IsPythonSpace(DecodeUtf8(text.bytes, &at));
    if (!space && !inside) words.emplace_back(begin, at);
    if (!space) words.back().second = at;
    inside = !space;
  }
  return words;
}

}  // namespace

List Split(const Text& text, const std::optional<std::string>& separator, long long limit,
           bool from_right) {
  if (separator) return SplitAt(text, *separator, limit, from_right);
  auto words = Words(text);
  if (limit >= 0 && static_cast<std::size_t>(limit) < words.size()) {
    const auto cuts = static_cast<std::ptrdiff_t>(limit);
    if (from_right) {  // the first words stay together, leading space dropped only on their right
      const auto kept = static_cast<std::ptrdiff_t>(words.size()) - cuts;
      words[static_cast<std::size_t>(kept - 1)].first = 0;
      words.erase(words.begin(), words.begin() + (kept - 1));
    } else {
      words[static_cast<std::size_t>(limit)].second = text.size();
      words.erase(words.begin() + cuts + 1, words.end());
    }
  }
  List parts;
  for (const auto& [begin, end] : words) {
    parts.push_back(Value::String(text.Sub(begin, end - begin)));
  }
  return parts;
}

List SplitLines(const Text& text, bool keep_ends) {
  const auto breaks = [](char32_t c) {
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
           c == 0x2029;
  };
  List lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = at;
    const char32_t c = DecodeUtf8(text.bytes, &at);
    if (!breaks(c)) continue;
    if (c == '\r' && at < text.size() && text.bytes[at] == '\n') ++at;
    lines.push_back(Value::String(text.Sub(begin, (keep_ends ? at : end) - begin)));
    begin = at;
  }
  if (begin < text.size()) lines.push_back(Value::String(text.Sub(begin)));
  return lines;
}

List Partition(const Text& text, const Text& separator, bool from_right) {
  const std::size_t at =
      from_right ? text.bytes.rfind(separator.bytes) : text.bytes.find(separator.bytes);
  const auto part = [](Text t) { return Value::String(std::move(t)); };
  if (at == std::string::npos) {
    return from_right ? List{part({}), part({}), part(text)} : List{part(text), part({}), part({})};
  }
  return {part(text.Sub(0, at)), part(text.Sub(at, separator.size())),
          part(text.Sub(at + separator.size()))};
}

Text Indent(const Text& text, const Text& pad, bool first, bool blank) {
  Text ended = text;
  ended.Append("\n");
  const List lines = SplitLines(ended, false);
  Text out;
  if (first) out.Append(pad);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.Append("\n");
    if (i > 0 && (blank || lines[i].text.size() > 0)) out.Append(pad);
    out.Append(lines[i].text);
  }
  return out;
}

Text EscapeHtml(const Text& text) {
  return MapPoints(text, [](char32_t c, std::size_t) -> std::string {
    switch (c) {
      case '&':
        return "&amp;";
      case '<':
        return "&lt;";
      case '>':
        return "&gt;";
      case '"':
        return "&#34;";
      case '\'':
        return "&#39;";
      default:
        return OneChar(c);
    }
  });
}

Text Pad(const Text& text, long long width, Sides sides) {
  const auto count = static_cast<long long>(CharCount(text));
  const long long missing = std::clamp(width, 0LL, static_cast<long long>(kMaxTextBytes)) - count;
  if (missing <= 0) return text;
  // str.center puts the odd space on the left when the width is odd.
  const long long left = sides == Sides::kRight  ? 0
                         : sides == Sides::kLeft ? missing
                                                 : missing / 2 + (missing & width & 1);
  Text out(std::string(static_cast<std::size_t>(left), ' '));
  out.Append(text);
  out.Append(std::string(static_cast<std::size_t>(missing - left), ' '));
  return out;
}

Result<Text> PercentFormat(const Text& text, const List& arguments) {
  Text out;
  std::size_t used = 0, copied = 0;
  const std::string& s = text.bytes;
  for (std::size_t at; (at = s.find('%', copied)) != std::string::npos;) {
    out.Append(text.Sub(copied, at - copied));
    std::size_t end = s.find_first_not_of("-+ 0123456789.", at + 1);
    if (end == std::string::npos) return BadFile("incomplete format");
    const char kind = s[end];
    const std::string flags = s.substr(at + 1, end - at - 1);
    copied = end + 1;
    if (kind == '%') {
      out.Append("%");
      continue;
    }
    if (used == arguments.size()) return BadFile("not enough arguments for format string");
    const Value& v = arguments[used++];
    if ((kind == 's' || kind == 'r') && flags.empty()) {
      out.Append(kind == 's' ? ToText(v) : Repr(v));
    } else if ((kind == 'd' || kind == 'i' || kind == 'f') && v.IsNumber() && v.digits.empty() &&
               flags.size() < 8 && std::count(flags.begin(), flags.end(), '.') < 2) {
      char buffer[512];
      const std::string format = "%" + flags + (kind == 'f' ? "f" : "lld");
      const long long whole = v.kind == Kind::kFloat && v.number > -9e18 && v.number < 9e18
                                  ? static_cast<long long>(v.number)
                                  : v.AsInt();
      const int n = kind == 'f' ? std::snprintf(buffer, sizeof buffer, format.c_str(), v.AsDouble())
                                : std::snprintf(buffer, sizeof buffer, format.c_str(), whole);
      if (n < 0 || static_cast<std::size_t>(n) >= sizeof buffer) {
        return BadFile("a formatted number is too long");
      }
      out.Append(std::string_view(buffer, static_cast<std::size_t>(n)));
    } else {
      return BadFile(
          fmt::format("format %{}{} of '{}' is not supported", flags, kind, TypeName(v)));
    }
  }
  if (used != arguments.size())
    return BadFile("not all arguments converted during string formatting");
  out.Append(text.Sub(copied));
  return out;
}

}  // namespace pawl::jinja
