#include "study/study_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/file.h"
#include "base/file_system.h"
#include "eval/compare.h"
#include "records/fields.h"
#include "records/records.h"
#include "report/comparison.h"
#include "report/format.h"

namespace pawl {
namespace fs = std::filesystem;

namespace {

// What training a variant took, from its run's records.
Json TrainingJson(const fs::path& folder) {
  if (folder.empty()) return {};
  const auto run = ReadRunRecords(folder);
  if (!run) return {};
  double samples = 0, seconds = 0, cpu = 0, wall = 0;
  for (const StageRecords& stage : run->stages) {
    samples += NumberAt(stage.summary, "training_samples").value_or(0);
    seconds += NumberAt(stage.summary, "seconds").value_or(0);
    for (const Json& step : stage.steps) {
      const auto c = NumberAt(step, "cpu_seconds"), w = NumberAt(step, "seconds");
      if (!c || !w) continue;
      cpu += *c;
      wall += *w;
    }
  }
  const double threads = NumberAt(run->environment, "threads").value_or(0);
  return {{"samples", samples},
          {"seconds", seconds},
          {"samples_per_minute", seconds > 0 ? Json(60 * samples / seconds) : Json()},
          {"cpu_share", wall > 0 && threads > 0 ? Json(cpu / wall / threads) : Json()},
          {"peak_rss_bytes", FieldAt(run->summary, "peak_rss_bytes")},
          {"exit_reason", FieldAt(run->summary, "exit_reason")}};
}

struct Row {
  Json json;
  std::optional<BenchFile> bench;
};

Result<Row> RowOf(const StudyRun& run) {
  Row row;
  row.json = {{"variant", run.variant}, {"seed", run.seed}, {"exit_code", run.exit_code}};
  row.json["training"] = TrainingJson(run.run_folder);
  row.json["bench"] = Json();
  if (run.bench) {
    PAWL_ASSIGN(row.bench, ReadBenchFile(*run.bench));
    row.json["bench"] = row.bench->summary;
  }
  return row;
}

// All seeds of a variant as one result: their answers to a problem side by side.
BenchFile Joined(const std::string& name, const std::vector<const BenchFile*>& files) {
  BenchFile joined = *files.front();
  joined.name = name;
  for (std::size_t i = 1; i < files.size(); ++i) {
    for (const auto& [id, samples] : files[i]->outcomes) {
      auto& all = joined.outcomes[id];
      all.insert(all.end(), samples.begin(), samples.end());
    }
  }
  return joined;
}

std::vector<std::vector<std::string>> TableOf(const std::vector<Row>& rows) {
  std::vector<std::vector<std::string>> table = {{"variant", "seed", "accuracy", "95 % interval",
                                                  "strict / flexible", "time an answer", "tokens/s",
                                                  "load", "peak memory", "model size"}};
  for (const Row& row : rows) {
    const Json& b = FieldAt(row.json, "bench");
    const Json& t = FieldAt(b, "interval95");
    const auto code = IntAt(row.json, "exit_code").value_or(0);
    table.push_back(
        {PlainAt(row.json, "variant"), std::to_string(IntAt(row.json, "seed").value_or(0)),
         code != 0 ? Strong(fmt::format("failed (exit {})", code))
                   : PercentText(NumberAt(b, "accuracy")),
         PercentRange(t.is_array() ? t : FieldAt(b, "wilson95")),
         PercentText(NumberAt(b, "strict_accuracy")) + " / " +
             PercentText(NumberAt(b, "flexible_accuracy")),
         DurationText(NumberAt(b, "mean_generation_seconds")),
         NumberText(NumberAt(b, "tokens_per_second"), 0), DurationText(NumberAt(b, "load_seconds")),
         BytesText(NumberAt(b, "peak_rss_bytes")), BytesText(NumberAt(b, "model_bytes"))});
  }
  return table;
}

std::vector<std::vector<std::string>> TrainingTable(const std::vector<Row>& rows) {
  std::vector<std::vector<std::string>> table = {
      {"variant", "seed", "training samples", "training time", "samples/min",
       "processors used, of all", "peak memory of training", "ended"}};
  for (const Row& row : rows) {
    const Json& t = FieldAt(row.json, "training");
    if (!t.is_object()) continue;
    table.push_back(
        {PlainAt(row.json, "variant"), std::to_string(IntAt(row.json, "seed").value_or(0)),
         NumberText(NumberAt(t, "samples"), 0), DurationText(NumberAt(t, "seconds")),
         NumberText(NumberAt(t, "samples_per_minute"), 1), PercentText(NumberAt(t, "cpu_share")),
         BytesText(NumberAt(t, "peak_rss_bytes")), PlainAt(t, "exit_reason")});
  }
  return table;
}

}  // namespace

Status WriteStudyReport(const StudyConfig& study, const std::vector<StudyRun>& runs,
                        const fs::path& folder) {
  std::vector<Row> rows;
  for (const StudyRun& run : runs) {
    PAWL_ASSIGN(Row row, RowOf(run));
    rows.push_back(std::move(row));
  }
  std::vector<BenchFile> files;
  for (const StudyVariant& variant : study.variants) {
    std::vector<const BenchFile*> of;
    for (const Row& row : rows) {
      if (row.bench && TextAt(row.json, "variant") == variant.name) of.push_back(&*row.bench);
    }
    if (!of.empty()) files.push_back(Joined(variant.name, of));
  }
  Json document{{"format_version", 1}, {"name", study.name}, {"rows", Json::array()}};
  for (const Row& row : rows) document["rows"].push_back(row.json);
  document["comparison"] = Json();
  Document d;
  d.Heading(1, "Study " + Plain(study.name));
  std::vector<std::string> words;
  const bool baseline = !files.empty() && files.front().name == study.variants.front().name;
  if (files.size() >= 2 && baseline) {
    PAWL_ASSIGN(Json comparison, CompareBenches(files));
    for (const Json& pair : comparison.at("pairs")) {
      words.push_back(PairWords(pair));
      d.Paragraph(fmt::format("{} against {}: {}.", PlainAt(pair, "candidate"),
                              PlainAt(pair, "baseline"), words.back()));
    }
    document["comparison"] = std::move(comparison);
  } else {
    d.Note("There are no results of the first variant and another one to compare.");
  }
  d.Heading(2, "Variants").Table(TableOf(rows));
  d.Paragraph(
      "The same test problems and prompt for every variant; each is loaded and measured in "
      "a process of its own. Tokens/s is the throughput of batched decoding on a machine as "
      "busy as it was at that moment.");
  d.Heading(2, "Training").Table(TrainingTable(rows));
  std::vector<std::string> notes;
  for (const StudyVariant& variant : study.variants) {
    if (!variant.note.empty()) notes.push_back(Strong(variant.name) + ": " + Plain(variant.note));
  }
  if (!notes.empty()) d.Heading(2, "What the variants are").List(std::move(notes));
  if (!words.empty()) d.Append(ComparisonDocument(document["comparison"], words, 3));
  PAWL_TRY(WriteFileAtomic(folder / "study.json", WriteJsonPretty(document)));
  PAWL_TRY(WriteFileAtomic(folder / "report.md", MarkdownOf(d)));
  return WriteFileAtomic(folder / "report.html", HtmlOf(d, "Study " + Plain(study.name)));
}

}  // namespace pawl
