// `pawl study`: several runs and one comparison.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "base/error.h"

namespace pawl {

struct StudyOptions {
  std::filesystem::path config;
  std::filesystem::path folder;  // empty: runs/study-<name>
  int threads = 0;               // of the runs; 0: all CPUs
  std::function<int()> signal;   // the number of a signal that asks to stop; 0: none
  std::function<void(const std::string&)> progress;
};
struct StudyOutcome {
  int exit_code = 0;
  std::string text;
};
// Runs each variant with each seed in runs/<variant>-s<seed>, measures its final model on the base
// configuration's test problems in bench/, and writes study.json, report.md and report.html.  What
// is finished already is not done again; an interrupted run goes on.  A variant whose run failed
// stands in the report with its exit code.  A folder of another study is kNoCheckpoint.
Result<StudyOutcome> RunStudy(const StudyOptions& options);

}  // namespace pawl
