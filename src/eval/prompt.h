// From a problem to the token ids that the model reads; bench, training and gates all use this.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/problem.h"
#include "tokenizer/tokenizer.h"

namespace pawl {

struct PromptConfig {
  std::string system;                          // empty: no system message of ours
  std::string prompt_template = "{question}";  // where the problem's text goes
  int num_fewshot = 0;  // worked examples before the problem, as earlier turns
  bool chat = true;     // false: plain text even where the model has a template
};

// Every problem of a configuration at once; empty: valid.
std::vector<std::string> Problems(const PromptConfig& config);

class PromptBuilder {
 public:
  // examples: problems for the few shots, taken from the front; kUsage when there are too few.
  // Keeps a reference to the tokenizer.
  static Result<PromptBuilder> Make(const Tokenizer& tokenizer, PromptConfig config,
                                    std::vector<Problem> examples);

  // With a chat template: system, shots as turns, the question, and the start of the answer.
  // Without: the system text, then for each shot the filled template and its answer, then the
  // filled template, joined by blank lines as lm-evaluation-harness does; the template "{question}"
  // alone stands for its "Question: {question}\nAnswer:".  Control tokens in the template count in
  // plain text; in a problem's own text (and anywhere in a chat message) they are ordinary text.
  // A problem with "messages" gives its messages as they are.
  Result<std::vector<std::int32_t>> Ids(const Problem& problem) const;

  // What decides every prompt but the problem: its hash is recorded with results.
  std::string Identity() const;
  std::string Sha256() const;  // of Identity()

 private:
  PromptBuilder(const Tokenizer& tokenizer, PromptConfig config, std::vector<Problem> examples)
      : tokenizer_(&tokenizer), config_(std::move(config)), examples_(std::move(examples)) {}
  bool Chat() const { return config_.chat && tokenizer_->chat_template().has_value(); }
  std::vector<ChatMessage> Messages(const Problem& problem) const;
  Result<std::vector<std::int32_t>> PlainIds(const Problem& problem) const;

  const Tokenizer* tokenizer_;
  PromptConfig config_;
  std::vector<Problem> examples_;
};

}  // namespace pawl
