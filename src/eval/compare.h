// Bench results side by side, from documents of pawl or made elsewhere.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "stats/compare.h"

namespace pawl {

// What compare needs of a result document: problems[].id and problems[].samples[].correct; summary,
// settings and completions are used where they are present.
struct BenchFile {
  std::string name;
  Json summary = Json::object();
  Json settings = Json::object();
  Outcomes outcomes;
  std::map<std::string, Json> completions;  // of each problem's first sample
};
// A damaged document, one without problems or with a problem twice is kBadFile naming the place.
Result<BenchFile> ReadBenchFile(const std::filesystem::path& file);
Result<BenchFile> ParseBenchFile(const Json& document, const std::string& name);

// The document of `compare --json`; the first file is the baseline.  Each pair also lists the
// problems "won" and "lost" as {"id", "baseline", "candidate"} with the first completions.
// With several candidates "p_holm" and "corrected_verdict" allow for their number; words follow
// them.
// Different problem sets, prompts or graders are kUsage naming what differs.
Result<Json> CompareBenches(const std::vector<BenchFile>& files);
// What may be said of one of its pairs.
std::string PairWords(const Json& pair);
// The same as a table with words only as the numbers allow.
std::string CompareText(const Json& comparison);

}  // namespace pawl
