#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tokenizer/oracle_lines.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace pawl {
namespace {

constexpr int kShown = 5;  // failures printed per file

class TokenizerOracle : public testing::TestWithParam<const char*> {};

Result<Tokenizer> LoadShared(const std::string& name) {
  return Tokenizer::Load(SharedDir() / "data/tokenizers" / name);
}

TEST_P(TokenizerOracle, EncodesAndDecodesEveryLineAsTheReference) {
  PAWL_NEED_SHARED();
  const auto tokenizer = LoadShared(GetParam());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  int wrong = 0, total = 0;
  for (const Json& line : OracleLines(std::string("tokenizer/") + GetParam() + ".jsonl")) {
    const auto expected = line["ids"].get<std::vector<std::int32_t>>();
    const auto ids = tokenizer->Encode(line["text"].get<std::string>(), ControlTokens::kRecognise);
    const bool good = ids == expected && tokenizer->Decode(expected, false) == line["decoded"] &&
                      tokenizer->Decode(expected, true) == line["decoded_skip"];
    ++total;
    if (good) continue;
    if (++wrong <= kShown) {
      ADD_FAILURE() << line["tag"] << " " << WriteJson(line["text"]) << "\n expected "
                    << WriteJson(line["ids"]) << "\n got      " << WriteJson(ids) << "\n decoded "
                    << WriteJson(line["decoded"]) << "\n got     "
                    << WriteJson(tokenizer->Decode(expected, false));
    }
  }
  EXPECT_EQ(wrong, 0) << "of " << total;
}

TEST_P(TokenizerOracle, StreamsEveryLineAsTheReference) {
  PAWL_NEED_SHARED();
  const auto tokenizer = LoadShared(GetParam());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  for (const Json& line : OracleLines(std::string("tokenizer/stream_") + GetParam() + ".jsonl")) {
    const bool skip = line["skip_special_tokens"].get<bool>();
    StreamDecoder decoder(*tokenizer, skip);
    std::vector<std::string> pieces;
    const auto ids = line["ids"].get<std::vector<std::int32_t>>();
    for (const std::int32_t id : ids) pieces.push_back(decoder.Push(id));
    EXPECT_EQ(pieces, line["pieces"].get<std::vector<std::string>>()) << WriteJson(line["ids"]);
    EXPECT_EQ(decoder.Flush(), line["flush"].get<std::string>());
    EXPECT_EQ(tokenizer->Decode(ids, skip), line["text"].get<std::string>());
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerOracle, testing::Values("qwen2_5", "qwen3", "gpt2"));

}  // namespace
}  // namespace pawl
