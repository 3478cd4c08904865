// pawl study: several runs and one comparison report.
#include <cstdio>

#include "apps/policy.h"
#include "apps/signals.h"
#include "apps/verbs.h"
#include "study/study.h"

namespace pawl {
namespace {

struct Flags {
  StudyOptions options;
  std::string config, folder;
};

Status Run(Flags& flags, VerbResult& result) {
  flags.options.config = flags.config;
  flags.options.folder = flags.folder;
  flags.options.signal = StopSignal;
  flags.options.progress = [](const std::string& line) {
    std::fputs((line + "\n").c_str(), stderr);
  };
  CatchSignals();
  PAWL_ASSIGN(const StudyOutcome outcome, RunStudy(flags.options));
  std::fputs((outcome.text + "\n").c_str(), stdout);
  result.exit_code = outcome.exit_code;
  return {};
}

}  // namespace

void AddStudy(CLI::App& app, VerbResult& result) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = AddVerb(app, "study", "several runs (variants, seeds) and one comparison report",
                           "pawl study configs/studies/variants.toml");
  verb->add_option("CONFIG", flags->config, "TOML file of the study")->required();
  verb->add_option("--out", flags->folder, "folder of the study (default: runs/study-<name>)");
  verb->add_option("--threads", flags->options.threads, "threads of each run (default: all CPUs)");
  verb->callback([flags, &result] { result.status = Run(*flags, result); });
}

}  // namespace pawl
