// Short measurements of a run's parts.
#pragma once

#include "pipeline/run_context.h"

namespace pawl {

// Mean costs of one optimizer step of a stage, from the base model, with every group trained on.
struct StepCost {
  double rollout_seconds = 0, train_seconds = 0, other_seconds = 0;
  double spread = 0;              // standard deviation of a step's seconds over their mean
  double answer_tokens = 0;       // mean of a completion
  double prompt_tokens = 0;       // mean of a prompt
  double rollout_line_bytes = 0;  // of one completion in rollouts.jsonl
  int steps = 0;                  // measured
};
Result<StepCost> MeasureSteps(RunContext& context, std::size_t stage, double budget);

// Seconds of one answer in full batches, and its tokens.
struct AnswerCost {
  double seconds = 0, tokens = 0;
};
Result<AnswerCost> MeasureAnswers(const RunContext& context, bool greedy, double temperature,
                                  int max_new_tokens, std::size_t problems);

}  // namespace pawl
