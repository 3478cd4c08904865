// A byte tokenizer, a small random model over it, and problems, for the tests of eval/.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "eval/evaluate.h"
#include "model/toy.h"
#include "tokenizer/byte_alphabet.h"

namespace pawl {

inline constexpr std::int32_t kImStart = 256, kImEnd = 257;

// One id a byte, and two special tokens.  chat_template: empty for a model without one.
inline Tokenizer ByteTokenizer(const std::string& chat_template = "") {
  Json vocabulary = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary[ToByteAlphabet(std::string(1, static_cast<char>(byte)))] = byte;
  }
  Json added = Json::array();
  for (const auto& [id, content] :
       {std::pair(kImStart, "<|im_start|>"), std::pair(kImEnd, "<|im_end|>")}) {
    added.push_back({{"id", id},
                     {"content", content},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const Json json = {
      {"version", "1.0"},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", Json::array()}}}};
  auto tokenizer = Tokenizer::FromJson(WriteJson(json), "", chat_template, "toy");
  if (!tokenizer) ADD_FAILURE() << tokenizer.error().message;
  return std::move(*tokenizer);
}

inline std::vector<std::int32_t> Bytes(const std::string& text) {
  std::vector<std::int32_t> ids;
  for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

inline ModelConfig ByteModelConfig() {
  ModelConfig config = ToyConfig(ToyKind::kQwen2, true);
  config.vocab_size = 258;
  return config;
}

// Everything an evaluation needs.  About one answer in eight ends by itself.
struct Bed {
  ModelConfig config = ByteModelConfig();
  ThreadPool pool{1};
  Compute compute{pool};
  Model model = ToyModel(config, Precision::kF32, pool);
  Tokenizer tokenizer = ByteTokenizer();
  PromptBuilder prompts = *PromptBuilder::Make(tokenizer, {}, {});
  std::vector<Problem> problems;
  std::unique_ptr<Reward> reward = std::move(*MakeReward({"exact"}));
  EvaluateSettings settings;

  Bed() {
    model.stop_ids = {10, 32, 60, 90, 91, 120, 200, kImEnd};
    for (int i = 0; i < 12; ++i) {
      Problem problem;
      problem.id = "p" + std::to_string(i);
      problem.question = "What is " + std::to_string(i) + "+" + std::to_string(i * i) + "?";
      problem.answer = "18";
      if (i % 3 != 0) problem.level = i % 3;
      problems.push_back(std::move(problem));
    }
    settings.max_new_tokens = 12;
    settings.greedy = false;
    settings.samples = 3;
    settings.seed = 4;
    settings.temperature = 3;
    MakeSomeRight();
  }
  Policy policy() const { return {model, nullptr}; }
  Evaluation Run(const EvaluateHooks& hooks = {}) const {
    auto evaluation =
        Evaluate(policy(), tokenizer, prompts, problems, *reward, settings, compute, hooks);
    if (!evaluation) ADD_FAILURE() << evaluation.error().message;
    return std::move(*evaluation);
  }
  // Every other problem's gold becomes what its second sample says.
  void MakeSomeRight() {
    const Evaluation evaluation = Run();
    for (std::size_t i = 0; i < problems.size(); i += 2) {
      problems[i].answer = evaluation.problems[i].samples[1].completion;
    }
  }
};

// The same but for the seconds.
inline void ExpectSameRecords(const std::vector<ProblemRecord>& a,
                              const std::vector<ProblemRecord>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].id, b[i].id);
    EXPECT_EQ(a[i].level, b[i].level);
    EXPECT_EQ(a[i].question, b[i].question);
    EXPECT_EQ(a[i].gold, b[i].gold);
    ASSERT_EQ(a[i].samples.size(), b[i].samples.size());
    for (std::size_t s = 0; s < a[i].samples.size(); ++s) {
      const AnswerRecord &x = a[i].samples[s], &y = b[i].samples[s];
      EXPECT_EQ(x.completion, y.completion);
      EXPECT_EQ(x.extracted, y.extracted);
      EXPECT_EQ(x.correct, y.correct);
      EXPECT_EQ(x.strict, y.strict);
      EXPECT_EQ(x.flexible, y.flexible);
      EXPECT_EQ(x.tokens, y.tokens);
      EXPECT_EQ(x.finish_reason, y.finish_reason);
    }
  }
}

}  // namespace pawl
