// Regular expressions from configurations, with limits (PCRE2).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pawl {

class AnswerPattern {
 public:
  // kUsage with the position of the mistake.
  static Result<AnswerPattern> Compile(const std::string& pattern);
  // First group (or whole match) of the last match; none when nothing matches or a limit is hit.
  std::optional<std::string> Last(std::string_view text) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace pawl
