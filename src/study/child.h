// This program again, as a child: what it measures of itself is its own.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"

namespace pawl {

// Runs `pawl arguments...` with standard output sent to standard error, and gives its exit code
// (128 + signal where it was killed).  stop: number of a signal to pass on; 0: none.
Result<int> RunSelf(const std::vector<std::string>& arguments, const std::function<int()>& stop);

}  // namespace pawl
