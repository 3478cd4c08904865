// pawl run: the staged pipeline; pawl report: its report again.
#include <cstdio>

#include "apps/policy.h"
#include "apps/signals.h"
#include "apps/verbs.h"
#include "pipeline/pipeline.h"
#include "report/report.h"

namespace pawl {
namespace {

struct Flags {
  PolicyFlags machine;
  RunOptions options;
  std::string config, run_dir;
};

Status Run(Flags& flags, VerbResult& result) {
  PAWL_ASSIGN(const Machine machine, OpenMachine(flags.machine));
  flags.options.config = flags.config;
  flags.options.run_dir = flags.run_dir;
  flags.options.signal = StopSignal;
  CatchSignals();
  PAWL_ASSIGN(const RunOutcome outcome, RunPipeline(flags.options, *machine.compute));
  std::fputs((outcome.text + "\n").c_str(), stdout);
  result.exit_code = outcome.exit_code;
  return {};
}

}  // namespace

void AddRun(CLI::App& app, VerbResult& result) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      AddVerb(app, "run", "train a model stage by stage, gated, as a configuration says",
              "pawl run configs/quickstart.toml");
  verb->add_option("CONFIG", flags->config, "TOML file")->required();
  verb->add_option("--run-dir", flags->run_dir,
                   "folder of the run (default: runs/<name of the configuration>)");
  verb->add_flag("--resume", flags->options.resume,
                 "go on from the newest checkpoint in --run-dir");
  verb->add_option("--set", flags->options.sets,
                   "key=value, as in stage.basic.learning_rate=1e-4 (repeatable)")
      ->type_size(1)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb->add_flag("--dry-run", flags->options.dry_run,
                 "check everything and say what would be done");
  verb->add_flag("--quiet", flags->options.quiet, "no progress on standard error");
  AddThreadFlags(*verb, flags->machine);
  verb->callback([flags, &result] { result.status = Run(*flags, result); });
}

void AddReport(CLI::App& app, VerbResult& result) {
  auto folder = std::make_shared<std::string>();
  CLI::App* verb =
      AddVerb(app, "report", "rebuild report.md and report.html from the records of a run",
              "pawl report runs/quickstart");
  verb->add_option("RUN_DIR", *folder, "folder of a run")->required();
  verb->callback([folder, &result] {
    result.status = WriteReports(*folder);
    if (result.status)
      std::printf("%s/report.md\n%s/report.html\n", folder->c_str(), folder->c_str());
  });
}

}  // namespace pawl
