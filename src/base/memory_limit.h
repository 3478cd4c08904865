// How much memory this process may use, before it uses it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace pawl {

struct MemoryLimit {
  std::size_t bytes = 0;
  std::string source;  // "the cgroup's memory.max", "ulimit -v" ...
};

// The tightest of the limits that were set on this process: RLIMIT_AS, RLIMIT_DATA, and memory.max
// of its cgroup (v2) and that group's ancestors.  Empty when none is set.
std::optional<MemoryLimit> FindMemoryLimit();

}  // namespace pawl
