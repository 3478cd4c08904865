// JSON Lines in and out, as score, tokenize, grade and some debug verbs do.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace pawl {

// Reads standard input (input empty) or a file line by line, writes one JSON line for each: what
// `answer` gives, or {"error"} in its place.  Lines are counted from 0; blank ones are errors like
// any other.
using LineAnswer = std::function<Result<Json>(const Json& line, std::string_view raw)>;
Status AnswerLines(const std::string& input, const LineAnswer& answer);

// All lines of standard input or a file, parsed; the first malformed one is kBadFile with its
// number.
Result<std::vector<Json>> ReadJsonLines(const std::string& input);

// The field "ids": integers in [0, vocab_size).
Result<std::vector<std::int32_t>> IdsField(const Json& line, std::size_t vocab_size);

// One JSON document or line on standard output; kResources when it cannot be written.
Status PrintLine(const std::string& text);

}  // namespace pawl
