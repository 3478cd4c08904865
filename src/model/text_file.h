// Files that appear complete or not at all.  Private to model/.
#pragma once

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "base/error.h"

namespace pawl {

// Calls write(temporary) and renames the result to `path`; removes it when either fails.
template <class Write>
Status ThroughTemporary(const std::filesystem::path& path, Write&& write) {
  const std::filesystem::path temporary = path.string() + ".tmp";
  Status status = write(temporary);
  std::error_code error;
  if (status) {
    std::filesystem::rename(temporary, path, error);
    if (error) {
      status = Fail(ErrorCode::kResources,
                    path.string() + ": cannot be renamed into place: " + error.message());
    }
  }
  if (!status) std::filesystem::remove(temporary, error);
  return status;
}

inline Status WriteTextFile(const std::filesystem::path& path, const std::string& text) {
  return ThroughTemporary(path, [&](const std::filesystem::path& temporary) -> Status {
    std::ofstream file(temporary, std::ios::binary);
    file.write(text.data(), static_cast<std::streamsize>(text.size()));
    file.close();
    if (!file) {
      return Fail(ErrorCode::kResources,
                  path.string() + ": cannot be written; is the disk full or the folder read-only?");
    }
    return {};
  });
}

}  // namespace pawl
