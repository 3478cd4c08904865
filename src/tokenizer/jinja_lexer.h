// A template cut into text and tokens, white space controlled as with trim_blocks and
// lstrip_blocks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pawl::jinja {

enum class TokenKind {
  kText,
  kOutputBegin,
  kOutputEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kInteger,
  kFloat,
  kString,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind;
  std::string text;  // of strings: unescaped
  int line = 1;
};

Result<std::vector<Token>> Tokenize(std::string_view source);

}  // namespace pawl::jinja
