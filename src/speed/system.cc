#include "speed/system.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <fstream>

#include "base/thread_pool.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

std::string FirstLine(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// A line of meminfo in bytes; 0 where it is missing.
double MemoryInfo(const fs::path& proc, const std::string& key) {
  std::ifstream file(proc / "meminfo");
  std::string name, unit;
  double kib = 0;
  while (file >> name >> kib) {
    std::getline(file, unit);
    if (name == key + ":") return kib * 1024;
  }
  return 0;
}

int OnlineCpus(const fs::path& proc) {
  std::ifstream file(proc / "cpuinfo");
  int count = 0;
  for (std::string line; std::getline(file, line);) count += line.rfind("processor", 0) == 0;
  return count;
}

std::string HugePages(const fs::path& sys) {
  const std::string text = FirstLine(sys / "kernel/mm/transparent_hugepage/enabled");
  const std::size_t open = text.find('['), close = text.find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return "unknown";
  return text.substr(open + 1, close - open - 1);
}

long long ThrottleEvents(const fs::path& sys) {
  long long events = 0;
  std::error_code ignored;
  for (const auto& cpu : fs::directory_iterator(sys / "devices/system/cpu", ignored)) {
    std::ifstream file(cpu.path() / "thermal_throttle/core_throttle_count");
    long long count = 0;
    if (file >> count) events += count;
  }
  return events;
}

double FreeDisk(const fs::path& where) {
  struct statvfs info {};
  if (statvfs(where.c_str(), &info) != 0) return 0;
  return static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize);
}

}  // namespace

SystemFacts ReadSystem(const fs::path& proc, const fs::path& sys) {
  SystemFacts facts;
  facts.online_cpus = OnlineCpus(proc);
  facts.usable_cpus = AvailableCpus();
  facts.memory_bytes = MemoryInfo(proc, "MemTotal");
  facts.available_bytes = MemoryInfo(proc, "MemAvailable");
  facts.limit = FindMemoryLimit();
  if (facts.limit) {
    facts.available_bytes =
        std::min(facts.available_bytes, static_cast<double>(facts.limit->bytes));
  }
  facts.huge_pages = HugePages(sys);
  facts.governor = FirstLine(sys / "devices/system/cpu/cpu0/cpufreq/scaling_governor");
  facts.throttle_events = ThrottleEvents(sys);
  std::ifstream(proc / "loadavg") >> facts.load;
  std::error_code ignored;
  facts.free_disk_bytes = FreeDisk(fs::current_path(ignored));
  return facts;
}

SteadyRate MeasureSteadyRate(ThreadPool& pool, Isa isa) {
  constexpr int kThird = 12;
  std::vector<double> rates;
  for (int slice = 0; slice < 3 * kThird; ++slice) {
    rates.push_back(FmaRate(pool, isa, 0.055));
  }
  const double best = *std::max_element(rates.begin(), rates.end());
  const auto median = [&](int from) {
    std::vector<double> part(rates.begin() + from, rates.begin() + from + kThird);
    std::nth_element(part.begin(), part.begin() + kThird / 2, part.end());
    return part[kThird / 2] / best;
  };
  return {median(0), median(2 * kThird), *std::min_element(rates.begin(), rates.end()) / best};
}

std::vector<SystemProblem> FindProblems(const SystemFacts& facts, const MachinePeaks& peaks,
                                        const SteadyRate& steady, Isa isa) {
  std::vector<SystemProblem> problems;
  const auto add = [&](bool wrong, std::string problem, std::string remedy) {
    if (wrong) problems.push_back({std::move(problem), std::move(remedy)});
  };
  add(isa == Isa::kPortable, "this CPU has neither AVX2 nor AVX-512; everything runs, slowly",
      "use a CPU from 2013 or later");
  add(facts.usable_cpus < facts.online_cpus,
      fmt::format("only {} of {} CPUs may be used: an affinity mask or a cgroup quota",
                  facts.usable_cpus, facts.online_cpus),
      "give the container more CPUs (cpu.max, --cpus), or start without taskset");
  add(facts.available_bytes > 0 && facts.available_bytes < 3e9,
      fmt::format("only {:.1f} GB of memory are available{}", facts.available_bytes / 1e9,
                  facts.limit ? ", by " + facts.limit->source : ""),
      "close other programs or raise the memory limit; a 0.5B model needs about 3 GB");
  add(facts.free_disk_bytes < 5e9,
      fmt::format("only {:.1f} GB of disk are free here", facts.free_disk_bytes / 1e9),
      "free some; checkpoints of a 0.5B LoRA run need about 1 GB, of full training 8 GB each");
  add(facts.huge_pages == "never",
      "transparent huge pages are off (measured elsewhere at 5 to 15 % of speed)",
      "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, as root");
  add(facts.governor == "powersave" || facts.governor == "conservative",
      fmt::format("the CPU's frequency governor is {}", facts.governor),
      "echo performance > /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor, as root, if the "
      "rate below is not steady (with intel_pstate or amd-pstate powersave may be harmless)");
  add(facts.throttle_events > 0,
      fmt::format("the CPU was slowed down for heat {} times since the machine started",
                  facts.throttle_events),
      "clean the fans, lift a laptop off soft ground, or train with fewer threads");
  add(steady.end < 0.85 * steady.begin,
      fmt::format("arithmetic falls to {:.0f} % of its first rate within two seconds: heat or a "
                  "power limit",
                  100 * steady.end / steady.begin),
      "plug a laptop in and cool it; a night's plan should count on the lower rate");
  const bool busy = facts.load > 0.5 * facts.usable_cpus + 1;
  add(steady.least < 0.5 || busy,
      fmt::format("the CPUs are shared: the slowest of 36 measurements reached {:.0f} % of the "
                  "best, load {:.1f}",
                  100 * steady.least, facts.load),
      "stop other programs for speed measurements; results of training do not depend on it");
  add(peaks.read_gb_per_second < 5,
      fmt::format("memory reads at only {:.1f} GB/s", peaks.read_gb_per_second),
      "see whether other programs are busy; run doctor again");
  return problems;
}

}  // namespace pawl
