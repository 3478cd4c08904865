// The prompts of one GRPO step and how their completions are graded.
#pragma once

#include <vector>

#include "pipeline/prompt_choice.h"
#include "train/trainer.h"

namespace pawl {

struct PromptBatch {
  std::vector<PromptTask> tasks;         // random_item is left 0: the caller's
  std::vector<const Problem*> problems;  // of each task; they live in the context
};
// What the step asks where no pass rates are known yet.
Result<PromptBatch> MakePromptBatch(const RunContext& context, std::size_t stage, int step);

// problems: of each task, may grow while the step goes on.  Both outlive the grader.
Grader GraderOf(const RunContext& context, const std::vector<const Problem*>& problems);

}  // namespace pawl
