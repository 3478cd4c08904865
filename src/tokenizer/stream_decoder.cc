#include "tokenizer/stream_decoder.h"

#include <string_view>

#include "tokenizer/tokenizer.h"
#include "tokenizer/utf8.h"

namespace pawl {

std::string StreamDecoder::Push(std::int32_t id) {
  if (skip_special_tokens_ && tokenizer_->IsSpecial(id)) return {};
  held_ += tokenizer_->TokenBytes(id);
  std::string text;
  std::string_view rest = held_;
  while (!rest.empty()) {
    const Utf8Step step = NextUtf8(rest);
    if (step.kind == Utf8Kind::kTruncated) break;
    text += step.kind == Utf8Kind::kChar ? rest.substr(0, step.length) : kReplacementCharacter;
    rest.remove_prefix(step.length);
  }
  held_ = std::string(rest);
  return text;
}

std::string StreamDecoder::Flush() {
  if (held_.empty()) return {};
  held_.clear();
  return std::string(kReplacementCharacter);
}

}  // namespace pawl
