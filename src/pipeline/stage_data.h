// The problems of a run: training problems per stage, and disjoint validation, gate and test
// problems.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/problem.h"
#include "pipeline/config.h"

namespace pawl {

struct RunData {
  std::map<std::string, TrainProblems>
      train;                      // by stage name; absent for fresh generated documents
  ValidationProblems validation;  // chooses best/ and stops early
  ValidationProblems gate;        // feeds gates; disjoint from `validation`
  TestProblems test;              // the final figures only
  std::string sha256;             // of everything above

  // Leaves a stage these of its training problems (indices, ascending).
  void Keep(const std::string& stage, const std::vector<std::size_t>& problems);
};

// Whether a stage asks for its problems' pass rates before it begins.
bool FiltersByDifficulty(const StageConfig& stage);

// Reads or generates everything and checks it: a stage without data, too few problems for gates or
// test, and training, validation, gate and test problems with the same normalised text are all
// reported at once.
Result<RunData> MakeRunData(const RunConfig& config);

}  // namespace pawl
