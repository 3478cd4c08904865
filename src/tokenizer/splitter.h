// Hand-written splitters for the patterns that almost every byte-level tokenizer uses.  Each gives
// the pieces of the regular expression it stands for (ClassOf decides letters, numbers, spaces);
// the tests hold them against PCRE2.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace pawl {

enum class KnownPattern : std::uint8_t {
  kGpt2,    // ByteLevel with use_regex
  kQwen2,   // Qwen2, 2.5, 3: each digit alone
  kLlama3,  // Llama 3: up to three digits together
};

inline constexpr std::string_view kGpt2Regex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kQwen2Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
inline constexpr std::string_view kLlama3Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// The known pattern that is written exactly so, if any.
std::optional<KnownPattern> RecogniseRegex(std::string_view regex);

// Appends the byte offset of the end of each piece of text (well-formed; the pieces leave no gap).
void SplitKnown(KnownPattern pattern, std::string_view text, std::vector<std::size_t>* ends);

}  // namespace pawl
