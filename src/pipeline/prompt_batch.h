// The prompts of one GRPO step and how their completions are graded.
#pragma once

#include <vector>

#include "pipeline/prompt_choice.h"
#include "train/trainer.h"

namespace pawl {

// What a step has asked so far.
struct PromptBatch {
  std::vector<PromptChoice> choices;
  std::vector<const Problem*> problems;  // of each choice; they live in the context
};
// Appends `chosen` to the batch and gives their tasks; the random address of the batch's first task
// is first_item.
Result<std::vector<PromptTask>> AddTasks(const RunContext& context,
                                         const std::vector<PromptChoice>& chosen,
                                         std::uint64_t first_item, PromptBatch& batch);

// problems: of each task, may grow while the step goes on.  Both outlive the grader.
Grader GraderOf(const RunContext& context, const std::vector<const Problem*>& problems);

}  // namespace pawl
