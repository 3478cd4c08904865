// Grading against lm-evaluation-harness and exact rational arithmetic.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "reward/extract.h"
#include "reward/reward.h"
#include "support/shared_data.h"

namespace pawl {
namespace {

TEST(GsmExtraction, EqualsTheHarnessOnEveryLine) {
  PAWL_NEED_SHARED();
  const auto text = ReadFile(SharedDir() / "oracle/reward/gsm8k_extract.jsonl");
  ASSERT_TRUE(text.has_value());
  int lines = 0;
  const Status status = ForEachLine(*text, [&](std::string_view line, std::size_t n) -> Status {
    PAWL_ASSIGN(const Json c, ParseJson(line, "line"));
    const auto completion = c.at("completion").get<std::string>(),
               gold = c.at("gold").get<std::string>();
    const std::string strict = ExtractStrict(completion).value_or("[invalid]");
    const std::string flexible = ExtractFlexible(completion).value_or("[invalid]");
    EXPECT_EQ(strict, c.at("strict").get<std::string>()) << n;
    EXPECT_EQ(flexible, c.at("flexible").get<std::string>()) << n;
    EXPECT_EQ(GsmEqual(strict, gold), c.at("strict_match").get<int>() == 1)
        << n << " " << completion;
    EXPECT_EQ(GsmEqual(flexible, gold), c.at("flexible_match").get<int>() == 1)
        << n << " " << completion;
    ++lines;
    return {};
  });
  EXPECT_TRUE(status.has_value());
  EXPECT_EQ(lines, 807);
}

TEST(MathEqual, EqualsExactRationalsOnEveryLine) {
  PAWL_NEED_SHARED();
  const auto text = ReadFile(SharedDir() / "oracle/reward/math_equiv.jsonl");
  ASSERT_TRUE(text.has_value());
  const Status status = ForEachLine(*text, [&](std::string_view line, std::size_t n) -> Status {
    PAWL_ASSIGN(const Json c, ParseJson(line, "line"));
    const auto prediction = c.at("prediction").get<std::string>(),
               gold = c.at("gold").get<std::string>();
    EXPECT_EQ(MathEqual(prediction, gold), c.at("equal").get<bool>())
        << n << " " << prediction << " = " << gold;
    return {};
  });
  EXPECT_TRUE(status.has_value());
}

TEST(MathEqual, GradesAdversarialAnswersQuicklyAndWithoutEvaluation) {
  const std::string nines(1'000'000, '9');
  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += "\\boxed{";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(MathEqual(nines, "1/3"));
  EXPECT_FALSE(MathEqual(nines + "/" + nines, "18"));
  EXPECT_TRUE(MathEqual(nines, nines));
  EXPECT_FALSE(MathEqual(nested, "18"));
  EXPECT_FALSE(MathEqual("1/0", "18"));
  EXPECT_FALSE(MathEqual("", "18"));
  const auto taken = std::chrono::steady_clock::now() - start;
  // Not a speed claim: a quadratic algorithm would take minutes here.
  EXPECT_LT(std::chrono::duration<double>(taken).count(), 20);
}

Graded GradeWith(RewardConfig config, const std::string& text, const std::string& gold,
                 bool truncated = false, int tokens = 0) {
  Problem problem;
  problem.answer = gold;
  return (*MakeReward(config))->Grade({text, truncated, tokens}, problem);
}

TEST(Rewards, JudgeRightAndWrongAnswers) {
  EXPECT_TRUE(GradeWith({"gsm8k-strict"}, "so #### 18", "18").correct);
  EXPECT_FALSE(GradeWith({"gsm8k-strict"}, "so 18", "18").correct);
  EXPECT_TRUE(GradeWith({"gsm8k-flexible"}, "it is 1,800.", "1800").correct);
  EXPECT_TRUE(GradeWith({"math"}, "thus \\boxed{36/2}", "18").correct);
  EXPECT_TRUE(GradeWith({"exact"}, " yes\n", "yes").correct);
  EXPECT_FALSE(GradeWith({"exact"}, "Yes", "yes").correct);
  EXPECT_TRUE(GradeWith({"choice"}, "A is wrong, so the answer is (C).", "C").correct);
  EXPECT_FALSE(GradeWith({"choice"}, "Because", "B").correct);
  EXPECT_TRUE(GradeWith({"format"}, "1+1=2\n#### 2", "7").correct);
  EXPECT_FALSE(GradeWith({"format"}, "#### 2 #### 3", "3").correct);
  EXPECT_FALSE(GradeWith({"format"}, "#### 2 and more", "2").correct);
  RewardConfig regex{"regex"};
  regex.pattern = "Answer: (\\d+)";
  EXPECT_TRUE(GradeWith(regex, "Answer: 1 Answer: 42", "42").correct);
  RewardConfig length{"length"};
  length.max_tokens = 100;
  length.cache_tokens = 50;
  EXPECT_EQ(GradeWith(length, "", "", false, 40).value, 0);
  EXPECT_EQ(GradeWith(length, "", "", false, 75).value, -0.5);
  EXPECT_EQ(GradeWith(length, "", "", false, 101).value, -1);
}

TEST(Rewards, GiveNothingToATruncatedCompletionWhereAStopIsRequired) {
  RewardConfig config{"gsm8k-strict"};
  EXPECT_TRUE(GradeWith(config, "#### 18", "18", true).correct);
  config.require_stop = true;
  EXPECT_FALSE(GradeWith(config, "#### 18", "18", true).correct);
  EXPECT_TRUE(GradeWith(config, "#### 18", "18", false).correct);
}

TEST(Rewards, NameTheMistakeInAConfiguration) {
  EXPECT_NE(MakeReward({"gsm8k-strickt"}).error().message.find("\"gsm8k-strict\""),
            std::string::npos);
  EXPECT_FALSE(MakeReward({"regex"}).has_value());
  RewardConfig broken{"regex"};
  broken.pattern = "(";
  EXPECT_FALSE(MakeReward(broken).has_value());
  EXPECT_FALSE(MakeReward({"length"}).has_value());
  EXPECT_FALSE(MakeReward({"exact", std::nan("")}).has_value());
  EXPECT_FALSE(RewardSet::Make({}).has_value());
}

}  // namespace
}  // namespace pawl
