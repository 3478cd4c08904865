#include "records/bench_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/file.h"
#include "records/fields.h"

namespace pawl {
namespace fs = std::filesystem;

namespace {

Result<AnsweredProblem> ParseProblem(const Json& json, const std::string& place) {
  AnsweredProblem problem;
  PAWL_ASSIGN(problem.id, JsonString(json, "id", place));
  problem.question = TextAt(json, "question").value_or("");
  problem.gold = TextAt(json, "gold").value_or("");
  if (const auto level = IntAt(json, "level")) problem.level = static_cast<int>(*level);
  if (!json.contains("samples") || !json.at("samples").is_array()) {
    return BadFile(place + ": \"samples\" must be a list");
  }
  for (const Json& sample : json.at("samples")) {
    AnswerSample answer;
    PAWL_ASSIGN(answer.correct, JsonBool(sample, "correct", place));
    answer.completion = TextAt(sample, "completion");
    answer.extracted = TextAt(sample, "extracted");
    answer.strict = BoolAt(sample, "strict");
    answer.flexible = BoolAt(sample, "flexible");
    if (const auto tokens = IntAt(sample, "tokens")) answer.tokens = static_cast<int>(*tokens);
    if (const auto reason = TextAt(sample, "finish_reason")) {
      answer.truncated = *reason == "length";
    }
    problem.samples.push_back(std::move(answer));
  }
  return problem;
}

}  // namespace

double AnsweredProblem::Share() const {
  const auto right =
      std::count_if(samples.begin(), samples.end(), [](const auto& s) { return s.correct; });
  return samples.empty() ? 0 : static_cast<double>(right) / static_cast<double>(samples.size());
}

Result<BenchRecord> ParseBenchRecord(const Json& document, const std::string& name) {
  BenchRecord bench;
  bench.name = name;
  if (!document.is_object() || !document.contains("problems") ||
      !document.at("problems").is_array()) {
    return BadFile(name + ": expected bench results, an object with a list \"problems\"");
  }
  for (const auto& [key, part] :
       {std::pair("summary", &bench.summary), std::pair("settings", &bench.settings),
        std::pair("model", &bench.model)}) {
    if (document.contains(key) && document.at(key).is_object()) *part = document.at(key);
  }
  for (const Json& json : document.at("problems")) {
    PAWL_ASSIGN(AnsweredProblem problem,
                ParseProblem(json, fmt::format("{}: problem {}", name, bench.problems.size())));
    bench.problems.push_back(std::move(problem));
  }
  return bench;
}

std::vector<BenchRecord> ReadBenchRecords(const fs::path& folder, std::vector<std::string>& notes) {
  constexpr std::string_view kMiddle = "_benchmark_results_";
  std::map<std::string, fs::path> newest;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string file = entry.path().filename().string();
    const std::size_t middle = file.rfind(kMiddle);
    if (middle == std::string::npos || entry.path().extension() != ".json") continue;
    fs::path& kept = newest[file.substr(0, middle)];
    if (kept.empty() || kept.filename() < entry.path().filename()) kept = entry.path();
  }
  std::vector<BenchRecord> benches;
  for (const auto& [name, file] : newest) {
    const auto text = ReadFile(file);
    const auto json = text ? ParseJson(*text, file.string()) : tl::unexpected(text.error());
    auto bench = json ? ParseBenchRecord(*json, name) : tl::unexpected(json.error());
    if (!bench) {
      notes.push_back(bench.error().message);
      continue;
    }
    bench->file = file;
    benches.push_back(std::move(*bench));
  }
  return benches;
}

}  // namespace pawl
