// pawl diagnose: the tested causes behind a run's result.
#include "apps/lines.h"
#include "apps/verbs.h"
#include "diagnose/diagnose.h"

namespace pawl {
namespace {

struct Flags {
  std::string run;
  bool json = false;
};

Status Run(const Flags& flags) {
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
  verb->add_flag("--json", flags->json, "one JSON document on standard output");
  verb->callback([flags, &result] { result.status = Run(*flags); });
}

}  // namespace pawl
