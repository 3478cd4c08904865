// The comparison report of a study, from the records of its runs and benchmarks.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "study/study_config.h"

namespace pawl {

// One variant with one seed, as far as it got.
struct StudyRun {
  std::string variant;
  std::uint64_t seed = 0;
  int exit_code = 0;                           // of the first command that failed; 0: none
  std::filesystem::path run_folder;            // empty: not trained
  std::optional<std::filesystem::path> bench;  // results, where they were made
};
Status WriteStudyReport(const StudyConfig& study, const std::vector<StudyRun>& runs,
                        const std::filesystem::path& folder);

}  // namespace pawl
