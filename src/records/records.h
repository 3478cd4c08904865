// What a run left behind, read once.  A run that was interrupted or failed is read as far as it
// got: what is missing is null or empty, and a damaged line ends what is used of its file and is
// named in `notes`.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace pawl {

// One line of rollouts.jsonl without its text.
struct RolloutRecord {
  int step = 0;
  std::string problem;
  int tokens = 0;
  bool truncated = false, correct = false;
  std::vector<std::optional<double>> rewards;  // absent: the reward gave no value
};

struct StageRecords {
  std::string name;
  Json gate, summary, config;           // null when missing
  std::vector<Json> steps;              // lines of metrics.jsonl: steps of the last attempt,
  std::vector<Json> validations;        // its validations,
  std::vector<Json> unhealthy;          // and steps of any attempt that were undone
  std::vector<RolloutRecord> rollouts;  // of the last attempt
  std::vector<std::string> reward_names;
};

struct AnswerSample {
  std::optional<std::string> completion, extracted;
  bool correct = false;
  std::optional<bool> strict, flexible;
  std::optional<int> tokens;
  std::optional<bool> truncated;
};
struct AnsweredProblem {
  std::string id, question, gold;
  std::optional<int> level;
  std::vector<AnswerSample> samples;

  double Share() const;  // of right samples; 0 without samples
};
// One benchmark/<name>_benchmark_results_<UTC>.json; of several with one name, the newest.
struct BenchRecord {
  std::string name;  // "base", "base_sampled", "final", ...
  std::filesystem::path file;
  Json settings = Json::object(), summary = Json::object(), model = Json::object();
  std::vector<AnsweredProblem> problems;
};

struct RunRecords {
  std::filesystem::path folder;
  Json summary, environment;  // null when missing
  Json probe;                 // probe.json: what was measured on the run's models afterwards
  std::vector<StageRecords> stages;
  std::vector<BenchRecord> benches;
  std::vector<std::string> notes;  // what could not be read, in words

  const BenchRecord* Bench(const std::string& name) const;  // null when missing
};
// A folder that is no run directory is kUsage; a damaged summary.json or environment.json kBadFile.
Result<RunRecords> ReadRunRecords(const std::filesystem::path& run);

// A result document of bench, from here or elsewhere: what it lacks is absent.  kBadFile where
// "problems" is no list of objects with "id" and "samples"[]."correct".
Result<BenchRecord> ParseBenchRecord(const Json& document, const std::string& name);

}  // namespace pawl
