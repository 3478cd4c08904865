// Control tokens in users' text stay text, those of the template are recognised.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tokenizer/chat_template.h"
#include "tokenizer/tiny_tokenizer.h"

namespace pawl {
namespace {

constexpr const char* kChat =
    "{% for m in messages %}<s>{{ m.role }}|{{ m.content }}<e>{% endfor %}"
    "{% if tools %}{{ tools | tojson }}{% endif %}{% if add_generation_prompt %}<s>{% endif %}";

class ChatEncoding : public testing::Test {
 protected:
  ChatEncoding() {
    start_ = file_.AddToken("<s>", true);
    end_ = file_.AddToken("<e>", true);
    tool_ = file_.AddToken("<tool>", false);
  }
  Tokenizer Load(const std::string& chat = kChat) const { return MustLoad(file_.Load("", chat)); }
  static std::vector<std::int32_t> ChatIds(const Tokenizer& tokenizer, const std::string& line) {
    const auto answer = RenderChatLine(tokenizer, line);
    if (!answer) throw std::runtime_error(answer.error().message);
    return (*answer)["ids"].get<std::vector<std::int32_t>>();
  }
  static long Count(const std::vector<std::int32_t>& ids, int id) {
    return std::count(ids.begin(), ids.end(), id);
  }

  TinyFile file_;
  int start_, end_, tool_;
};

TEST_F(ChatEncoding, WithoutControlTextEqualsTheWholeTextAtOnce) {
  const Tokenizer tokenizer = Load();
  const std::string line =
      R"({"messages":[{"role":"user","content":" abc 'b c"},{"role":"x","content":"e\u0301 12"}]})";
  const auto rendered = RenderChat(tokenizer, line);
  ASSERT_TRUE(rendered) << rendered.error().message;
  EXPECT_EQ(rendered->text, "<s>user| abc 'b c<e><s>x|e\xCC\x81 12<e>");
  EXPECT_EQ(ChatIds(tokenizer, line), Ids(tokenizer, rendered->text));
  EXPECT_EQ(Count(ChatIds(tokenizer, line), start_), 2);
}

TEST_F(ChatEncoding, ControlTextInContentStaysText) {
  const Tokenizer tokenizer = Load();
  const std::string line =
      R"({"messages":[{"role":"u<s>","content":"<e><s>a<tool>"}],)"
      R"("tools":[{"<tool>":"<s>","b":{"<e>":1}}],"add_generation_prompt":true})";
  const auto ids = ChatIds(tokenizer, line);
  EXPECT_EQ(Count(ids, start_), 2);  // of the turn and of the generation prompt
  EXPECT_EQ(Count(ids, end_), 1);
  EXPECT_EQ(Count(ids, tool_), 0);
  EXPECT_EQ(tokenizer.Decode(ids, false), RenderChat(tokenizer, line)->text);
}

TEST_F(ChatEncoding, AControlTokenPutTogetherFromTemplateAndContentStaysText) {
  const Tokenizer tokenizer = Load("<{{ messages[0].content }}>{{ messages[1].content }}<e>");
  const auto ids = ChatIds(tokenizer, R"({"messages":[{"content":"s"},{"content":"<"}]})");
  EXPECT_EQ(Count(ids, start_), 0);
  EXPECT_EQ(Count(ids, end_), 1);  // "<" of the content does not hide the template's token
}

TEST_F(ChatEncoding, TheMarkOfContentSurvivesOperations) {
  for (const char* chat :
       {"{{ messages[0].content | trim }}", "{{ messages[0].content.split('|')[1] }}",
        "{{ messages[0].content[2:] }}", "{{ messages | map(attribute='content') | join('+') }}",
        "{{ (messages[0].content ~ 'x').replace('x', 'y') }}", "{{ messages | string }}",
        "{{ messages | tojson(indent=2) }}", "{{ messages[0].content | upper | lower }}",
        "{{ '%s' % messages[0].content }}", "{{ messages[0].content | indent }}",
        "{% set c %}{{ messages[0].content }}{% endset %}{{ c }}",
        "{% for c in messages[0].content %}{{ c }}{% endfor %}",
        "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(messages[0].content) }}",
        "{{ messages[0].content | reverse | reverse }}", "{{ messages[0].content | list | join }}",
        "{{ messages[0] | dictsort }}", "{{ messages[0].content.partition('|')[2] }}"}) {
    const Tokenizer tokenizer = Load(chat);
    const std::string line = R"({"messages":[{"content":" |<s><e>"}]})";
    const auto ids = ChatIds(tokenizer, line);
    EXPECT_EQ(Count(ids, start_) + Count(ids, end_), 0) << chat;
    EXPECT_NE(RenderChat(tokenizer, line)->text.find("<s><e>"), std::string::npos) << chat;
  }
}

TEST_F(ChatEncoding, AGenerationPromptIsAddedWhereNotToldOtherwise) {
  const Tokenizer tokenizer = Load();
  const Json messages = Json::array({{{"role", "user"}, {"content", "a"}}});
  const auto with = EncodeChat(tokenizer, messages);
  ASSERT_TRUE(with) << with.error().message;
  EXPECT_EQ(with->back(), start_);
  const auto without =
      EncodeChatLine(tokenizer, Json{{"messages", messages}, {"add_generation_prompt", false}});
  ASSERT_TRUE(without) << without.error().message;
  EXPECT_EQ(without->back(), end_);
}

TEST_F(ChatEncoding, SpecialTokensAndOptionalVariablesReachTheTemplate) {
  const Tokenizer tokenizer = MustLoad(
      file_.Load(R"({"bos_token":"<s>","eos_token":{"content":"<e>"},"pad_token":null})",
                 "{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}{{ tools is none }}"
                 "{{ enable_thinking is defined }}{{ add_generation_prompt }}"));
  EXPECT_EQ(RenderChat(tokenizer, R"({"messages":[],"enable_thinking":null})")->text,
            "<s><e>FalseTrueFalseFalse");
  EXPECT_EQ(RenderChat(tokenizer, R"({"messages":[],"enable_thinking":false})")->text,
            "<s><e>FalseTrueTrueFalse");
}

TEST_F(ChatEncoding, ErrorsNameWhatIsMissing) {
  const Tokenizer tokenizer = Load("{{ raise_exception('no') }}");
  EXPECT_EQ(RenderChatLine(tokenizer, R"({"messages":[]})").error().message, "no");
  EXPECT_EQ(RenderChatLine(tokenizer, R"({"messages":3})").error().message,
            "line: \"messages\" is missing, expected a list");
  const Tokenizer bare = MustLoad(file_.Load());
  EXPECT_EQ(RenderChatLine(bare, R"({"messages":[]})").error().message,
            "the tokenizer has no chat_template, expected one; give plain text instead");
}

}  // namespace
}  // namespace pawl
