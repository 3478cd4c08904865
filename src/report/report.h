// The report of a run, a pure function of its records: summary.json, stages/*/gate.json,
// metrics.jsonl, environment.json.
#pragma once

#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace pawl {

// Three sentences that say what the numbers allow.
std::string SummarySentences(const Json& summary);

// Rebuilds report.md and report.html in a run directory.  A run that has no summary.json yet gets a
// report that says so.  A folder without records is kUsage.
Status WriteReports(const std::filesystem::path& run);

}  // namespace pawl
