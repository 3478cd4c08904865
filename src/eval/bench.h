// Bench results: the document of the contract (format_version 1), and comparisons of such
// documents.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "eval/evaluate.h"

namespace pawl {

// What is recorded beside the answers.
struct BenchFacts {
  std::string model_path, model_sha256, precision;
  std::string adapter;  // empty: none
  std::size_t parameters = 0, model_bytes = 0;
  std::string data, data_sha256, prompt_sha256, reward;
  long long limit = 0;  // 0: all
  int threads = 1;
  double load_seconds = 0;
  std::size_t peak_rss_bytes = 0;
};

Json BenchJson(const Evaluation& evaluation, const EvaluateSettings& settings,
               const BenchFacts& facts);
// A short Markdown summary of such a document.
std::string BenchMarkdown(const Json& bench, const std::string& title);
// One problem's entry of "problems", and back.
Json ProblemRecordJson(const ProblemRecord& record);
Result<ProblemRecord> ParseProblemRecord(const Json& json, const std::string& place);

// One document in memory: its name, what compare needs of it.
struct BenchFile {
  std::string name;
  Json summary;
  Json settings;
  Outcomes outcomes;
  Json problems;
};
Result<BenchFile> ReadBenchFile(const std::filesystem::path& file);

// The document of `compare --json`; the first file is the baseline.  Different problem sets,
// prompts or graders are kUsage naming what differs.
Result<Json> CompareBenches(const std::vector<BenchFile>& files);
// The same as a table with words only as the numbers allow.
std::string CompareText(const Json& comparison);

std::size_t PeakResidentBytes();

}  // namespace pawl
