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
  static Result<PromptBuilder> Make(const Tokenizer& tokenizer, PromptConfig config,
                                    std::vector<Problem> examples);

  // With a chat template: system, shots, the question, and the start of the answer.  Without:
  // "Question: ... Answer:" paragraphs as lm-evaluation-harness writes them.  The problem's own
  // text is encoded as plain text: control tokens in it are not obeyed.
  Result<std::vector<std::int32_t>> Ids(const Problem& problem) const;

  // What decides every prompt but the problem: its hash is recorded with results.
  std::string Identity() const;

 private:
  PromptBuilder(const Tokenizer& tokenizer, PromptConfig config, std::vector<Problem> examples)
      : tokenizer_(&tokenizer), config_(std::move(config)), examples_(std::move(examples)) {}
  std::string Fill(const std::string& question) const;
  std::vector<ChatMessage> Messages(const Problem& problem) const;

  const Tokenizer* tokenizer_;
  PromptConfig config_;
  std::vector<Problem> examples_;
};

}  // namespace pawl
