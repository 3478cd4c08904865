#include "tokenizer/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "tokenizer/recent_unicode.h"
#include "tokenizer/utf8.h"

namespace pawl {
namespace {

constexpr char32_t kMongolianVowelSeparator = 0x180E;  // \s in PCRE2, not White_Space
constexpr char32_t kWordJoiner = 0x2060;               // the same category (Cf) and length

const RecentRange* FindRecent(char32_t c) {
  if (c < kRecentRanges.front().first) return nullptr;
  const auto it = std::lower_bound(kRecentRanges.begin(), kRecentRanges.end(), c,
                                   [](const RecentRange& r, char32_t x) { return r.last < x; });
  return it != kRecentRanges.end() && it->first <= c ? &*it : nullptr;
}

bool IsWhiteSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

utf8proc_category_t CategoryOf(char32_t c) {
  if (const RecentRange* recent = FindRecent(c)) {
    switch (recent->category) {
      case RecentCategory::kLu:
      case RecentCategory::kLl:
      case RecentCategory::kLm:
      case RecentCategory::kLo:
        return UTF8PROC_CATEGORY_LO;
      case RecentCategory::kMn:
      case RecentCategory::kMc:
        return UTF8PROC_CATEGORY_MN;
      case RecentCategory::kNd:
        return UTF8PROC_CATEGORY_ND;
      case RecentCategory::kNo:
        return UTF8PROC_CATEGORY_NO;
      default:
        return UTF8PROC_CATEGORY_SO;
    }
  }
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

CharClass Classify(char32_t c) {
  if (c == '\r' || c == '\n') return CharClass::kNewline;
  if (IsWhiteSpace(c)) return CharClass::kSpace;
  const utf8proc_category_t category = CategoryOf(c);
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) {
    return CharClass::kLetter;
  }
  if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) {
    return CharClass::kNumber;
  }
  return CharClass::kOther;
}

// One byte a character, 1.1 MB, filled at first use.
const std::vector<CharClass>& ClassTable() {
  static const std::vector<CharClass> table = [] {
    std::vector<CharClass> classes(0x110000);
    for (char32_t c = 0; c < 0x110000; ++c) classes[c] = Classify(c);
    return classes;
  }();
  return table;
}

bool IsLeftAloneByNfc(char32_t c) {
  const auto it = std::lower_bound(kLeftAloneByNfc.begin(), kLeftAloneByNfc.end(), c,
                                   [](const CharRange& r, char32_t x) { return r.last < x; });
  return it != kLeftAloneByNfc.end() && it->first <= c;
}

// Sorting the marks here keeps long runs of them n log n; the library's own ordering is quadratic.
void AppendNfc(std::string_view text, std::string* out) {
  if (IsPlainlyNfc(text)) {
    out->append(text);
    return;
  }
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
  std::vector<utf8proc_int32_t> chars;
  chars.reserve(text.size());
  for (std::size_t pos = 0; pos < text.size();) {
    const auto c = static_cast<utf8proc_int32_t>(DecodeUtf8(text, &pos));
    utf8proc_int32_t parts[8];  // canonical decompositions have at most 4
    int boundary = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(c, parts, 8, options, &boundary);
    PAWL_CHECK(count >= 1 && count <= 8);
    chars.insert(chars.end(), parts, parts + count);
  }
  const auto combining = [](utf8proc_int32_t c) {
    return utf8proc_get_property(c)->combining_class;
  };
  const auto is_starter = [&](utf8proc_int32_t c) { return combining(c) == 0; };
  for (auto it = chars.begin(); it != chars.end();) {
    const auto begin = std::find_if_not(it, chars.end(), is_starter);
    it = std::find_if(begin, chars.end(), is_starter);
    std::stable_sort(begin, it, [&](utf8proc_int32_t a, utf8proc_int32_t b) {
      return combining(a) < combining(b);
    });
  }
  const utf8proc_ssize_t length =
      utf8proc_normalize_utf32(chars.data(), static_cast<utf8proc_ssize_t>(chars.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  PAWL_CHECK(length >= 0 && static_cast<std::size_t>(length) <= chars.size());
  for (utf8proc_ssize_t i = 0; i < length; ++i) {
    AppendUtf8(static_cast<char32_t>(chars[static_cast<std::size_t>(i)]), out);
  }
}

char32_t Representative(RecentCategory category, bool four_bytes) {
  switch (category) {
    case RecentCategory::kLu:
      return four_bytes ? 0x10400 : 0x2C00;
    case RecentCategory::kLl:
      return four_bytes ? 0x10428 : 0x2C30;
    case RecentCategory::kLm:
      return four_bytes ? 0x16B40 : 0x1D2C;
    case RecentCategory::kLo:
      return four_bytes ? 0x10280 : 0x0904;
    case RecentCategory::kMn:
      return four_bytes ? 0x101FD : 0x1AB0;
    case RecentCategory::kMc:
      return four_bytes ? 0x11082 : 0x1B04;
    case RecentCategory::kNd:
      return four_bytes ? 0x104A0 : 0x0966;
    case RecentCategory::kNo:
      return four_bytes ? 0x10107 : 0x2460;
    case RecentCategory::kPd:
      return four_bytes ? 0x10EAD : 0x2010;
    case RecentCategory::kPo:
      return four_bytes ? 0x10100 : 0x1B5A;
    case RecentCategory::kSm:
      return four_bytes ? 0x1D6C1 : 0x2200;
    case RecentCategory::kSo:
      return four_bytes ? 0x10137 : 0x2400;
    case RecentCategory::kCf:
      return four_bytes ? 0x110BD : kWordJoiner;
    case RecentCategory::kCount:
      break;
  }
  PAWL_CHECK(false);
  return 0;
}

}  // namespace

CharClass ClassOf(char32_t c) {
  static const CharClass* const table = ClassTable().data();
  return table[c];
}

bool IsWordCharacter(char32_t c) {
  const utf8proc_category_t category = CategoryOf(c);
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) return true;
  if (category == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D) return true;
  // The symbols with Other_Alphabetic: circled and squared Latin letters.
  return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
         (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

bool IsPlainlyNfc(std::string_view text) {
  // Below U+0300 (lead bytes up to CB) nothing combines and nothing decomposes under NFC.
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0xCC;
  });
}

std::string NormalizeNfc(std::string_view text) {
  std::string out;
  if (IsPlainlyNfc(text)) return std::string(text);
  out.reserve(text.size());
  std::size_t begin = 0;
  for (std::size_t pos = 0; pos < text.size();) {
    const std::size_t start = pos;
    const char32_t c = DecodeUtf8(text, &pos);
    if (c < kLeftAloneByNfc.front().first || !IsLeftAloneByNfc(c)) continue;
    AppendNfc(text.substr(begin, start - begin), &out);
    out.append(text.substr(start, pos - start));
    begin = pos;
  }
  AppendNfc(text.substr(begin), &out);
  return out;
}

bool SubstituteForPcre2(std::string_view text, std::string* out) {
  bool changed = false;
  for (std::size_t pos = 0; pos < text.size();) {
    const auto lead = static_cast<unsigned char>(text[pos]);
    if (lead < 0xE0) {  // every character of the tables has three or four bytes
      pos += lead < 0x80 ? 1 : 2;
      continue;
    }
    const std::size_t start = pos;
    const char32_t c = DecodeUtf8(text, &pos);
    char32_t substitute = c;
    if (c == kMongolianVowelSeparator) {
      substitute = kWordJoiner;
    } else if (const RecentRange* recent = FindRecent(c)) {
      substitute = Representative(recent->category, pos - start == 4);
    }
    if (substitute == c) continue;
    if (!changed) *out = text;
    changed = true;
    std::string bytes;
    AppendUtf8(substitute, &bytes);
    out->replace(start, pos - start, bytes);
  }
  return changed;
}

}  // namespace pawl
