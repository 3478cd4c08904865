// A comparison of bench results (the document of `compare --json`) as a report.
#pragma once

#include "base/json.h"
#include "report/document.h"

namespace pawl {

// Rows, what may be said of each pair, and the won and lost problems with both answers side by
// side; examples: of each kind at most so many.  words[i]: what may be said of pair i.
Document ComparisonDocument(const Json& comparison, const std::vector<std::string>& words,
                            std::size_t examples);

}  // namespace pawl
