#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace pawl {
namespace {

bool WordBefore(std::string_view text, std::size_t pos) {
  if (pos == 0) return false;
  std::size_t start = PreviousUtf8(text, pos);
  return IsWordCharacter(DecodeUtf8(text, &start));
}

bool WordAt(std::string_view text, std::size_t pos) {
  return pos < text.size() && IsWordCharacter(DecodeUtf8(text, &pos));
}

std::size_t SpaceLeftOf(std::string_view text, std::size_t pos) {
  while (pos > 0) {
    const std::size_t start = PreviousUtf8(text, pos);
    std::size_t next = start;
    if (!IsSpaceClass(ClassOf(DecodeUtf8(text, &next)))) break;
    pos = start;
  }
  return pos;
}

std::size_t SpaceRightOf(std::string_view text, std::size_t pos) {
  while (pos < text.size()) {
    std::size_t next = pos;
    if (!IsSpaceClass(ClassOf(DecodeUtf8(text, &next)))) break;
    pos = next;
  }
  return pos;
}

}  // namespace

void AddedTokenMatcher::Add(std::string_view text, const AddedToken& token) {
  starts_[static_cast<unsigned char>(text[0])] = true;
  std::uint32_t node = 0;
  for (const char byte : text) {
    const std::uint64_t edge =
        static_cast<std::uint64_t>(node) << 8 | static_cast<unsigned char>(byte);
    const auto fresh = static_cast<std::uint32_t>(token_at_.size());
    const auto [it, inserted] = edges_.emplace(edge, fresh);
    if (inserted) token_at_.push_back(-1);
    node = it->second;
  }
  if (token_at_[node] < 0) token_at_[node] = static_cast<std::int32_t>(tokens_.size());
  tokens_.push_back(token);
}

AddedTokenMatcher::Found AddedTokenMatcher::Longest(std::string_view text, std::size_t pos,
                                                    std::span<const Span> forbidden) const {
  // The first forbidden span that ends behind pos bounds the match.
  const auto span = std::upper_bound(forbidden.begin(), forbidden.end(), pos,
                                     [](std::size_t p, const Span& s) { return p < s.end; });
  const std::size_t limit = span == forbidden.end() ? text.size() : std::max(pos, span->begin);
  Found found;
  std::uint32_t node = 0;
  for (std::size_t i = pos; i < limit; ++i) {
    const auto edge =
        edges_.find(static_cast<std::uint64_t>(node) << 8 | static_cast<unsigned char>(text[i]));
    if (edge == edges_.end()) break;
    node = edge->second;
    if (token_at_[node] >= 0) found = {token_at_[node], i + 1};
  }
  return found;
}

void AddedTokenMatcher::Split(std::string_view text, std::span<const Span> forbidden,
                              std::vector<TextPart>* parts) const {
  std::size_t emitted = 0;
  for (std::size_t pos = 0; pos < text.size() && !tokens_.empty();) {
    if (!starts_[static_cast<unsigned char>(text[pos])]) {
      ++pos;
      continue;
    }
    const Found found = Longest(text, pos, forbidden);
    if (found.token < 0) {
      ++pos;
      continue;
    }
    std::size_t begin = pos, end = found.end;
    pos = end;
    const AddedToken& token = tokens_[static_cast<std::size_t>(found.token)];
    if (token.single_word && (WordBefore(text, begin) || WordAt(text, end))) continue;
    if (token.lstrip) begin = std::max(SpaceLeftOf(text, begin), emitted);
    if (token.rstrip) end = SpaceRightOf(text, end);
    if (emitted < begin) parts->push_back({{emitted, begin}, -1});
    parts->push_back({{begin, end}, token.id});
    emitted = end;
  }
  if (emitted < text.size()) parts->push_back({{emitted, text.size()}, -1});
}

}  // namespace pawl
