// What a run left behind, read once.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace pawl {

struct StageRecords {
  std::string name;
  Json gate, summary;             // null when missing
  std::vector<Json> steps;        // lines of metrics.jsonl that are training steps
  std::vector<Json> validations;  // and those that are validations
};

struct RunRecords {
  std::filesystem::path folder;
  Json summary, environment;  // null when missing
  std::vector<StageRecords> stages;
};
Result<RunRecords> ReadRunRecords(const std::filesystem::path& run);

}  // namespace pawl
