#include "base/version.h"

#include <fmt/format.h>

#include "pawl_commit.h"

namespace pawl {

std::string CommitText() { return PAWL_COMMIT; }

std::string CompilerText() {
#if defined(__clang__)
  return fmt::format("Clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("GCC {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

std::string VersionText() {
  return fmt::format("pawl {} (commit {}, {})", PAWL_VERSION, CommitText(), CompilerText());
}

}  // namespace pawl
