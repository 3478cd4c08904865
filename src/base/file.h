// Reading files whole or line by line.  Writing goes through base/file_system.h.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pawl {

// The bytes of a file.  A path that does not exist is kUsage, one that cannot be read or is larger
// than max_bytes is kBadFile.
Result<std::string> ReadFile(const std::filesystem::path& path,
                             std::size_t max_bytes = std::size_t{4} << 30);

// Calls line(text, number) for each line without its '\n' (a final '\r' is dropped too), numbers
// from 0; stops at the first error.
Status ForEachLine(std::string_view text,
                   const std::function<Status(std::string_view, std::size_t)>& line);

}  // namespace pawl
