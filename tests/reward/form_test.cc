// Choices and the form of an answer.
#include <gtest/gtest.h>

#include "reward/reward.h"

namespace pawl {
namespace {

Graded GradeWith(const RewardConfig& config, const std::string& text, const std::string& gold) {
  Problem problem;
  problem.answer = gold;
  return (*MakeReward(config))->Grade({text}, problem);
}

TEST(Choice, FindsTheLetterThatIsMeant) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"C", "C"},
      {"(C)", "C"},
      {"C.", "C"},
      {"The answer is C.", "C"},
      {"Answer: (B)\n", "B"},
      {"A train is late, so the answer must be D", "D"},
      {"A dog is not E", "E"},
      {"A, since B is wrong", "A"},
      {"B or C? The answer: C, not A", "C"},
      {"E", "E"},
  };
  for (const auto& [text, letter] : rows) {
    EXPECT_EQ(GradeWith({"choice"}, text, letter).extracted, letter) << text;
    EXPECT_TRUE(GradeWith({"choice"}, text, letter).correct) << text;
    EXPECT_TRUE(GradeWith({"choice"}, text, "(" + letter + ")").correct) << text;
  }
  for (const char* text : {"", "F", "Because", "a", "ABC", "A1", "A big one", "none"}) {
    EXPECT_EQ(GradeWith({"choice"}, text, "A").extracted, std::nullopt) << text;
    EXPECT_EQ(GradeWith({"choice"}, text, "A").value, 0) << text;
  }
  EXPECT_TRUE(GradeWith({"choice"}, "C", "c").correct);
  EXPECT_FALSE(GradeWith({"choice"}, "C", "").correct);
}

TEST(Format, WantsOneMarkAndANumberAtTheEnd) {
  for (const char* text : {"#### 18", "1+1=2\n#### 2\n", "#### -1,234.5", " #### 0 "}) {
    EXPECT_TRUE(GradeWith({"format"}, text, "7").correct) << text;
  }
  for (const char* text :
       {"", "18", "####18", "####  18", "#### ", "#### ,", "#### .", "#### 1,2", "#### eighteen",
        "##### 18", "#### 1\n#### 1", "#### 18 apples", "#### 18\nDone.", "#### #### 18"}) {
    EXPECT_FALSE(GradeWith({"format"}, text, "18").correct) << text;
  }
}

}  // namespace
}  // namespace pawl
