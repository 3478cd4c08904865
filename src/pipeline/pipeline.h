// `pawl run`: the whole staged pipeline.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "kernels/compute.h"

namespace pawl {

struct RunOptions {
  std::filesystem::path config;
  std::filesystem::path run_dir;  // empty: runs/<stem>, then -2, -3
  std::vector<std::string> sets;  // key=value
  bool resume = false, dry_run = false, quiet = false;
  // The number of a signal that asks the run to stop, 0 for none; polled every decode step.
  std::function<int()> signal;
};

struct RunOutcome {
  std::filesystem::path folder;
  int exit_code = 0;  // 0, 6, 7, or 128 + signal
  std::string text;   // what a person reads at the end
};
Result<RunOutcome> RunPipeline(const RunOptions& options, const Compute& compute);

}  // namespace pawl
