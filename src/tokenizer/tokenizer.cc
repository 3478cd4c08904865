#include "tokenizer/tokenizer.h"

#include <algorithm>

#include "tokenizer/tokenizer_state.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace pawl {
namespace {

// A cache from the pool for the length of a call.
class LentCache {
 public:
  explicit LentCache(PieceCachePool* pool) : pool_(pool), cache_(pool->Take()) {}
  ~LentCache() { pool_->Return(std::move(cache_)); }
  LentCache(const LentCache&) = delete;
  LentCache& operator=(const LentCache&) = delete;
  PieceCache* get() const { return cache_.get(); }

 private:
  PieceCachePool* pool_;
  std::unique_ptr<PieceCache> cache_;
};

// The spans that touch [part.begin, part.end), moved so that the part starts at 0.
std::vector<Span> Within(std::span<const Span> spans, const Span& part) {
  std::vector<Span> inside;
  for (const Span& span : spans) {
    const std::size_t begin = std::max(span.begin, part.begin);
    const std::size_t end = std::min(span.end, part.end);
    if (begin < end) inside.push_back({begin - part.begin, end - part.begin});
  }
  return inside;
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<std::int32_t> Tokenizer::Encode(std::string_view text, ControlTokens mode) const {
  std::vector<std::int32_t> ids;
  // Not strict: cannot fail.
  (void)EncodeText(text, {}, mode == ControlTokens::kRecognise, false, &ids);
  return ids;
}

Result<std::vector<std::int32_t>> Tokenizer::TryEncode(std::string_view text,
                                                       ControlTokens mode) const {
  std::vector<std::int32_t> ids;
  PAWL_TRY(EncodeText(text, {}, mode == ControlTokens::kRecognise, true, &ids));
  return ids;
}

Result<std::vector<std::int32_t>> Tokenizer::EncodeWithPlainSpans(
    std::string_view text, std::span<const Span> plain) const {
  std::vector<std::int32_t> ids;
  if (IsWellFormedUtf8(text)) {
    PAWL_TRY(EncodeText(text, plain, true, true, &ids));
    return ids;
  }
  // Repairing the text moves offsets: repair the parts on their own.
  std::string repaired;
  std::vector<Span> moved;
  std::size_t done = 0;
  for (const Span& span : plain) {
    repaired += ReplaceIllFormedUtf8(text.substr(done, span.begin - done));
    const std::size_t begin = repaired.size();
    repaired += ReplaceIllFormedUtf8(text.substr(span.begin, span.size()));
    moved.push_back({begin, repaired.size()});
    done = span.end;
  }
  repaired += ReplaceIllFormedUtf8(text.substr(done));
  PAWL_TRY(EncodeText(repaired, moved, true, true, &ids));
  return ids;
}

Status Tokenizer::EncodeText(std::string_view text, std::span<const Span> plain, bool recognise,
                             bool strict, std::vector<std::int32_t>* ids) const {
  std::string repaired;
  if (!IsWellFormedUtf8(text)) {
    repaired = ReplaceIllFormedUtf8(text);
    text = repaired;
  }
  ids->reserve(ids->size() + text.size() / 4);
  if (!recognise) return EncodePart(text, {}, false, strict, ids);
  std::vector<TextPart> parts;
  state_->raw_matcher.Split(text, plain, &parts);
  for (const TextPart& part : parts) {
    if (part.id >= 0) {
      ids->push_back(part.id);
      continue;
    }
    PAWL_TRY(EncodePart(text.substr(part.span.begin, part.span.size()), Within(plain, part.span),
                        true, strict, ids));
  }
  return {};
}

Status Tokenizer::EncodePart(std::string_view text, std::span<const Span> plain, bool recognise,
                             bool strict, std::vector<std::int32_t>* ids) const {
  std::string normalized = state_->nfc ? NormalizeNfc(text) : std::string(text);
  std::vector<TextPart> parts;
  if (recognise && !state_->normalized_matcher.empty()) {
    // Where normalising moved offsets under plain spans, no match is allowed: rather a control
    // token too few than one that a user wrote.
    std::vector<Span> forbidden(plain.begin(), plain.end());
    if (!plain.empty() && normalized != text) forbidden.assign(1, {0, normalized.size()});
    state_->normalized_matcher.Split(normalized, forbidden, &parts);
  } else if (!normalized.empty()) {
    parts.push_back({{0, normalized.size()}, -1});
  }
  const LentCache cache(&state_->caches);
  std::vector<Span> spans;
  for (const TextPart& part : parts) {
    if (part.id >= 0) {
      ids->push_back(part.id);
      continue;
    }
    std::string piece = parts.size() == 1 ? std::move(normalized)
                                          : normalized.substr(part.span.begin, part.span.size());
    const Status split = state_->pre_tokenizer.Split(&piece, &spans);
    if (!split) {
      if (strict) return split;
      spans.assign(1, {0, piece.size()});
    }
    const std::string_view view = piece;
    for (const Span& span : spans) {
      state_->bpe->EncodePiece(view.substr(span.begin, span.size()), cache.get(), ids);
    }
  }
  return {};
}

std::string Tokenizer::Decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const {
  std::string bytes;
  for (const std::int32_t id : ids) {
    if (skip_special_tokens && IsSpecial(id)) continue;
    bytes += TokenBytes(id);
  }
  return IsWellFormedUtf8(bytes) ? bytes : ReplaceIllFormedUtf8(bytes);
}

std::string_view Tokenizer::TokenBytes(std::int32_t id) const {
  if (id < 0 || id >= vocab_size()) return {};
  return state_->bytes[static_cast<std::size_t>(id)];
}

std::int32_t Tokenizer::vocab_size() const {
  return static_cast<std::int32_t>(state_->bytes.size());
}

std::optional<std::int32_t> Tokenizer::IdOf(std::string_view content) const {
  for (const AddedToken& token : state_->added) {
    if (token.content == content) return token.id;
  }
  return state_->bpe->IdOfKey(content);
}

bool Tokenizer::IsSpecial(std::int32_t id) const {
  return id >= 0 && id < vocab_size() && state_->special[static_cast<std::size_t>(id)];
}

const std::vector<AddedToken>& Tokenizer::added_tokens() const { return state_->added; }
const std::optional<NamedToken>& Tokenizer::bos() const { return state_->bos; }
const std::optional<NamedToken>& Tokenizer::eos() const { return state_->eos; }
const std::optional<NamedToken>& Tokenizer::pad() const { return state_->pad; }
const std::optional<NamedToken>& Tokenizer::unk() const { return state_->unk; }
const std::optional<std::string>& Tokenizer::chat_template() const { return state_->chat_template; }

}  // namespace pawl
