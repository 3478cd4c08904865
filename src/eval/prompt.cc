#include "eval/prompt.h"

#include <fmt/format.h>

#include "base/json.h"
#include "tokenizer/chat_template.h"

namespace pawl {
namespace {

// A worked example's answer in the form that the problem's own file has.
std::string ShotAnswer(const Problem& problem) {
  const std::string marker = "#### " + problem.answer;
  return problem.solution.empty() || problem.solution.ends_with(marker)
             ? (problem.solution.empty() ? marker : problem.solution)
             : problem.solution + "\n" + marker;
}

}  // namespace

std::vector<std::string> Problems(const PromptConfig& config) {
  std::vector<std::string> problems;
  if (config.prompt_template.find("{question}") == std::string::npos) {
    problems.push_back(fmt::format("prompt.template: got \"{}\", expected {{question}} in it",
                                   config.prompt_template));
  }
  if (config.num_fewshot < 0 || config.num_fewshot > 64) {
    problems.push_back(
        fmt::format("prompt.num_fewshot: got {}, expected 0 to 64", config.num_fewshot));
  }
  return problems;
}

Result<PromptBuilder> PromptBuilder::Make(const Tokenizer& tokenizer, PromptConfig config,
                                          std::vector<Problem> examples) {
  for (const std::string& problem : Problems(config)) return Usage(problem);
  const auto shots = static_cast<std::size_t>(config.num_fewshot);
  if (examples.size() < shots) {
    return Usage(
        fmt::format("prompt.num_fewshot: {} examples wanted, {} problems to take them from", shots,
                    examples.size()));
  }
  examples.resize(shots);
  return PromptBuilder(tokenizer, std::move(config), std::move(examples));
}

std::string PromptBuilder::Fill(const std::string& question) const {
  std::string text = config_.prompt_template;
  const std::string slot = "{question}";
  for (std::size_t at = text.find(slot); at != std::string::npos;
       at = text.find(slot, at + question.size())) {
    text.replace(at, slot.size(), question);
  }
  return text;
}

std::vector<ChatMessage> PromptBuilder::Messages(const Problem& problem) const {
  std::vector<ChatMessage> messages;
  if (!config_.system.empty()) messages.push_back({"system", config_.system});
  for (const Problem& example : examples_) {
    messages.push_back({"user", Fill(example.question)});
    messages.push_back({"assistant", ShotAnswer(example)});
  }
  if (problem.messages.empty()) {
    messages.push_back({"user", Fill(problem.question)});
  } else {
    messages.insert(messages.end(), problem.messages.begin(), problem.messages.end());
  }
  return messages;
}

Result<std::vector<std::int32_t>> PromptBuilder::Ids(const Problem& problem) const {
  if (config_.chat && tokenizer_->chat_template()) {
    Json messages = Json::array();
    for (const ChatMessage& message : Messages(problem)) {
      messages.push_back({{"role", message.role}, {"content", message.content}});
    }
    auto ids = EncodeChat(*tokenizer_, messages);
    if (!ids) return Within(problem.id, ids.error());
    return ids;
  }
  std::string text = config_.system.empty() ? "" : config_.system + "\n\n";
  for (const Problem& example : examples_) {
    text +=
        fmt::format("Question: {}\nAnswer: {}\n\n", Fill(example.question), ShotAnswer(example));
  }
  std::string question = problem.question;
  for (const ChatMessage& message : problem.messages) question += message.content + "\n";
  text += fmt::format("Question: {}\nAnswer:", Fill(question));
  return tokenizer_->Encode(text, ControlTokens::kPlain);
}

std::string PromptBuilder::Identity() const {
  std::string text = config_.system + '\0' + config_.prompt_template + '\0' +
                     std::to_string(config_.num_fewshot) + (config_.chat ? "chat" : "plain") +
                     tokenizer_->chat_template().value_or("");
  for (const Problem& example : examples_) text += '\0' + example.question + '\0' + example.answer;
  return text;
}

}  // namespace pawl
