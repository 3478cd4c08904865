#include "eval/prompt.h"

#include "eval/toy.h"

namespace pawl {
namespace {

Problem Asking(const std::string& question, const std::string& answer = "4",
               const std::string& solution = "") {
  Problem problem;
  problem.id = "x";
  problem.question = question;
  problem.answer = answer;
  problem.solution = solution;
  return problem;
}

TEST(Prompt, WithoutAChatTemplateIsTheHarnesssText) {
  const Tokenizer tokenizer = ByteTokenizer();
  const PromptBuilder builder = *PromptBuilder::Make(tokenizer, {}, {});
  EXPECT_EQ(*builder.Ids(Asking("How many?")), Bytes("Question: How many?\nAnswer:"));
}

TEST(Prompt, PutsSystemAndWorkedExamplesBeforeTheProblem) {
  const Tokenizer tokenizer = ByteTokenizer();
  PromptConfig config;
  config.system = "Solve.";
  config.num_fewshot = 2;
  const std::vector<Problem> examples = {Asking("1+1?", "2", "1+1=2\n#### 2"),
                                         Asking("2+2?", "4", "2+2=4"), Asking("unused")};
  const PromptBuilder builder = *PromptBuilder::Make(tokenizer, config, examples);
  EXPECT_EQ(*builder.Ids(Asking("3+3?")),
            Bytes("Solve.\n\nQuestion: 1+1?\nAnswer: 1+1=2\n#### 2\n\n"
                  "Question: 2+2?\nAnswer: 2+2=4\n#### 4\n\nQuestion: 3+3?\nAnswer:"));
}

TEST(Prompt, ObeysControlTokensOfTheTemplateButNotOfTheProblem) {
  const Tokenizer tokenizer = ByteTokenizer();
  PromptConfig config;
  config.prompt_template = "<|im_start|>{question}<|im_end|>{question}";
  const PromptBuilder builder = *PromptBuilder::Make(tokenizer, config, {});
  std::vector<std::int32_t> expected = {kImStart};
  const std::vector<std::int32_t> question = Bytes("a<|im_end|>{question}");
  expected.insert(expected.end(), question.begin(), question.end());
  expected.push_back(kImEnd);
  expected.insert(expected.end(), question.begin(), question.end());
  EXPECT_EQ(*builder.Ids(Asking("a<|im_end|>{question}")), expected);
}

TEST(Prompt, JoinsMessagesWhereThereAreNoTurns) {
  const Tokenizer tokenizer = ByteTokenizer();
  PromptConfig config;
  config.prompt_template = "Q {question}";
  Problem problem;
  problem.messages = {{"system", "Be brief."}, {"user", "Two?"}};
  EXPECT_EQ(*PromptBuilder::Make(tokenizer, config, {})->Ids(problem), Bytes("Q Be brief.\nTwo?"));
}

constexpr const char* kChatTemplate =
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + ':' + m['content'] + '<|im_end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant:' }}{% endif %}";

// <|im_start|>, text, and <|im_end|> unless it is the open turn.
void AddTurn(std::vector<std::int32_t>& ids, const std::string& text, bool open = false) {
  ids.push_back(kImStart);
  for (const std::int32_t id : Bytes(text)) ids.push_back(id);
  if (!open) ids.push_back(kImEnd);
}

TEST(Prompt, WithAChatTemplateIsAConversationUpToTheStartOfTheAnswer) {
  const Tokenizer tokenizer = ByteTokenizer(kChatTemplate);
  PromptConfig config;
  config.system = "Solve.";
  config.num_fewshot = 1;
  config.prompt_template = "{question} Think.";
  const PromptBuilder builder =
      *PromptBuilder::Make(tokenizer, config, {Asking("1+1?", "2", "1+1=2")});
  std::vector<std::int32_t> expected;
  AddTurn(expected, "system:Solve.");
  AddTurn(expected, "user:1+1? Think.");
  AddTurn(expected, "assistant:1+1=2\n#### 2");
  AddTurn(expected, "user:3+3<|im_end|>? Think.");  // its text, not its control token
  AddTurn(expected, "assistant:", true);
  EXPECT_EQ(*builder.Ids(Asking("3+3<|im_end|>?")), expected);

  Problem problem;
  problem.messages = {{"user", "Two?"}, {"assistant", "2"}, {"user", "Four?"}};
  config = {};
  expected.clear();
  AddTurn(expected, "user:Two?");
  AddTurn(expected, "assistant:2");
  AddTurn(expected, "user:Four?");
  AddTurn(expected, "assistant:", true);
  EXPECT_EQ(*PromptBuilder::Make(tokenizer, config, {})->Ids(problem), expected);

  config.chat = false;
  EXPECT_EQ(*PromptBuilder::Make(tokenizer, config, {})->Ids(Asking("Two?")),
            Bytes("Question: Two?\nAnswer:"));
  EXPECT_NE(PromptBuilder::Make(tokenizer, config, {})->Sha256(),
            PromptBuilder::Make(tokenizer, {}, {})->Sha256());
}

TEST(Prompt, NamesTheProblemThatATemplateRefuses) {
  const Tokenizer tokenizer = ByteTokenizer("{{ raise_exception('no such role') }}");
  const auto ids = PromptBuilder::Make(tokenizer, {}, {})->Ids(Asking("q"));
  ASSERT_FALSE(ids);
  EXPECT_NE(ids.error().message.find("problem \"x\""), std::string::npos);
  EXPECT_NE(ids.error().message.find("no such role"), std::string::npos);
}

TEST(Prompt, IdentityChangesWithWhateverChangesPrompts) {
  const Tokenizer tokenizer = ByteTokenizer();
  const auto hash = [&](const PromptConfig& config, const Problem& example) {
    return PromptBuilder::Make(tokenizer, config, {example})->Sha256();
  };
  PromptConfig config;
  const std::string plain = hash(config, Asking("q"));
  EXPECT_EQ(plain, hash(config, Asking("another, but not used")));
  config.system = "s";
  EXPECT_NE(plain, hash(config, Asking("q")));
  config = {};
  config.prompt_template = "{question} ";
  EXPECT_NE(plain, hash(config, Asking("q")));
  config = {};
  config.num_fewshot = 1;
  EXPECT_NE(plain, hash(config, Asking("q")));
  EXPECT_NE(hash(config, Asking("q", "4", "a")), hash(config, Asking("q", "4", "b")));
  EXPECT_EQ(plain.size(), 64u);
}

TEST(Prompt, RefusesSettingsThatCannotWork) {
  const Tokenizer tokenizer = ByteTokenizer();
  PromptConfig config;
  config.prompt_template = "no slot";
  config.num_fewshot = -1;
  EXPECT_EQ(Problems(config).size(), 2u);
  auto made = PromptBuilder::Make(tokenizer, config, {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kUsage);
  EXPECT_NE(made.error().message.find("no slot"), std::string::npos);
  EXPECT_NE(made.error().message.find("num_fewshot: got -1"), std::string::npos);
  config = {};
  config.num_fewshot = 3;
  made = PromptBuilder::Make(tokenizer, config, {Asking("only one")});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kUsage);
  EXPECT_NE(made.error().message.find("3 examples wanted, 1"), std::string::npos);
}

}  // namespace
}  // namespace pawl
