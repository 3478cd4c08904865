// Character properties as the Hugging Face tokenizers see them: general categories of Unicode 16
// (utf8proc and PCRE2 of Debian 12 know Unicode 14; what 15 to 16 added is a table here), NFC of
// Unicode 9.  All functions are thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pawl {

enum class CharClass : std::uint8_t {
  kOther,
  kLetter,   // \p{L}
  kNumber,   // \p{N}
  kSpace,    // White_Space without the next two
  kNewline,  // \r \n
};

CharClass ClassOf(char32_t c);
inline bool IsSpaceClass(CharClass c) { return c >= CharClass::kSpace; }

// Alphabetic, mark, decimal digit, connector or join control: \w of the reference's added tokens.
bool IsWordCharacter(char32_t c);

// NFC with the tables of Unicode 9: characters that are younger are left as they are and nothing
// composes or reorders across them.  text must be well-formed.
std::string NormalizeNfc(std::string_view text);
// True where NormalizeNfc(text) == text is sure without looking closely (all below U+0300).
bool IsPlainlyNfc(std::string_view text);

// The text with each character that PCRE2's tables class differently from Unicode 16 replaced by
// one of the right category and the same length in bytes, so that offsets stay true; returns false
// (and leaves *out alone) if nothing needs replacing.
bool SubstituteForPcre2(std::string_view text, std::string* out);

}  // namespace pawl
