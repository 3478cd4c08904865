// The configuration that the findings recommend next: the run's own with a few keys changed.
#pragma once

#include <string>
#include <vector>

#include "diagnose/finding.h"
#include "records/records.h"

namespace pawl {

struct Recommendation {
  std::string table;  // "stage.basic", "gate", "run"
  std::string key, value;
  std::string why;  // the finding behind it
};
// Always at least one: another seed, because one run does not tell the spread between runs.
std::vector<Recommendation> Recommend(const RunRecords& run, const std::vector<Finding>& findings);

// `config` (as in config.resolved.toml) with the values changed and the reasons in front as
// comments.  Recommendations whose table or key is not there are left out.
std::string ChangedConfig(const std::string& config, const std::vector<Recommendation>& changes);

}  // namespace pawl
