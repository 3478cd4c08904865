// Finding added tokens in text, as the reference's two passes do.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/pretokenizer.h"

namespace pawl {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool special = false;  // matters for decoding only: may be skipped
  bool normalized = false;
  bool single_word = false, lstrip = false, rstrip = false;
};

// A piece of text: an added token's match, or (id < 0) what lies between.
struct TextPart {
  Span span;
  std::int32_t id;
};

// Immutable after Add; Split is thread-safe.
class AddedTokenMatcher {
 public:
  // text: what to look for (the content, or its normalised form); not empty.
  void Add(std::string_view text, const AddedToken& token);
  bool empty() const { return tokens_.empty(); }

  // Leftmost, longest matches that do not overlap each other; a match that touches one of the
  // ascending `forbidden` spans does not count, and shorter or later ones get their chance.
  void Split(std::string_view text, std::span<const Span> forbidden,
             std::vector<TextPart>* parts) const;

 private:
  struct Found {
    std::int32_t token = -1;
    std::size_t end = 0;
  };
  Found Longest(std::string_view text, std::size_t pos, std::span<const Span> forbidden) const;

  std::vector<AddedToken> tokens_;
  std::unordered_map<std::uint64_t, std::uint32_t> edges_;  // node << 8 | byte -> node
  std::vector<std::int32_t> token_at_{-1};                  // per node
  bool starts_[256] = {};
};

}  // namespace pawl
