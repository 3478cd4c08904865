#include "report/records.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"

namespace pawl {
namespace fs = std::filesystem;

namespace {

Result<Json> ReadOptional(const fs::path& file) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return Json();
  PAWL_ASSIGN(const std::string text, ReadFile(file));
  return ParseJson(text, file.string());
}

Result<StageRecords> ReadStage(const fs::path& folder) {
  StageRecords stage;
  stage.name = folder.filename().string();
  PAWL_ASSIGN(stage.gate, ReadOptional(folder / "gate.json"));
  PAWL_ASSIGN(stage.summary, ReadOptional(folder / "training_summary.json"));
  std::error_code ignored;
  if (!fs::exists(folder / "metrics.jsonl", ignored)) return stage;
  PAWL_ASSIGN(const std::string text, ReadFile(folder / "metrics.jsonl"));
  PAWL_TRY(ForEachLine(text, [&](std::string_view line, std::size_t number) -> Status {
    PAWL_ASSIGN(
        Json json,
        ParseJson(line, fmt::format("{}: line {}", (folder / "metrics.jsonl").string(), number)));
    (json.contains("eval_accuracy") ? stage.validations : stage.steps).push_back(std::move(json));
    return {};
  }));
  return stage;
}

}  // namespace

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
  // In the order of the run where the summary gives it, else by name.
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(run / "stages", ignored))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  if (records.summary.is_object()) {
    std::vector<std::string> ordered;
    for (const Json& stage : records.summary.value("stages", Json::array())) {
      const std::string name = stage.value("name", "");
      if (std::find(names.begin(), names.end(), name) != names.end()) ordered.push_back(name);
    }
    if (ordered.size() == names.size()) names = ordered;
  }
  for (const std::string& name : names) {
    PAWL_ASSIGN(StageRecords stage, ReadStage(run / "stages" / name));
    records.stages.push_back(std::move(stage));
  }
  return records;
}

}  // namespace pawl
