// Folders that must hold certain files.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"

namespace pawl {

// kBadFile where `folder` is a folder without the file `name`: it exists, but is not what it was
// given for.  A folder that does not exist is left to whoever opens the file (kUsage).
inline Status NeedsFile(const std::filesystem::path& folder, const char* name) {
  std::error_code unknown;
  if (!std::filesystem::is_directory(folder, unknown) ||
      std::filesystem::exists(folder / name, unknown)) {
    return {};
  }
  return BadFile(folder.string() + ": has no " + name);
}

}  // namespace pawl
