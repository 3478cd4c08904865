// PCRE2 in UTF and UCP mode, made to see Unicode 16 (unicode.h), with limits on time and memory.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

struct pcre2_real_code_8;

namespace pawl {

// Immutable after Compile; may be used by several threads at once.
class Regex {
 public:
  // place names the pattern in errors.
  static Result<Regex> Compile(const std::string& pattern, const std::string& place);

  // Calls found(begin, end) for each match, left to right, not overlapping, as Oniguruma's
  // find_iter does (an empty match is reported and the search goes on one character later).
  // text must be well-formed UTF-8.  Reaching a limit is a kBadFile error.
  Status ForEachMatch(std::string_view text,
                      const std::function<void(std::size_t, std::size_t)>& found) const;

 private:
  struct Free {
    void operator()(pcre2_real_code_8* code) const;
  };
  std::unique_ptr<pcre2_real_code_8, Free> code_;
  std::string place_;
};

}  // namespace pawl
