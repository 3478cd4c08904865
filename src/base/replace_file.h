// Files that are there whole or not at all, for whoever writes them in pieces.
#pragma once

#include <filesystem>
#include <functional>

#include "base/error.h"

namespace pawl {

// Calls write(target) and puts what it wrote in the place of `path`: target is a temporary name
// beside it, renamed at the end and removed on failure.  A device or pipe (/dev/stdout, /dev/full)
// is written itself, because a rename would put a plain file in its place.
Status ReplaceFile(const std::filesystem::path& path,
                   const std::function<Status(const std::filesystem::path& target)>& write);

}  // namespace pawl
