#include "apps/output_path.h"

#include <fmt/format.h>

#include <filesystem>

namespace pawl {

namespace fs = std::filesystem;

Status CheckOutputFile(const char* flag, const std::string& path) {
  std::error_code unknown;  // what cannot be looked at is left to the write
  if (path.empty()) return Usage(fmt::format("{}: is empty, expected the name of a file", flag));
  if (fs::is_directory(path, unknown)) {
    return Usage(fmt::format("{} {}: is a folder, expected the name of a file", flag, path));
  }
  const fs::path parent = fs::path(path).parent_path();
  if (parent.empty() || fs::is_directory(parent, unknown)) return {};
  return Usage(fmt::format("{} {}: the folder {} does not exist; make it or choose another", flag,
                           path, parent.string()));
}

Status CheckOutputFolder(const char* flag, const std::string& path) {
  std::error_code unknown;
  fs::path part;
  for (const fs::path& name : fs::path(path)) {
    part /= name;
    if (fs::exists(part, unknown) && !fs::is_directory(part, unknown)) {
      return Usage(
          fmt::format("{} {}: {} is not a folder; choose another", flag, path, part.string()));
    }
  }
  return {};
}

}  // namespace pawl
