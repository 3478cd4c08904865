// What the operating system says of this machine, and what is wrong with it: `doctor`'s knowledge.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/memory_limit.h"
#include "kernels/compute.h"
#include "kernels/machine.h"

namespace pawl {

struct SystemFacts {
  int online_cpus = 0;  // of the machine
  int usable_cpus = 0;  // what affinity and cgroup quota leave (AvailableCpus)
  double memory_bytes = 0, available_bytes = 0;
  std::optional<MemoryLimit> limit;    // set on this process
  std::string huge_pages = "unknown";  // transparent ones: "always", "madvise", "never"
  std::string governor;                // of the first CPU's frequency; "" where none is shown
  long long throttle_events = 0;       // thermal ones since the machine started, over all cores
  double load = 0;                     // processes that ran or waited in the last minute
  double free_disk_bytes = 0;          // of the current folder
};
// proc, sys: where these file systems are mounted; tests give folders of their own.
SystemFacts ReadSystem(const std::filesystem::path& proc = "/proc",
                       const std::filesystem::path& sys = "/sys");

// Rates of arithmetic over about two seconds, all threads, relative to the best slice.  A machine
// that slows down for heat or power falls from `begin` to `end`; one that others use varies.
struct SteadyRate {
  double begin = 1, end = 1;  // medians of the first and last third
  double least = 1;           // the slowest slice
};
SteadyRate MeasureSteadyRate(ThreadPool& pool, Isa isa);

// A problem and what to do about it.
struct SystemProblem {
  std::string problem, remedy;
};
std::vector<SystemProblem> FindProblems(const SystemFacts& facts, const MachinePeaks& peaks,
                                        const SteadyRate& steady, Isa isa);

}  // namespace pawl
