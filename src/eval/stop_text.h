// Texts that end a completion (`--stop`), found in the bytes that its tokens stand for, special
// tokens included, so that "<|im_end|>" works as a stop text too.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace pawl {

// Keeps a reference to the tokenizer.  Thread-safe.
class StopTexts {
 public:
  // texts: not empty strings.
  StopTexts(const Tokenizer& tokenizer, std::vector<std::string> texts);
  bool empty() const { return texts_.empty(); }

  // Whether the last of `ids` completes one of the texts; looks no further back than the longest.
  bool Completes(std::span<const std::int32_t> ids) const;
  // The completion's text without special tokens, cut before the first stop text.
  std::string Cut(std::span<const std::int32_t> ids) const;

 private:
  const Tokenizer* tokenizer_;
  std::vector<std::string> texts_;
  std::size_t longest_ = 0;
};

}  // namespace pawl
