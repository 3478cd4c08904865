// The GPT-2 alphabet that writes each byte as one printable character (vocabulary keys use it).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pawl {

// The character of a byte: 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF stand for themselves, the other 68
// bytes in ascending order are U+0100 to U+0143.
char32_t CharOfByte(unsigned char byte);

std::string ToByteAlphabet(std::string_view bytes);
// The bytes that text stands for; nothing if a character is outside the alphabet (or ill-formed).
std::optional<std::string> FromByteAlphabet(std::string_view text);
// What a decoder makes of a token: its bytes, or the text itself where it is outside the alphabet.
std::string TokenTextToBytes(std::string_view text);

}  // namespace pawl
