// Answers of a policy to problems, graded: what bench, validation, gates and the final test have in
// common.  Everything but the seconds is a pure function of policy, problems and settings.
#pragma once

#include <functional>
#include <optional>
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
  std::vector<std::uint64_t> items = {};  // one address a problem, instead of first_item
  std::vector<std::string> stop = {};     // texts that end a completion and are cut off
  std::size_t max_batch = 64;             // changes speed only
};
// Every problem of the settings at once; empty: valid.
std::vector<std::string> Problems(const EvaluateSettings& settings);

struct AnswerRecord {
  std::string completion;  // without special tokens
  std::optional<std::string> extracted;
  bool correct = false;                   // by the reward asked for
  bool strict = false, flexible = false;  // by gsm8k-strict and gsm8k-flexible
  int tokens = 0;
  double seconds = 0;
  FinishReason finish_reason = FinishReason::kLength;
};

struct ProblemRecord {
  std::string id;
  std::optional<int> level;
  std::string question, gold;
  std::vector<AnswerRecord> samples;

  std::size_t Right() const;  // right samples
  double Share() const;       // of right samples; 0 without samples
};

struct Evaluation {
  std::vector<ProblemRecord> problems;  // in the order given; those finished where cancelled
  GenerationStats stats;                // of what was generated, not of known problems
  bool cancelled = false;

  double Accuracy() const;              // mean over problems of the share of right samples
  std::size_t Answers() const;          // samples of all problems
  std::size_t CorrectAnswers() const;   // those that are right
  std::size_t CorrectProblems() const;  // problems whose first sample is right
  double TruncatedFraction() const;     // of answers cut at max_new_tokens
  double MeanTokens() const;
  std::vector<double> Shares() const;  // per problem
  Outcomes OutcomesById() const;
};

struct EvaluateHooks {
  // In order of the problems, for those that were generated; index counts from 0.  An error ends
  // the evaluation with it.
  std::function<Status(std::size_t index, const ProblemRecord&)> done = {};
  std::function<bool()> cancelled = {};
  // A problem's record where it is known already: it is not generated again.
  std::function<std::optional<ProblemRecord>(std::size_t index)> known = {};
  JournalUse journal = {};  // of finished answers; its policy need not mention the stop texts
};

// Problem i has the random address items[i], or first_item + i.  Settings that cannot work, and
// prompts that do not fit the context together with max_new_tokens, are kUsage.
Result<Evaluation> Evaluate(const Policy& policy, const Tokenizer& tokenizer,
                            const PromptBuilder& prompts, std::span<const Problem> problems,
                            const Reward& reward, const EvaluateSettings& settings,
                            const Compute& compute, const EvaluateHooks& hooks);

}  // namespace pawl
