#include "eval/prompt.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/sha256.h"
#include "tokenizer/chat_template.h"

namespace pawl {
namespace {

constexpr std::string_view kSlot = "{question}";
// lm-evaluation-harness's gsm8k prompt, for models without a chat template.
constexpr std::string_view kPlainTemplate = "Question: {question}\nAnswer:";

// A worked example's answer in the form that the problem's own file has.
std::string ShotAnswer(const Problem& problem) {
  const std::string marker = "#### " + problem.answer;
  if (problem.solution.empty()) return marker;
  return problem.solution.ends_with(marker) ? problem.solution : problem.solution + "\n" + marker;
}

// Text that is put together from a template and problems; `plain` are the problems' parts.
struct MarkedText {
  std::string text;
  std::vector<Span> plain;

  void AddPlain(std::string_view part) {
    if (part.empty()) return;
    plain.push_back({text.size(), text.size() + part.size()});
    text += part;
  }
  void Fill(std::string_view prompt_template, std::string_view question) {
    std::size_t begin = 0;
    for (std::size_t at; (at = prompt_template.find(kSlot, begin)) != std::string_view::npos;
         begin = at + kSlot.size()) {
      text += prompt_template.substr(begin, at - begin);
      AddPlain(question);
    }
    text += prompt_template.substr(begin);
  }
};

std::string Filled(std::string_view prompt_template, std::string_view question) {
  MarkedText marked;
  marked.Fill(prompt_template, question);
  return std::move(marked.text);
}

// A problem's text where there are no turns.
std::string QuestionText(const Problem& problem) {
  if (problem.messages.empty()) return problem.question;
  std::string text;
  for (const ChatMessage& message : problem.messages) {
    text += (text.empty() ? "" : "\n") + message.content;
  }
  return text;
}

}  // namespace

std::vector<std::string> Problems(const PromptConfig& config) {
  std::vector<std::string> problems;
  if (config.prompt_template.find(kSlot) == std::string::npos) {
    problems.push_back(fmt::format("prompt.template: got \"{}\", expected {} in it",
                                   config.prompt_template, kSlot));
  }
  if (config.num_fewshot < 0 || config.num_fewshot > 64) {
    problems.push_back(
        fmt::format("prompt.num_fewshot: got {}, expected 0 to 64", config.num_fewshot));
  }
  return problems;
}

Result<PromptBuilder> PromptBuilder::Make(const Tokenizer& tokenizer, PromptConfig config,
                                          std::vector<Problem> examples) {
  if (const auto wrong = Problems(config); !wrong.empty()) {
    return Usage(fmt::format("{}", fmt::join(wrong, "; ")));
  }
  const auto shots = static_cast<std::size_t>(config.num_fewshot);
  if (examples.size() < shots) {
    return Usage(
        fmt::format("prompt.num_fewshot: {} examples wanted, {} problems to take them from", shots,
                    examples.size()));
  }
  examples.resize(shots);
  return PromptBuilder(tokenizer, std::move(config), std::move(examples));
}

std::vector<ChatMessage> PromptBuilder::Messages(const Problem& problem) const {
  std::vector<ChatMessage> messages;
  const auto add = [&](const Problem& one) {
    if (one.messages.empty()) {
      messages.push_back({"user", Filled(config_.prompt_template, one.question)});
    } else {
      messages.insert(messages.end(), one.messages.begin(), one.messages.end());
    }
  };
  if (!config_.system.empty()) messages.push_back({"system", config_.system});
  for (const Problem& example : examples_) {
    add(example);
    messages.push_back({"assistant", ShotAnswer(example)});
  }
  add(problem);
  return messages;
}

Result<std::vector<std::int32_t>> PromptBuilder::Ids(const Problem& problem) const {
  Result<std::vector<std::int32_t>> ids;
  if (Chat()) {
    Json messages = Json::array();
    for (const ChatMessage& message : Messages(problem)) {
      messages.push_back({{"role", message.role}, {"content", message.content}});
    }
    ids = EncodeChat(*tokenizer_, messages);
  } else {
    ids = PlainIds(problem);
  }
  if (!ids) return Within(fmt::format("problem \"{}\"", problem.id), ids.error());
  return ids;
}

Result<std::vector<std::int32_t>> PromptBuilder::PlainIds(const Problem& problem) const {
  const std::string_view prompt_template =
      config_.prompt_template == kSlot ? kPlainTemplate : config_.prompt_template;
  MarkedText marked;
  if (!config_.system.empty()) marked.text = config_.system + "\n\n";
  for (const Problem& example : examples_) {
    marked.Fill(prompt_template, QuestionText(example));
    marked.text += " ";
    marked.AddPlain(ShotAnswer(example));
    marked.text += "\n\n";
  }
  marked.Fill(prompt_template, QuestionText(problem));
  return tokenizer_->EncodeWithPlainSpans(marked.text, marked.plain);
}

std::string PromptBuilder::Identity() const {
  Json identity;
  identity["system"] = config_.system;
  identity["template"] = config_.prompt_template;
  identity["chat_template"] = Chat() ? Json(*tokenizer_->chat_template()) : Json();
  identity["shots"] = Json::array();
  for (const Problem& example : examples_) {
    Json messages = Json::array();
    for (const ChatMessage& message : example.messages) {
      messages.push_back({message.role, message.content});
    }
    identity["shots"].push_back({example.question, std::move(messages), ShotAnswer(example)});
  }
  return WriteJson(identity);
}

std::string PromptBuilder::Sha256() const { return Sha256Hex(Identity()); }

}  // namespace pawl
