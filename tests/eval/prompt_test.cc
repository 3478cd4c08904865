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
