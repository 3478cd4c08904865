// UTF-8 by Unicode Table 3-7 (well-formed byte sequences).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pawl {

enum class Utf8Kind : std::uint8_t {
  kChar,       // a whole character
  kIllFormed,  // a maximal ill-formed subpart: one U+FFFD stands for it
  kTruncated,  // a proper prefix of a character that reaches the end of the bytes
};

struct Utf8Step {
  Utf8Kind kind;
  std::size_t length;  // bytes, 1 to 4
};

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

// What stands at the start of bytes, which must not be empty.
Utf8Step NextUtf8(std::string_view bytes);

// The character at text[*pos], which must be well-formed; moves *pos behind it.
inline char32_t DecodeUtf8(std::string_view text, std::size_t* pos) {
  const auto at = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[*pos + i]));
  };
  const char32_t lead = at(0);
  if (lead < 0x80) {
    *pos += 1;
    return lead;
  }
  if (lead < 0xE0) {
    const char32_t c = ((lead & 0x1F) << 6) | (at(1) & 0x3F);
    *pos += 2;
    return c;
  }
  if (lead < 0xF0) {
    const char32_t c = ((lead & 0x0F) << 12) | ((at(1) & 0x3F) << 6) | (at(2) & 0x3F);
    *pos += 3;
    return c;
  }
  const char32_t c =
      ((lead & 0x07) << 18) | ((at(1) & 0x3F) << 12) | ((at(2) & 0x3F) << 6) | (at(3) & 0x3F);
  *pos += 4;
  return c;
}

// The start of the character that ends right before pos (pos > 0, text well-formed).
inline std::size_t PreviousUtf8(std::string_view text, std::size_t pos) {
  do {
    --pos;
  } while (pos > 0 && (static_cast<unsigned char>(text[pos]) & 0xC0) == 0x80);
  return pos;
}

void AppendUtf8(char32_t c, std::string* out);

bool IsWellFormedUtf8(std::string_view bytes);

// Each maximal ill-formed subpart (a truncated tail too) becomes one U+FFFD.
std::string ReplaceIllFormedUtf8(std::string_view bytes);

}  // namespace pawl
