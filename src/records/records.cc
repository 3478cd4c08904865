#include "records/records.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "records/bench_record.h"
#include "records/fields.h"

namespace pawl {
namespace fs = std::filesystem;

namespace {

Result<Json> ReadOptional(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return Json();
  PAWL_ASSIGN(const std::string text, ReadFile(file));
  return ParseJson(text, file.string());
}

// As ReadOptional, but a damaged file is a note and null.
Json ReadLeniently(const fs::path& file, std::vector<std::string>& notes) {
  auto json = ReadOptional(file);
  if (json) return std::move(*json);
  notes.push_back(json.error().message);
  return {};
}

// Calls take(line) for the valid lines up to the first damaged one, which becomes a note.
template <class Take>
void EachRecord(const fs::path& file, std::vector<std::string>& notes, const Take& take) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return;
  const auto text = ReadFile(file);
  if (!text) {
    notes.push_back(text.error().message);
    return;
  }
  const Status read = ForEachLine(*text, [&](std::string_view line, std::size_t number) -> Status {
    const std::string place = fmt::format("{}: line {}", file.string(), number);
    PAWL_ASSIGN(Json json, ParseJson(line, place));
    if (!json.is_object()) return BadFile(place + ": expected an object");
    take(std::move(json));
    return {};
  });
  if (!read) notes.push_back(read.error().message + "; this and what follows it is left out");
}

void TakeMetrics(Json line, StageRecords& stage) {
  if (line.contains("unhealthy")) {
    stage.unhealthy.push_back(std::move(line));
    return;
  }
  // A new attempt counts its steps from the beginning; the last one is the stage's.
  const Json* before = !stage.steps.empty()         ? &stage.steps.back()
                       : !stage.validations.empty() ? &stage.validations.back()
                                                    : nullptr;
  if (before != nullptr && IntAt(line, "attempt") != IntAt(*before, "attempt")) {
    stage.steps.clear();
    stage.validations.clear();
  }
  if (line.contains("eval_accuracy")) {
    stage.validations.push_back(std::move(line));
    return;
  }
  if (stage.reward_names.empty()) {
    constexpr std::string_view kBegin = "rewards/", kEnd = "/mean";
    for (const auto& [key, value] : line.items()) {
      if (key.starts_with(kBegin) && key.ends_with(kEnd)) {
        stage.reward_names.push_back(
            key.substr(kBegin.size(), key.size() - kBegin.size() - kEnd.size()));
      }
    }
  }
  // Steps that were undone and repeated: the later line counts.
  const auto step = IntAt(line, "step");
  while (!stage.steps.empty() && IntAt(stage.steps.back(), "step") >= step) {
    stage.steps.pop_back();
  }
  stage.steps.push_back(std::move(line));
}

void TakeRollout(const Json& line, StageRecords& stage) {
  RolloutRecord record;
  record.step = static_cast<int>(IntAt(line, "step").value_or(0));
  record.problem = TextAt(line, "problem").value_or("");
  record.tokens = static_cast<int>(IntAt(line, "tokens").value_or(0));
  record.truncated = TextAt(line, "finish_reason") == "length";
  record.correct = BoolAt(line, "correct").value_or(false);
  for (const Json& reward : FieldAt(line, "rewards")) {
    record.rewards.push_back(reward.is_number() ? std::optional(reward.get<double>())
                                                : std::nullopt);
  }
  // Steps never go back but in a new attempt, or where one was undone: the later counts.
  if (!stage.rollouts.empty() && stage.rollouts.back().step > record.step) {
    std::erase_if(stage.rollouts, [&](const RolloutRecord& r) { return r.step >= record.step; });
  }
  stage.rollouts.push_back(std::move(record));
}

StageRecords ReadStage(const fs::path& folder, std::vector<std::string>& notes) {
  StageRecords stage;
  stage.name = folder.filename().string();
  stage.gate = ReadLeniently(folder / "gate.json", notes);
  stage.summary = ReadLeniently(folder / "training_summary.json", notes);
  stage.config = ReadLeniently(folder / "training_config.json", notes);
  EachRecord(folder / "metrics.jsonl", notes,
             [&](Json line) { TakeMetrics(std::move(line), stage); });
  EachRecord(folder / "rollouts.jsonl", notes, [&](const Json& line) { TakeRollout(line, stage); });
  return stage;
}

// In the order of the run where the summary gives it, else by the time of their configuration.
std::vector<std::string> StageNames(const fs::path& run, const Json& summary) {
  std::error_code ignored;
  std::vector<std::string> names;
  std::vector<std::pair<fs::file_time_type, std::string>> found;
  for (const auto& entry : fs::directory_iterator(run / "stages", ignored)) {
    found.emplace_back(fs::last_write_time(entry.path() / "training_config.json", ignored),
                       entry.path().filename().string());
  }
  std::sort(found.begin(), found.end());
  for (const auto& [time, name] : found) names.push_back(name);
  if (!summary.is_object()) return names;
  std::vector<std::string> ordered;
  for (const Json& stage : FieldAt(summary, "stages")) {
    const std::string name = TextAt(stage, "name").value_or("");
    if (std::find(names.begin(), names.end(), name) != names.end()) ordered.push_back(name);
  }
  return ordered.size() == names.size() ? ordered : names;
}

}  // namespace

const BenchRecord* RunRecords::Bench(const std::string& name) const {
  for (const BenchRecord& bench : benches) {
    if (bench.name == name) return &bench;
  }
  return nullptr;
}

Result<RunRecords> ReadRunRecords(const fs::path& run) {
  std::error_code ignored;
  if (!fs::is_directory(run, ignored))
    return Usage(fmt::format("{}: is not a run directory", run.string()));
  RunRecords records;
  records.folder = run;
  PAWL_ASSIGN(records.summary, ReadOptional(run / "summary.json"));
  PAWL_ASSIGN(records.environment, ReadOptional(run / "environment.json"));
  if (records.summary.is_null() && records.environment.is_null()) {
    return Usage(
        fmt::format("{}: holds neither summary.json nor environment.json; is it a run directory?",
                    run.string()));
  }
  records.probe = ReadLeniently(run / "probe.json", records.notes);
  for (const std::string& name : StageNames(run, records.summary)) {
    records.stages.push_back(ReadStage(run / "stages" / name, records.notes));
  }
  records.benches = ReadBenchRecords(run / "benchmark", records.notes);
  return records;
}

}  // namespace pawl
