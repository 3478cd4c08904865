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
};

// Reads or generates everything and checks it: a stage without data, too few problems for gates or
// test, and training, validation, gate and test problems with the same normalised text are all
// reported at once.
Result<RunData> MakeRunData(const RunConfig& config);

}  // namespace pawl
