#include "report/report.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/file_system.h"
#include "diagnose/diagnose.h"
#include "records/fields.h"
#include "report/format.h"
#include "report/next_config.h"
#include "report/sections.h"

namespace pawl {
namespace {

// "rose" only when the interval excludes 0.
std::string Moved(const Json& interval) {
  if (!interval.is_array() || interval.size() != 2 || !interval[0].is_number() ||
      !interval[1].is_number()) {
    return "cannot be compared";
  }
  if (interval[0].get<double>() > 0) return "rose";
  if (interval[1].get<double>() < 0) return "fell";
  return "is not distinguishable from the base's";
}

// How the run ended where it did not simply finish; empty where it did.
std::string EndNote(const RunRecords& run) {
  if (!run.summary.is_object()) {
    std::string text =
        "This run did not finish: there is no summary.json. It was interrupted or failed, or is "
        "still going on. What follows is what it left behind";
    if (!run.stages.empty()) {
      text += fmt::format("; it got to step {} of stage {}", run.stages.back().steps.size(),
                          Plain(run.stages.back().name));
    }
    return text + ". Go on with --resume.";
  }
  const std::string reason = TextAt(run.summary, "exit_reason").value_or("");
  if (reason == "unhealthy") {
    return "This run failed: steps stayed non-finite after the learning rate had been halved three "
           "times. The final model is the last accepted one.";
  }
  if (reason == "gate_stop") return "A gate stopped this run, because the configuration says so.";
  if (reason == "time_limit") return "The time limit ended this run before its last step.";
  return reason == "finished" ? "" : "This run ended with: " + Plain(reason) + ".";
}

Document ReportDocument(const RunRecords& run, const std::vector<Finding>& findings) {
  Document d;
  d.Heading(1, "Report of " + Plain(run.folder.filename().string()));
  const std::string note = EndNote(run);
  if (!note.empty()) d.Note(note);
  if (run.summary.is_object()) d.Paragraph(SummarySentences(run.summary));
  if (!run.notes.empty()) {
    std::vector<std::string> items;
    for (const std::string& item : run.notes) items.push_back(Plain(item));
    d.Note("Some records are damaged and were left out:").List(std::move(items));
  }
  d.Append(ModelsSection(run)).Append(ExpectationSection(run)).Append(StagesSection(run));
  d.Append(CurvesSection(run)).Append(PatternsSection(run)).Append(DiagnosisSection(findings));
  d.Append(MachineSection(run)).Append(KnowledgeSection(run));
  return d.Append(ScalingSection(run, findings)).Append(EvidenceSection(run));
}

Status WriteNextConfig(const RunRecords& run, const std::vector<Finding>& findings) {
  const auto config = ReadFile(run.folder / "config.resolved.toml");
  if (!config) return {};  // a run that ended before it was written
  return WriteFileAtomic(run.folder / "next_config.toml",
                         ChangedConfig(*config, Recommend(run, findings)));
}

}  // namespace

std::string SummarySentences(const Json& s) {
  int accepted = 0, left_out = 0;
  const Json& stages = FieldAt(s, "stages");
  for (const Json& stage : stages) {
    const std::string decision = TextAt(stage, "decision").value_or("");
    accepted += decision == "accept" ? 1 : 0;
    left_out += decision == "rollback" || decision == "skipped" ? 1 : 0;
  }
  const Json &base = FieldAt(s, "base"), &after = FieldAt(s, "final");
  std::string text = fmt::format(
      "Greedy accuracy on {} test problems {}: {} to {}, {}{}.", IntAt(after, "total").value_or(0),
      Moved(FieldAt(s, "gain_interval95")), PercentText(NumberAt(base, "accuracy")),
      PercentText(NumberAt(after, "accuracy")), PointsText(NumberAt(s, "gain_points")),
      PointsRange(FieldAt(s, "gain_interval95")));
  text += fmt::format(
      " Sampled accuracy (mean of {}) {}: {} to {}, {}{}.", IntAt(after, "samples").value_or(0),
      Moved(FieldAt(s, "sampled_gain_interval95")), PercentText(NumberAt(base, "sampled_accuracy")),
      PercentText(NumberAt(after, "sampled_accuracy")),
      PointsText(NumberAt(s, "sampled_gain_points")),
      PointsRange(FieldAt(s, "sampled_gain_interval95")));
  text += fmt::format(
      " {} of {} stages were accepted by their gates{}; the run took {:.0f} s ({}).", accepted,
      stages.size(), left_out > 0 ? fmt::format(", {} left out", left_out) : "",
      NumberAt(s, "seconds").value_or(0), PlainAt(s, "exit_reason"));
  return text;
}

Status WriteReports(const std::filesystem::path& run) {
  PAWL_ASSIGN(const RunRecords records, ReadRunRecords(run));
  const std::vector<Finding> findings = Diagnose(records);
  const Document document = ReportDocument(records, findings);
  PAWL_TRY(WriteNextConfig(records, findings));
  PAWL_TRY(WriteFileAtomic(run / "report.md", MarkdownOf(document)));
  return WriteFileAtomic(
      run / "report.html",
      HtmlOf(document, "Report of " + Plain(records.folder.filename().string())));
}

}  // namespace pawl
