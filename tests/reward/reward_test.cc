// Patterns from configurations and sets of rewards.
#include <gtest/gtest.h>

#include "reward/regex.h"
#include "reward/reward.h"

namespace pawl {
namespace {

TEST(Regex, TakesTheLastMatchAndItsFirstGroup) {
  const auto last = [](const std::string& pattern, const std::string& text) {
    return AnswerPattern::Compile(pattern)->Last(text);
  };
  EXPECT_EQ(last("\\d+", "1 22 333"), "333");
  EXPECT_EQ(last("x=(\\d+)", "x=1 x=2 y=3"), "2");
  EXPECT_EQ(last("(a)?b", "b"), "b");
  EXPECT_EQ(last("\\d+", "none"), std::nullopt);
  EXPECT_EQ(last("x*", "\xc3\xa9\xe2\x82\xac"), "");  // empty matches between characters of UTF-8
  EXPECT_EQ(last("(?:)", ""), "");
  EXPECT_EQ(last(".", "\xff\xc3\xa9"), "\xc3\xa9");  // text that is not UTF-8 does not fail
}

TEST(Regex, GivesUpOnAPatternThatBacktracksWithoutEnd) {
  const std::string text = std::string(5'000, 'a') + "b";
  EXPECT_EQ(AnswerPattern::Compile("(a+)+$")->Last(text), std::nullopt);
  EXPECT_EQ(AnswerPattern::Compile("((((a*)*)*)*)*c")->Last(text), std::nullopt);
}

TEST(Regex, NamesTheMistakeInAPattern) {
  const auto result = AnswerPattern::Compile("(\\d+");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kUsage);
  EXPECT_NE(result.error().message.find("at character 4"), std::string::npos)
      << result.error().message;
}

TEST(RewardSet, GivesOneResultForEachRewardInOrder) {
  RewardConfig length{"length", 0.5};
  length.max_tokens = 20;
  length.cache_tokens = 10;
  const auto set = RewardSet::Make({{"gsm8k-strict", 1.0}, {"format", 0.1}, length});
  ASSERT_TRUE(set.has_value());
  EXPECT_EQ(set->names(), (std::vector<std::string>{"gsm8k-strict", "format", "length"}));
  EXPECT_EQ(set->weights(), (std::vector<double>{1.0, 0.1, 0.5}));
  Problem problem;
  problem.answer = "18";
  const auto graded = set->Grade({"#### 18 apples", false, 15}, problem);
  ASSERT_EQ(graded.size(), 3u);
  EXPECT_EQ(graded[0].value, 1);
  EXPECT_EQ(graded[1].value, 0);
  EXPECT_EQ(graded[2].value, -0.5);
}

TEST(RewardSet, NamesTheMistakeOfEveryConfiguration) {
  const auto message = [](const RewardConfig& config) {
    const auto set = RewardSet::Make({{"exact"}, config});
    EXPECT_FALSE(set.has_value());
    return set ? std::string() : set.error().message;
  };
  EXPECT_NE(message({"gsm8k-flexibel"}).find("did you mean \"gsm8k-flexible\""), std::string::npos);
  EXPECT_NE(message({""}).find("known: gsm8k-strict"), std::string::npos);
  EXPECT_NE(message({"regex"}).find("pattern"), std::string::npos);
  EXPECT_NE(message({"length"}).find("cache_tokens"), std::string::npos);
  EXPECT_NE(message({"exact", 1.0 / 0.0}).find("weight"), std::string::npos);
}

}  // namespace
}  // namespace pawl
