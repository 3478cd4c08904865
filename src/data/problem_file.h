// Problems in JSON Lines: GSM8K's form {"question","answer"} with "#### 18" in the answer, and the
// general form
// {"id","question" or "messages","answer","solution","level"}.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/problem.h"

namespace pawl {

// Lines are counted from 0; empty lines and unknown fields are ignored.  A missing file is kUsage;
// an empty file, a malformed line, a missing field, a repeated id or text that is not UTF-8 is
// kBadFile naming file and line.  Ids default to <file stem>-<line>.
Result<std::vector<Problem>> ReadProblems(const std::filesystem::path& file);

// One line each in the general form, written to a temporary name and renamed.
Status WriteProblems(const std::vector<Problem>& problems, const std::filesystem::path& file);

// Non-empty lines of the worked solution: GSM8K's number of steps.
int WorkedSteps(const Problem& problem);
// 1: at most 2 steps, 2: 3 or 4, 3: 5 or more.
int LevelBySteps(int steps);

}  // namespace pawl
