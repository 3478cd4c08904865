// pawl diagnose: the tested causes behind a run's result.
#include <cstdio>

#include "apps/lines.h"
#include "apps/policy.h"
#include "apps/signals.h"
#include "apps/verbs.h"
#include "diagnose/diagnose.h"
#include "probe/probe.h"
#include "report/report.h"

namespace pawl {
namespace {

struct Flags {
  PolicyFlags machine;
  std::string run;
  ProbeOptions probe;
  bool json = false, records_only = false, again = false;
};

// Measures the models unless that was done before.
Status Probe(const Flags& flags) {
  PAWL_ASSIGN(const RunRecords records, ReadRunRecords(flags.run));
  if (records.probe.is_object() && !flags.again) return {};
  PAWL_ASSIGN(const Machine machine, OpenMachine(flags.machine));
  std::fputs("measuring the run's models; this is done once\n", stderr);
  return ProbeRun(flags.run, flags.probe, *machine.compute);
}

Status Run(Flags& flags, VerbResult& result) {
  if (!flags.records_only) {
    CatchSignals();
    flags.probe.signal = StopSignal;
    const Status probed = Probe(flags);
    if (StopSignal() != 0) {
      result.exit_code = 128 + StopSignal();
      return {};
    }
    // Records alone still tell something; where they do not, reading them below says so.
    if (!probed) {
      std::fputs(("pawl: the models were not measured: " + probed.error().message + "\n").c_str(),
                 stderr);
    } else {
      PAWL_TRY(WriteReports(flags.run));
    }
  }
  PAWL_ASSIGN(const RunRecords records, ReadRunRecords(flags.run));
  const std::vector<Finding> findings = Diagnose(records);
  if (flags.json) return PrintLine(WriteJson(DiagnosisJson(records, findings)));
  return PrintLine(DiagnosisText(findings));
}

}  // namespace

void AddDiagnose(CLI::App& app, VerbResult& result) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = AddVerb(app, "diagnose", "the tested causes behind a run's result",
                           "pawl diagnose runs/quickstart");
  verb->add_option("RUN_DIR", flags->run, "folder of a run")->required();
  verb->add_option("--problems", flags->probe.problems,
                   "test problems, and training problems of each stage, to ask the models (60)");
  verb->add_option("--samples", flags->probe.samples, "answers a problem (4)");
  verb->add_flag("--records-only", flags->records_only, "do not load the run's models");
  verb->add_flag("--again", flags->again, "measure the models anew");
  AddThreadFlags(*verb, flags->machine);
  verb->add_flag("--json", flags->json, "one JSON document on standard output");
  verb->callback([flags, &result] { result.status = Run(*flags, result); });
}

}  // namespace pawl
