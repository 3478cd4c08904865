// What this program is: version, commit, compiler.
#pragma once

#include <string>

namespace pawl {

std::string VersionText();   // "pawl 0.1.0 (commit 1a2b3c4d5e6f, GCC 12.2.0)"
std::string CommitText();    // what was built, "-dirty" behind it where the tree had changes
std::string CompilerText();  // "GCC 12.2.0"

}  // namespace pawl
