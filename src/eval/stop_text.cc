#include "eval/stop_text.h"

#include <algorithm>

#include "tokenizer/utf8.h"

namespace pawl {

StopTexts::StopTexts(const Tokenizer& tokenizer, std::vector<std::string> texts)
    : tokenizer_(&tokenizer), texts_(std::move(texts)) {
  for (const std::string& text : texts_) longest_ = std::max(longest_, text.size());
}

bool StopTexts::Completes(std::span<const std::int32_t> ids) const {
  if (texts_.empty() || ids.empty()) return false;
  const std::size_t last = tokenizer_->TokenBytes(ids.back()).size();
  if (last == 0) return false;
  std::size_t first = ids.size(), bytes = 0;
  while (first > 0 && bytes < longest_ - 1 + last) {
    bytes += tokenizer_->TokenBytes(ids[--first]).size();
  }
  std::string tail;
  for (const std::int32_t id : ids.subspan(first)) tail += tokenizer_->TokenBytes(id);
  return std::any_of(texts_.begin(), texts_.end(), [&](const std::string& text) {
    // A match must reach into the last token: earlier ones would have ended the completion before.
    const std::size_t reach = last + text.size() - 1;
    const std::size_t from = tail.size() > reach ? tail.size() - reach : 0;
    return tail.find(text, from) != std::string::npos;
  });
}

std::string StopTexts::Cut(std::span<const std::int32_t> ids) const {
  std::string bytes;
  for (const std::int32_t id : ids) bytes += tokenizer_->TokenBytes(id);
  std::size_t end = std::string::npos;
  for (const std::string& text : texts_) end = std::min(end, bytes.find(text));
  if (end == std::string::npos) return tokenizer_->Decode(ids, /*skip_special_tokens=*/true);
  std::string kept;
  std::size_t begin = 0;
  for (const std::int32_t id : ids) {
    const std::string_view piece = tokenizer_->TokenBytes(id);
    if (begin >= end) break;
    if (!tokenizer_->IsSpecial(id)) kept += piece.substr(0, end - begin);
    begin += piece.size();
  }
  return ReplaceIllFormedUtf8(kept);
}

}  // namespace pawl
