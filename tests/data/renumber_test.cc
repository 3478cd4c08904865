#include "data/renumber.h"

#include <gtest/gtest.h>

#include "data/generator.h"
#include "data/problem_file.h"
#include "support/shared_data.h"

namespace pawl {
namespace {

Problem Of(const std::string& question, const std::string& solution, const std::string& answer) {
  Problem problem;
  problem.id = "p";
  problem.question = question;
  problem.solution = solution;
  problem.answer = answer;
  return problem;
}

std::optional<Problem> Changed(const Problem& problem, std::uint64_t seed = 1) {
  RandomStream random({seed, RandomPurpose::kTest, 0, 0});
  return Renumber(problem, random);
}

TEST(Renumber, ChangesNumbersRecomputesAndKeepsTheWords) {
  const Problem p = Of("Ann has 12 apples and buys 5 bags of 7. How many now?",
                       "5*7=35\n12+35=47\n#### 47", "47");
  const auto q = Changed(p);
  ASSERT_TRUE(q.has_value());
  int a = 0, bags = 0, each = 0;
  ASSERT_EQ(std::sscanf(q->question.c_str(), "Ann has %d apples and buys %d bags of %d.", &a, &bags,
                        &each),
            3)
      << q->question;
  EXPECT_EQ(q->solution, std::to_string(bags) + "*" + std::to_string(each) + "=" +
                             std::to_string(bags * each) + "\n" + std::to_string(a) + "+" +
                             std::to_string(bags * each) + "=" + std::to_string(a + bags * each) +
                             "\n#### " + std::to_string(a + bags * each));
  EXPECT_EQ(q->answer, std::to_string(a + bags * each));
  EXPECT_NE(q->answer, "47");
  EXPECT_EQ(q->id, "p-renumbered");
  EXPECT_EQ(Changed(p)->question, q->question);  // a function of the seed
}

TEST(Renumber, ReadsAnnotationsBracketsAndConstants) {
  const auto q =
      Changed(Of("She sold 48 clips in April and half as many in May.",
                 "May: 48/2 = <<48/2=24>>24.\nAll: 48+24 = <<48+24=72>>72\n#### 72", "72"));
  ASSERT_TRUE(q.has_value());
  // The 2 is no number of the question: it stays; 48 becomes another even number.
  EXPECT_NE(q->solution.find("/2 = <<"), std::string::npos) << q->solution;
  const auto r = Changed(Of("3 boxes of 4 and 5.", "3 * (4+5) = 27\n#### 27", "27"));
  ASSERT_TRUE(r.has_value());
  EXPECT_NE(r->answer, "27");
}

TEST(Renumber, GivesNothingWhereTheAnswerWouldNotFollow) {
  EXPECT_FALSE(Changed(Of("12 and 5", "", "17")));                        // no solution
  EXPECT_FALSE(Changed(Of("12 and 5", "12+5=18\n#### 18", "18")));        // wrong
  EXPECT_FALSE(Changed(Of("12 and 5", "so 17\n#### 17", "17")));          // no equation
  EXPECT_FALSE(Changed(Of("1.5 and 5", "1.5*2=3\n#### 3", "3")));         // no whole numbers
  EXPECT_FALSE(Changed(Of("none", "2+3=5\n#### 5", "5")));                // nothing of the question
  EXPECT_FALSE(Changed(Of("12 and 5", "12+5=17\n#### 99", "99")));        // answer from elsewhere
  EXPECT_FALSE(Changed(Of("12 and 5", "12+5=17\n#### 17", "about 17")));  // not a number
  EXPECT_FALSE(Changed(Of("12 and 5", "12+5=x\n#### 17", "17")));
  EXPECT_FALSE(Changed(Of("7 and 0", "7/0=0\n#### 0", "0")));
  EXPECT_FALSE(Changed(Of("12 and 5", std::string(100, '(') + "12+5=17", "17")));
}

TEST(Renumber, WorksForWhatTheGeneratorWrites) {
  for (int level = 1; level <= 3; ++level) {
    const auto problems = GenerateProblems(level, 200, 3, Split::kTrain);
    ASSERT_TRUE(problems.has_value());
    int changed = 0;
    for (std::size_t i = 0; i < problems->size(); ++i) {
      const auto q = Changed((*problems)[i], i);
      if (!q) continue;
      ++changed;
      EXPECT_NE(q->question, (*problems)[i].question);
      EXPECT_NE(q->solution.find("#### " + q->answer), std::string::npos) << q->solution;
    }
    EXPECT_GE(changed, 150) << level;
  }
}

TEST(Renumber, WorksForAShareOfGsm8k) {
  PAWL_NEED_SHARED();
  const auto problems = ReadProblems(SharedDir() / "data/gsm8k/test.jsonl");
  ASSERT_TRUE(problems.has_value()) << problems.error().message;
  std::size_t changed = 0;
  for (std::size_t i = 0; i < problems->size(); ++i) {
    changed += Changed((*problems)[i], i).has_value() ? 1 : 0;
  }
  std::printf("%zu of %zu problems of GSM8K's test split\n", changed, problems->size());
  EXPECT_GE(5 * changed, problems->size());
}

}  // namespace
}  // namespace pawl
