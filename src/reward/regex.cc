#define PCRE2_CODE_UNIT_WIDTH 8
#include "reward/regex.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>

namespace pawl {

struct AnswerPattern::Code {
  pcre2_code* code = nullptr;
  pcre2_match_context* limits = nullptr;
  ~Code() {
    pcre2_code_free(code);
    pcre2_match_context_free(limits);
  }
};

Result<AnswerPattern> AnswerPattern::Compile(const std::string& pattern) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  code->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                             PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &error, &offset, nullptr);
  if (code->code == nullptr) {
    unsigned char message[256] = {};
    pcre2_get_error_message(error, message, sizeof message);
    return Usage(fmt::format("reward.pattern: \"{}\": {} at character {}", pattern,
                             reinterpret_cast<const char*>(message), offset));
  }
  code->limits = pcre2_match_context_create(nullptr);
  pcre2_set_match_limit(code->limits, 100'000);
  pcre2_set_depth_limit(code->limits, 1'000);
  pcre2_set_heap_limit(code->limits, 16'384);
  AnswerPattern compiled;
  compiled.code_ = std::move(code);
  return compiled;
}

std::optional<std::string> AnswerPattern::Last(std::string_view text) const {
  pcre2_match_data* data = pcre2_match_data_create_from_pattern(code_->code, nullptr);
  std::optional<std::string> last;
  std::size_t at = 0;
  while (at <= text.size()) {
    const int count = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()),
                                  text.size(), at, 0, data, code_->limits);
    if (count < 1) break;
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data);
    const int group = count > 1 && ends[2] != PCRE2_UNSET ? 1 : 0;
    last = std::string(text.substr(ends[2 * group], ends[2 * group + 1] - ends[2 * group]));
    // Past the match, or one character on after an empty one: an offset inside a character of
    // UTF-8 would be refused.
    std::size_t next = ends[1] > ends[0] ? ends[1] : ends[1] + 1;
    while (next < text.size() && (static_cast<unsigned char>(text[next]) & 0xC0u) == 0x80u) ++next;
    at = std::max(next, at + 1);
  }
  pcre2_match_data_free(data);
  return last;
}

}  // namespace pawl
