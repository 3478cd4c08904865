// One line of `debug stats`: {"stat":"wilson", inputs} -> the result fields, named as in the
// reference data.
#pragma once

#include "base/error.h"
#include "base/json.h"

namespace pawl {
Result<Json> DebugStats(const Json& line);
}
