// Answers of a policy to problems, graded: what bench, validation, gates and the final test have in
// common.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/problem.h"
#include "eval/prompt.h"
#include "reward/reward.h"
#include "rollout/generate.h"
#include "stats/compare.h"
#include "tokenizer/tokenizer.h"

namespace pawl {

struct EvaluateSettings {
  int samples = 1;
  bool greedy = true;
  double temperature = 1.0;
  int max_new_tokens = 256;
  std::uint64_t seed = 0;
  std::uint64_t first_item = 0;  // random address of the first problem; two models with equal
                                 // addresses use the same random numbers (common random numbers)
  std::vector<std::string> stop;
  std::size_t max_batch = 64;
};

struct AnswerRecord {
  std::string completion;
  std::optional<std::string> extracted;
  bool correct = false;  // by the reward asked for
  bool strict = false, flexible = false;
  int tokens = 0;
  double seconds = 0;
  FinishReason finish_reason = FinishReason::kLength;
};

struct ProblemRecord {
  std::string id;
  std::optional<int> level;
  std::string question, gold;
  std::vector<AnswerRecord> samples;
};

struct Evaluation {
  std::vector<ProblemRecord> problems;
  GenerationStats stats;
  bool cancelled = false;

  double Accuracy() const;              // mean over problems of the share of right samples
  std::size_t CorrectProblems() const;  // problems whose first sample is right
  double TruncatedFraction() const;
  Outcomes OutcomesById() const;
};

struct EvaluateHooks {
  std::function<void(const ProblemRecord&)> done;  // in order of the problems
  std::function<bool()> cancelled;
};

Result<Evaluation> Evaluate(const Policy& policy, const Tokenizer& tokenizer,
                            const PromptBuilder& prompts, std::span<const Problem> problems,
                            const Reward& reward, const EvaluateSettings& settings,
                            const Compute& compute, const EvaluateHooks& hooks);

// The completion's text without special tokens, cut before the first stop text.
std::string CompletionText(const Tokenizer& tokenizer, std::span<const std::int32_t> ids,
                           std::span<const std::string> stop);

}  // namespace pawl
