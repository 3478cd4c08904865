// Where the reference data for tests lies: the folder `shared` beside the project.  It is not part
// of the project; tests that need it skip with a printed reason where it is missing.
#pragma once

#include <filesystem>
#include <string>

namespace pawl {

inline std::filesystem::path SharedDir() {
  return std::filesystem::path(PAWL_SOURCE_DIR).parent_path() / "shared";
}
inline bool HasShared() { return std::filesystem::is_directory(SharedDir()); }

}  // namespace pawl

// In a test's body: skips it where the data is missing.
#define PAWL_NEED_SHARED() \
  if (!::pawl::HasShared()) GTEST_SKIP() << "needs ../shared (reference data), not found"
