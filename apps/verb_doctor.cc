// pawl doctor: what this machine offers and what is wrong with it or the installation.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/statvfs.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "apps/lines.h"
#include "apps/policy.h"
#include "apps/verbs.h"
#include "base/version.h"
#include "kernels/machine.h"

namespace pawl {
namespace {

struct Flags {
  PolicyFlags policy;
  bool json = false;
};

// A line of /proc/meminfo in bytes.
double MemoryInfo(const std::string& key) {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  double kib = 0;
  while (file >> name >> kib) {
    std::getline(file, unit);
    if (name == key + ":") return kib * 1024;
  }
  return 0;
}

// The cgroup's memory limit; 0: none.
double CgroupMemoryLimit() {
  std::ifstream file("/sys/fs/cgroup/memory.max");
  double bytes = 0;
  return file >> bytes ? bytes : 0;
}

std::string HugePages() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string text;
  std::getline(file, text);
  const std::size_t open = text.find('['), close = text.find(']');
  return open == std::string::npos || close == std::string::npos
             ? "unknown"
             : text.substr(open + 1, close - open - 1);
}

double FreeDisk(const std::filesystem::path& where) {
  struct statvfs info {};
  if (statvfs(where.c_str(), &info) != 0) return 0;
  return static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize);
}

struct Finding {
  std::string problem, remedy;
};

std::vector<Finding> Findings(double memory, double disk, const MachinePeaks& peaks, Isa isa) {
  std::vector<Finding> findings;
  const auto add = [&](bool wrong, std::string problem, std::string remedy) {
    if (wrong) findings.push_back({std::move(problem), std::move(remedy)});
  };
  add(isa == Isa::kPortable, "this CPU has neither AVX2 nor AVX-512; everything runs, slowly",
      "use a CPU from 2013 or later");
  add(memory > 0 && memory < 3e9,
      fmt::format("only {:.1f} GB of memory are available", memory / 1e9),
      "close other programs or raise the memory limit; a 0.5B model needs about 3 GB");
  add(disk < 5e9, fmt::format("only {:.1f} GB of disk are free here", disk / 1e9),
      "free some; checkpoints of a 0.5B LoRA run need about 1 GB, of full training 8 GB each");
  add(HugePages() == "never",
      "transparent huge pages are off (measured elsewhere at 5 to 15 % of speed)",
      "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, as root");
  add(peaks.read_gb_per_second < 5,
      fmt::format("memory reads at only {:.1f} GB/s", peaks.read_gb_per_second),
      "see whether other programs are busy; run doctor again");
  std::error_code ignored;
  add(!std::filesystem::exists(StarterFolder() / "model.safetensors", ignored),
      fmt::format("the built-in starter model is missing at {}", StarterFolder().string()),
      "run ./pawl run configs/starter.toml, or use the complete repository");
  return findings;
}

Status Run(const Flags& flags) {
  PAWL_ASSIGN(const Machine machine, OpenMachine(flags.policy));
  const MachinePeaks peaks = MeasureMachine(*machine.pool, machine.compute->isa);
  const double limit = CgroupMemoryLimit();
  double available = MemoryInfo("MemAvailable");
  if (limit > 0 && limit < available) available = limit;
  const double disk = FreeDisk(std::filesystem::current_path());
  const auto findings = Findings(available, disk, peaks, machine.compute->isa);

  Json out;
  out["format_version"] = 1;
  out["version"] = VersionText();
  out["cpu"] = peaks.cpu;
  out["features"] = CpuFeatures();
  out["isa"] = IsaName(machine.compute->isa);
  out["cpus"] = AvailableCpus();
  out["threads"] = machine.pool->size();
  out["memory_bytes"] = MemoryInfo("MemTotal");
  out["memory_available_bytes"] = available;
  out["memory_limit_bytes"] = limit > 0 ? Json(limit) : Json();
  out["huge_pages"] = HugePages();
  out["free_disk_bytes"] = disk;
  out["read_gb_per_second"] = peaks.read_gb_per_second;
  out["fma_gflop_per_second"] = peaks.fma_gflop_per_second;
  out["int8_gop_per_second"] =
      peaks.int8_gop_per_second > 0 ? Json(peaks.int8_gop_per_second) : Json();
  out["problems"] = Json::array();
  for (const Finding& finding : findings) {
    out["problems"].push_back({{"problem", finding.problem}, {"remedy", finding.remedy}});
  }
  if (flags.json) return PrintLine(WriteJson(out));
  std::string text = fmt::format(
      "{}\nCPU          {}\nfeatures     {}\ninstructions {}\nthreads      {} of {} CPUs\n"
      "memory       {:.1f} GB, {:.1f} GB available\nhuge pages   {}\ndisk         {:.1f} GB free "
      "here\n"
      "read         {:.1f} GB/s\nFMA          {:.0f} GFLOP/s (float32)\n",
      VersionText(), peaks.cpu, fmt::join(CpuFeatures(), " "), IsaName(machine.compute->isa),
      machine.pool->size(), AvailableCpus(), MemoryInfo("MemTotal") / 1e9, available / 1e9,
      HugePages(), disk / 1e9, peaks.read_gb_per_second, peaks.fma_gflop_per_second);
  if (peaks.int8_gop_per_second > 0) {
    text += fmt::format("int8         {:.0f} GOP/s\n", peaks.int8_gop_per_second);
  }
  if (findings.empty()) text += "Nothing is wrong.";
  for (const Finding& finding : findings) {
    text += fmt::format("PROBLEM: {}\n  remedy: {}\n", finding.problem, finding.remedy);
  }
  return PrintLine(text);
}

}  // namespace

void AddDoctor(CLI::App& app, VerbResult& result) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      AddVerb(app, "doctor", "what this machine offers and what is wrong with it", "pawl doctor");
  AddThreadFlags(*verb, flags->policy);
  verb->add_flag("--json", flags->json, "one JSON document on standard output");
  verb->callback([flags, &result] { result.status = Run(*flags); });
}

}  // namespace pawl
