// pawl plan: what a run will need on this machine, before it starts.
#include <filesystem>

#include "apps/lines.h"
#include "apps/policy.h"
#include "apps/signals.h"
#include "apps/verbs.h"
#include "base/sha256.h"
#include "plan/plan.h"

namespace pawl {
namespace {

struct Flags {
  PolicyFlags machine;
  std::string config;
  std::vector<std::string> sets;
  double budget = 8;
  bool json = false;
};

Status Run(const Flags& flags, VerbResult& result) {
  if (!(flags.budget > 0)) return Usage("--budget: expected more than 0 seconds");
  PAWL_ASSIGN(const Machine machine, OpenMachine(flags.machine));
  PAWL_ASSIGN(const RunConfig config, LoadConfig(flags.config, flags.sets));
  RunContext context;
  CatchSignals();
  context.signal = StopSignal;
  // A new model's tokenizer needs a folder.
  const auto scratch = std::filesystem::temp_directory_path() /
                       ("pawl-plan-" + Sha256Hex(WriteConfig(config)).substr(0, 16));
  const Status opened = OpenContext(config, scratch, *machine.compute, context);
  Result<RunPlan> plan =
      opened ? MakePlan(context, flags.budget) : tl::unexpected<Error>(opened.error());
  std::error_code ignored;
  std::filesystem::remove_all(scratch, ignored);
  if (StopSignal() != 0) {
    result.exit_code = 128 + StopSignal();
    return {};
  }
  if (!plan) return tl::unexpected<Error>(plan.error());
  return PrintLine(flags.json ? WriteJson(PlanJson(*plan)) : PlanText(*plan));
}

}  // namespace

void AddPlan(CLI::App& app, VerbResult& result) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = AddVerb(app, "plan", "time, memory and disk that a run will need here",
                           "pawl plan configs/quickstart.toml");
  verb->add_option("CONFIG", flags->config, "TOML file")->required();
  verb->add_option("--set", flags->sets, "key=value, as for run (repeatable)")
      ->type_size(1)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb->add_option("--budget", flags->budget, "seconds to measure for, about (8)");
  verb->add_flag("--json", flags->json, "one JSON document on standard output");
  AddThreadFlags(*verb, flags->machine);
  verb->callback([flags, &result] { result.status = Run(*flags, result); });
}

}  // namespace pawl
