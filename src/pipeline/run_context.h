// What a run works with once its configuration is known: model, tokenizer, prompts, rewards, data.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "eval/evaluate.h"
#include "pipeline/config.h"
#include "pipeline/stage_data.h"
#include "rollout/journal.h"
#include "train/train_state.h"

namespace pawl {

struct RunContext {
  RunConfig config;
  const Compute* compute = nullptr;
  std::optional<Tokenizer> tokenizer;
  std::filesystem::path tokenizer_folder;  // copied into saved models
  std::filesystem::path base_folder;       // of the model; empty for a new one
  std::string base_sha256;
  std::optional<PromptBuilder> prompts;
  std::optional<RewardSet> rewards;
  std::unique_ptr<Reward> grader;  // what `correct` means: the first reward
  RunData data;
  TrainState state;
  // Of completions that the next checkpoint does not hold yet; absent outside a run.
  std::unique_ptr<CompletionJournal> journal;
  std::function<int()> signal;  // the number of a signal that asked us to stop; 0: none

  bool Stopped() const { return signal && signal() != 0; }
};

// Loads or makes everything; `run_folder` receives the tokenizer of a new model.
Status OpenContext(const RunConfig& config, const std::filesystem::path& run_folder,
                   const Compute& compute, RunContext& context);

// Optimizer steps of stage number `stage`, counted from 0.
int PlannedSteps(const RunContext& context, std::size_t stage);

// The completion limit of validation, gates and the final benchmark: the longest of the stages', so
// that a stage is not judged by its own limit, which would hide what it does to longer answers.
int LongestCompletion(const RunConfig& config);

// What a stage may generate must fit: prompt and completion within the context (kUsage naming
// both).
Status CheckLengths(const RunContext& context);

// The policy's accuracy on problems, greedy or sampled at `temperature`, with random addresses from
// first_item.
struct MeasureOptions {
  bool greedy = true;
  int samples = 1;
  double temperature = 1.0;
  int max_new_tokens = 256;
  std::uint64_t first_item = 0;
  std::vector<std::uint64_t> items = {};  // one address a problem, instead of first_item
  std::string fingerprint = {};           // of the policy, where the caller knows it
};
Result<Evaluation> Measure(const RunContext& context, std::span<const Problem> problems,
                           const MeasureOptions& options);

}  // namespace pawl
