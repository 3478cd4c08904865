// pawl doctor: what this machine offers and what is wrong with it or the installation.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <filesystem>

#include "apps/lines.h"
#include "apps/policy.h"
#include "apps/verbs.h"
#include "base/version.h"
#include "speed/system.h"

namespace pawl {
namespace {

struct Flags {
  PolicyFlags policy;
  bool json = false;
};

Status Run(const Flags& flags) {
  PAWL_ASSIGN(const Machine machine, OpenMachine(flags.policy));
  const MachinePeaks peaks = MeasureMachine(*machine.pool, machine.compute->isa);
  const SteadyRate steady = MeasureSteadyRate(*machine.pool, machine.compute->isa);
  const SystemFacts facts = ReadSystem();
  auto problems = FindProblems(facts, peaks, steady, machine.compute->isa);
  std::error_code ignored;
  if (!std::filesystem::exists(StarterFolder() / "model.safetensors", ignored)) {
    problems.push_back(
        {fmt::format("the built-in starter model is missing at {}", StarterFolder().string()),
         "run ./pawl run configs/starter.toml, or use the complete repository"});
  }

  Json out;
  out["format_version"] = 1;
  out["version"] = VersionText();
  out["cpu"] = peaks.cpu;
  out["features"] = CpuFeatures();
  out["isa"] = IsaName(machine.compute->isa);
  out["cpus"] = facts.usable_cpus;
  out["online_cpus"] = facts.online_cpus;
  out["threads"] = machine.pool->size();
  out["memory_bytes"] = facts.memory_bytes;
  out["memory_available_bytes"] = facts.available_bytes;
  out["memory_limit_bytes"] = facts.limit ? Json(facts.limit->bytes) : Json();
  out["memory_limit_source"] = facts.limit ? Json(facts.limit->source) : Json();
  out["huge_pages"] = facts.huge_pages;
  out["frequency_governor"] = facts.governor.empty() ? Json() : Json(facts.governor);
  out["throttle_events"] = facts.throttle_events;
  out["load"] = facts.load;
  out["free_disk_bytes"] = facts.free_disk_bytes;
  out["read_gb_per_second"] = peaks.read_gb_per_second;
  out["fma_gflop_per_second"] = peaks.fma_gflop_per_second;
  out["int8_gop_per_second"] =
      peaks.int8_gop_per_second > 0 ? Json(peaks.int8_gop_per_second) : Json();
  out["steady_rate"] = {{"begin", steady.begin}, {"end", steady.end}, {"least", steady.least}};
  out["problems"] = Json::array();
  for (const SystemProblem& one : problems) {
    out["problems"].push_back({{"problem", one.problem}, {"remedy", one.remedy}});
  }
  if (flags.json) return PrintLine(WriteJson(out));
  std::string text = fmt::format(
      "{}\nCPU          {}\nfeatures     {}\ninstructions {}\nthreads      {} of {} usable CPUs "
      "({} "
      "online){}\nmemory       {:.1f} GB, {:.1f} GB available{}\nhuge pages   {}\ndisk         "
      "{:.1f} GB free here\nread         {:.1f} GB/s\nFMA          {:.0f} GFLOP/s (float32); "
      "after two seconds {:.0f} % of the best rate\n",
      VersionText(), peaks.cpu, fmt::join(CpuFeatures(), " "), IsaName(machine.compute->isa),
      machine.pool->size(), facts.usable_cpus, facts.online_cpus,
      facts.governor.empty() ? "" : ", governor " + facts.governor, facts.memory_bytes / 1e9,
      facts.available_bytes / 1e9,
      facts.limit ? fmt::format(", limited by {}", facts.limit->source) : "", facts.huge_pages,
      facts.free_disk_bytes / 1e9, peaks.read_gb_per_second, peaks.fma_gflop_per_second,
      100 * steady.end);
  if (peaks.int8_gop_per_second > 0) {
    text += fmt::format("int8         {:.0f} GOP/s\n", peaks.int8_gop_per_second);
  }
  if (problems.empty()) text += "Nothing is wrong.";
  for (const SystemProblem& one : problems) {
    text += fmt::format("PROBLEM: {}\n  remedy: {}\n", one.problem, one.remedy);
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
