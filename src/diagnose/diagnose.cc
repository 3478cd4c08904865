#include "diagnose/diagnose.h"

#include <fmt/format.h>

#include "diagnose/answers.h"
#include "diagnose/hypotheses.h"

namespace pawl {

std::vector<Finding> Diagnose(const RunRecords& run) {
  return {Forgetting(run),  Overfitting(run),  ObjectiveMismatch(run),
          Convergence(run), StepSize(run),     Drift(run),
          Capacity(run),    AnswerErrors(run), SpeedChange(run)};
}

Json DiagnosisJson(const RunRecords& run, const std::vector<Finding>& findings) {
  Json json{{"format_version", 1},
            {"run", run.folder.string()},
            {"findings", Json::array()},
            {"answers", Json::object()},
            {"notes", run.notes}};
  for (const Finding& finding : findings) json["findings"].push_back(FindingJson(finding));
  for (const BenchRecord& bench : run.benches) json["answers"][bench.name] = AnswerShares(bench);
  return json;
}

std::string MeasurementText(const Measurement& m) {
  if (!m.value) return "undefined";
  const bool share = m.unit == "share";
  const double scale = share ? 100 : 1;
  const auto number = [&](double x) {
    return m.unit == "points" ? fmt::format("{:+.1f}", x)
           : share            ? fmt::format("{:.1f}", scale * x)
                              : fmt::format("{:.3g}", x);
  };
  std::string text = number(*m.value);
  if (!m.unit.empty()) text += share ? " %" : " " + m.unit;
  std::string detail;
  if (m.interval95) {
    detail = fmt::format("{} to {}", number(m.interval95->low), number(m.interval95->high));
  }
  if (m.n) detail += fmt::format("{}n = {}", detail.empty() ? "" : "; ", *m.n);
  return detail.empty() ? text : fmt::format("{} ({})", text, detail);
}

std::string DiagnosisText(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& f : findings) {
    text += fmt::format("{}\n  {}. {}\n", f.hypothesis, VerdictName(f.verdict), f.reason);
    for (const Measurement& m : f.measurements) {
      text += fmt::format("    {:<76} {}\n", m.name, MeasurementText(m));
    }
    if (!f.to_settle.empty()) text += "  To settle: " + f.to_settle + "\n";
    text += "\n";
  }
  return text;
}

}  // namespace pawl
