// Bench results: the document of the contract (format_version 1), made and read.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "eval/evaluate.h"

namespace pawl {

// What is recorded beside the answers.
struct BenchFacts {
  std::string model_path, model_sha256, precision;
  std::string adapter = {};  // empty: none
  std::size_t parameters = 0, model_bytes = 0;
  std::string data, data_sha256, prompt_sha256 = {}, reward = {};
  long long limit = 0;  // 0: all
  int threads = 1;
  double load_seconds = 0;
  std::size_t peak_rss_bytes = 0;
};

// The document.  "correct" of "total" counts answers (problems x samples) and "wilson95" is
// Wilson's interval of that; with several samples a problem, which are not independent,
// "interval95" (t over problem means) is the one to quote, and "pass_at_k" (unbiased, k = 1, 2, 4
// ... samples) and "majority_accuracy" (most frequent extracted answer, the earlier of equals) are
// added. "levels": accuracy and problems per level, where problems have one.
// "repeated_fraction": answers that end in four copies or more of one text of 4 bytes or more.
// Undefined numbers are null.
Json BenchJson(const Evaluation& evaluation, const EvaluateSettings& settings,
               const BenchFacts& facts);
// A short Markdown summary of such a document.
std::string BenchMarkdown(const Json& bench, const std::string& title);
// One problem's entry of "problems", and back; place names it in errors (kBadFile).
Json ProblemRecordJson(const ProblemRecord& record);
Result<ProblemRecord> ParseProblemRecord(const Json& json, const std::string& place);

struct BenchSettings {
  EvaluateSettings evaluate = {};
  PromptConfig prompt = {};
  std::string reward = "gsm8k-strict";  // decides `correct`
  long long limit = 0;                  // problems; 0: all
  // Where results go; empty: nowhere.  Finished problems are kept in <out>.partial.jsonl until then
  // and are not generated again when the same bench (model, data, settings; threads and batch may
  // differ) is started anew; another bench's file is kNoCheckpoint.
  std::filesystem::path out = {};
};

// Measures `policy` on the first `limit` problems; the shots are the LAST num_fewshot of the file
// and never measured.  facts: model, data and loading; the rest is filled in.  Nothing: cancelled,
// finished problems are kept for the next time.  No problems at all is kBadFile.
Result<std::optional<Json>> RunBench(const Policy& policy, const Tokenizer& tokenizer,
                                     const std::vector<Problem>& problems,
                                     const BenchSettings& settings, BenchFacts facts,
                                     const Compute& compute, const EvaluateHooks& hooks);

}  // namespace pawl
