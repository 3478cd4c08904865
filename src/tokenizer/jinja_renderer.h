// Runs a parsed template.  Private to tokenizer/.
#pragma once

#include "tokenizer/jinja_parser.h"

namespace pawl::jinja {

struct Limits {
  long long steps = 2'000'000;
  std::size_t output_bytes = kMaxTextBytes;
  int depth = 400;  // statements, expressions and macros inside each other
};

// variables: the names that the template sees.  raise_exception's message comes back as the
// error's.
Result<Text> Render(const Statements& statements, const Dict& variables, const Limits& limits);

}  // namespace pawl::jinja
