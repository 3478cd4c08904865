#include "base/memory_limit.h"

#include <sys/resource.h>

#include <fstream>

namespace pawl {
namespace {

void Consider(std::size_t bytes, const char* source, std::optional<MemoryLimit>& tightest) {
  if (!tightest || bytes < tightest->bytes) tightest = MemoryLimit{bytes, source};
}

}  // namespace

std::optional<MemoryLimit> FindMemoryLimit() {
  std::optional<MemoryLimit> tightest;
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    Consider(limit.rlim_cur, "ulimit -v", tightest);
  }
  if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    Consider(limit.rlim_cur, "ulimit -d", tightest);
  }
  std::ifstream membership("/proc/self/cgroup");
  std::string path;
  for (std::string line; std::getline(membership, line);) {
    if (line.rfind("0::", 0) == 0) path = line.substr(3);
  }
  for (;;) {
    std::ifstream file("/sys/fs/cgroup" + path + "/memory.max");
    std::size_t bytes = 0;
    if (file >> bytes) Consider(bytes, "the cgroup's memory.max", tightest);  // "max" is no number
    const auto slash = path.rfind('/');
    if (path.empty() || slash == std::string::npos) return tightest;
    path.resize(slash);
  }
}

}  // namespace pawl
