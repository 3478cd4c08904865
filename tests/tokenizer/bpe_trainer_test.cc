#include "tokenizer/bpe_trainer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace pawl {
namespace {

std::vector<std::string> Corpus() {
  std::vector<std::string> texts;
  for (int i = 10; i < 60; ++i) {
    texts.push_back("<|im_start|>user\nTom has " + std::to_string(i) +
                    " apples.<|im_end|>\n<|im_start|>assistant\n#### " + std::to_string(i) +
                    "<|im_end|>\n");
  }
  return texts;
}

Result<Tokenizer> Trained(const TokenizerFiles& files) {
  return Tokenizer::FromJson(files.tokenizer_json, files.tokenizer_config_json, "", "trained");
}

TEST(BpeTrainer, WritesATokenizerThatLoads) {
  const auto files = TrainByteLevelBpe(Corpus(), {});
  ASSERT_TRUE(files) << files.error().message;
  const auto tokenizer = Trained(*files);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(tokenizer->IdOf("<|endoftext|>"), 0);
  EXPECT_EQ(tokenizer->IdOf("<|im_start|>"), 1);
  EXPECT_EQ(tokenizer->IdOf("<|im_end|>"), 2);
  EXPECT_EQ(tokenizer->eos()->id, 2);
  EXPECT_EQ(tokenizer->pad()->id, 0);
  EXPECT_FALSE(tokenizer->bos());
  // The reference takes ids of added tokens from the vocabulary.
  const Json json = Json::parse(files->tokenizer_json);
  EXPECT_EQ(json["model"]["vocab"]["<|im_end|>"], 2);
  for (const std::string& text : Corpus()) {
    const auto ids = tokenizer->Encode(text, ControlTokens::kRecognise);
    EXPECT_EQ(tokenizer->Decode(ids, false), text);
  }
}

TEST(BpeTrainer, LearnsWordsAndKeepsDigitsApart) {
  const auto files = TrainByteLevelBpe(Corpus(), {});
  ASSERT_TRUE(files) << files.error().message;
  const auto tokenizer = Trained(*files);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const auto tokens = [&](const char* text) {
    std::vector<std::string> out;
    for (const std::int32_t id : tokenizer->Encode(text, ControlTokens::kRecognise)) {
      out.emplace_back(tokenizer->TokenBytes(id));
    }
    return out;
  };
  EXPECT_EQ(tokens("Tom has 1234 apples.\n#### 5"),
            (std::vector<std::string>{"Tom", " has", " ", "1", "2", "3", "4", " apples", ".", "\n",
                                      "####", " ", "5"}));
}

TEST(BpeTrainer, IsDeterministicAndStopsAtTheSizeAskedFor) {
  const auto first = TrainByteLevelBpe(Corpus(), {}), second = TrainByteLevelBpe(Corpus(), {});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->tokenizer_json, second->tokenizer_json);
  BpeTrainerOptions options;
  options.vocab_size = 262;
  const auto small = TrainByteLevelBpe(Corpus(), options);
  ASSERT_TRUE(small) << small.error().message;
  EXPECT_EQ(Trained(*small)->vocab_size(), 262);
}

TEST(BpeTrainer, ItsTemplateIsChatMl) {
  const auto files = TrainByteLevelBpe(Corpus(), {});
  ASSERT_TRUE(files) << files.error().message;
  const auto tokenizer = Trained(*files);
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  const auto chat = RenderChat(*tokenizer, R"({"messages":[{"role":"user","content":"Hi"}],)"
                                           R"("add_generation_prompt":true})");
  ASSERT_TRUE(chat) << chat.error().message;
  EXPECT_EQ(chat->text, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

TEST(BpeTrainer, RefusesWhatItCannotDo) {
  BpeTrainerOptions options;
  options.vocab_size = 258;
  EXPECT_EQ(TrainByteLevelBpe({}, options).error().message,
            "tokenizer: vocab_size 258 is too small, expected at least 259");
  EXPECT_EQ(TrainByteLevelBpe({"a", "\xFF"}, {}).error().message, "tokenizer: text 1 is not UTF-8");
}

}  // namespace
}  // namespace pawl
