#include "tokenizer/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace pawl {
namespace {

constexpr std::uint32_t kMatchLimit = 50'000'000;
constexpr std::uint32_t kDepthLimit = 50'000'000;
constexpr std::uint32_t kHeapLimitKib = 512 * 1024;
constexpr std::size_t kJitStackStart = 32 * 1024;
constexpr std::size_t kJitStackMax = 16 * 1024 * 1024;

std::string Pcre2Message(int code) {
  PCRE2_UCHAR8 buffer[256];
  if (pcre2_get_error_message_8(code, buffer, sizeof buffer) < 0) return fmt::format("{}", code);
  return reinterpret_cast<const char*>(buffer);
}

template <auto function>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    function(object);
  }
};
template <class T, auto function>
using Owned = std::unique_ptr<T, Deleter<function>>;

}  // namespace

void Regex::Free::operator()(pcre2_real_code_8* code) const { pcre2_code_free_8(code); }

Result<Regex> Regex::Compile(const std::string& pattern, const std::string& place) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code_8* code =
      pcre2_compile_8(reinterpret_cast<PCRE2_SPTR8>(pattern.data()), pattern.size(),
                      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (code == nullptr) {
    return BadFile(
        fmt::format("{}: regular expression is wrong at byte {}: {}; expected one that "
                    "PCRE2 accepts",
                    place, offset, Pcre2Message(error)));
  }
  Regex regex;
  regex.code_.reset(code);
  regex.place_ = place;
  (void)pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE);  // without it matching is slower, not other
  return regex;
}

Status Regex::ForEachMatch(std::string_view text,
                           const std::function<void(std::size_t, std::size_t)>& found) const {
  std::string substituted;
  const std::string_view subject = SubstituteForPcre2(text, &substituted) ? substituted : text;
  const Owned<pcre2_match_data_8, pcre2_match_data_free_8> data(
      pcre2_match_data_create_from_pattern_8(code_.get(), nullptr));
  const Owned<pcre2_match_context_8, pcre2_match_context_free_8> context(
      pcre2_match_context_create_8(nullptr));
  Owned<pcre2_jit_stack_8, pcre2_jit_stack_free_8> stack;
  if (!data || !context) return Fail(ErrorCode::kResources, place_ + ": out of memory");
  pcre2_set_match_limit_8(context.get(), kMatchLimit);
  pcre2_set_depth_limit_8(context.get(), kDepthLimit);
  pcre2_set_heap_limit_8(context.get(), kHeapLimitKib);
  const auto* bytes = reinterpret_cast<PCRE2_SPTR8>(subject.data());
  const auto match = [&](std::size_t pos, std::uint32_t options) {
    return pcre2_match_8(code_.get(), bytes, subject.size(), pos, PCRE2_NO_UTF_CHECK | options,
                         data.get(), context.get());
  };
  for (std::size_t pos = 0; pos <= subject.size();) {
    int rc = match(pos, 0);
    // The matcher's own 32 KiB nearly always do; a stack of ours takes longer than a short text.
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT && !stack) {
      stack.reset(pcre2_jit_stack_create_8(kJitStackStart, kJitStackMax, nullptr));
      pcre2_jit_stack_assign_8(context.get(), nullptr, stack.get());
      rc = match(pos, 0);
    }
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) rc = match(pos, PCRE2_NO_JIT);
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0) {
      return BadFile(
          fmt::format("{}: matching gave up at byte {} of {}: {}; the pattern needs too "
                      "much work for this text",
                      place_, pos, subject.size(), Pcre2Message(rc)));
    }
    const PCRE2_SIZE* span = pcre2_get_ovector_pointer_8(data.get());
    const std::size_t begin = span[0], end = span[1];
    if (end < begin) {
      return BadFile(place_ + ": \\K inside a lookaround is not supported in a pattern");
    }
    found(begin, end);
    pos = end;
    if (begin == end) {
      if (end >= subject.size()) break;
      DecodeUtf8(subject, &pos);
    }
  }
  return {};
}

}  // namespace pawl
