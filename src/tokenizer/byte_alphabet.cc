#include "tokenizer/byte_alphabet.h"

#include <array>

#include "tokenizer/utf8.h"

namespace pawl {
namespace {

constexpr char32_t kFirstExtra = 0x100;
constexpr std::size_t kAlphabetEnd = 0x144;

struct Alphabet {
  std::array<char32_t, 256> to_char{};
  std::array<int, kAlphabetEnd> to_byte{};
};

const Alphabet& TheAlphabet() {
  static const Alphabet alphabet = [] {
    Alphabet result;
    result.to_byte.fill(-1);
    char32_t extra = kFirstExtra;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool itself =
          (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      const char32_t c = itself ? static_cast<char32_t>(byte) : extra++;
      result.to_char[byte] = c;
      result.to_byte[c] = static_cast<int>(byte);
    }
    return result;
  }();
  return alphabet;
}

}  // namespace

char32_t CharOfByte(unsigned char byte) { return TheAlphabet().to_char[byte]; }

std::string ToByteAlphabet(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) AppendUtf8(CharOfByte(static_cast<unsigned char>(byte)), &out);
  return out;
}

std::optional<std::string> FromByteAlphabet(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Step step = NextUtf8(text);
    if (step.kind != Utf8Kind::kChar) return std::nullopt;
    std::size_t pos = 0;
    const char32_t c = DecodeUtf8(text, &pos);
    if (c >= kAlphabetEnd || TheAlphabet().to_byte[c] < 0) return std::nullopt;
    out.push_back(static_cast<char>(TheAlphabet().to_byte[c]));
    text.remove_prefix(pos);
  }
  return out;
}

std::string TokenTextToBytes(std::string_view text) {
  auto bytes = FromByteAlphabet(text);
  return bytes ? std::move(*bytes) : std::string(text);
}

}  // namespace pawl
