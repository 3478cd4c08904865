#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tokenizer/chat_template.h"
#include "tokenizer/oracle_lines.h"
#include "tokenizer/tokenizer.h"

namespace pawl {
namespace {

class ChatOracle : public testing::TestWithParam<const char*> {};

TEST_P(ChatOracle, RendersEveryLineAsTheReference) {
  PAWL_NEED_SHARED();
  const auto tokenizer = Tokenizer::Load(SharedDir() / "data/tokenizers" / GetParam());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  for (const std::string& text : OracleTextLines(std::string("chat/") + GetParam() + ".jsonl")) {
    const auto line = ParseJson(text, "line");
    ASSERT_TRUE(line) << line.error().message;
    const auto rendered = RenderChat(*tokenizer, text);
    ASSERT_TRUE(rendered) << rendered.error().message << "\n" << text;
    EXPECT_EQ(rendered->text, (*line)["rendered"].get<std::string>()) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ChatOracle, testing::Values("qwen2_5", "qwen3"));

TEST(ChatOracleSimple, RendersOrFailsAsTheReference) {
  PAWL_NEED_SHARED();
  int errors = 0;
  for (const std::string& text : OracleTextLines("chat/simple.jsonl")) {
    const auto line = ParseJson(text, "line");
    ASSERT_TRUE(line) << line.error().message;
    const std::string name = (*line)["name"].get<std::string>();
    const auto parsed = ChatTemplate::Parse((*line)["template"].get<std::string>());
    ASSERT_TRUE(parsed) << name << ": " << parsed.error().message;
    const auto rendered = parsed->Render(text);
    const Json& error = (*line)["error"];
    if (error.is_null()) {
      ASSERT_TRUE(rendered) << name << ": " << rendered.error().message;
      EXPECT_EQ(rendered->text, (*line)["rendered"].get<std::string>()) << name;
      continue;
    }
    ++errors;
    ASSERT_FALSE(rendered) << name;
    if (error["type"] == "TemplateError") {
      EXPECT_EQ(rendered.error().message, error["message"].get<std::string>());
    }
  }
  EXPECT_GT(errors, 0);
}

}  // namespace
}  // namespace pawl
