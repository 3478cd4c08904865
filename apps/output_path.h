// Where a verb is told to write, checked before its work begins.
#pragma once

#include <string>

#include "base/error.h"

namespace pawl {

// kUsage naming `flag` unless `path` can become a file: its folder must exist, and it must not be a
// folder itself.
Status CheckOutputFile(const char* flag, const std::string& path);

// kUsage naming `flag` where a part of `path` that exists is not a folder; the rest can be made.
Status CheckOutputFolder(const char* flag, const std::string& path);

}  // namespace pawl
