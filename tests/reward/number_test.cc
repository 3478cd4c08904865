// Reward `math`: numbers as exact rationals, and time that does not grow with malice.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <numeric>

#include "base/file.h"
#include "base/json.h"
#include "base/philox.h"
#include "reward/extract.h"
#include "reward/number.h"
#include "reward/reward.h"
#include "support/shared_data.h"

namespace pawl {
namespace {

// What `pawl grade` prints, which must agree with the reference too.
TEST(Grade, JudgesEveryReferenceLineThroughTheRewardItself) {
  PAWL_NEED_SHARED();
  const auto math = MakeReward({"math"}), strict = MakeReward({"gsm8k-strict"}),
             flexible = MakeReward({"gsm8k-flexible"});
  ASSERT_TRUE(math && strict && flexible);
  const auto numbers = ReadFile(SharedDir() / "oracle/reward/math_equiv.jsonl");
  ASSERT_TRUE(numbers.has_value());
  ASSERT_TRUE(ForEachLine(*numbers, [&](std::string_view line, std::size_t n) -> Status {
    PAWL_ASSIGN(const Json c, ParseJson(line, "line"));
    Problem problem;
    problem.answer = c.at("gold").get<std::string>();
    const auto completion = c.at("prediction").get<std::string>();
    EXPECT_EQ((*math)->Grade({completion}, problem).correct, c.at("equal").get<bool>())
        << n << " " << completion;
    return {};
  }));
  const auto texts = ReadFile(SharedDir() / "oracle/reward/gsm8k_extract.jsonl");
  ASSERT_TRUE(texts.has_value());
  ASSERT_TRUE(ForEachLine(*texts, [&](std::string_view line, std::size_t n) -> Status {
    PAWL_ASSIGN(const Json c, ParseJson(line, "line"));
    Problem problem;
    problem.answer = c.at("gold").get<std::string>();
    const AnswerText answer{c.at("completion").get<std::string>()};
    EXPECT_EQ((*strict)->Grade(answer, problem).value, c.at("strict_match").get<double>()) << n;
    EXPECT_EQ((*flexible)->Grade(answer, problem).value, c.at("flexible_match").get<double>()) << n;
    return {};
  }));
}

TEST(ParseNumber, FollowsEveryRule) {
  for (const char* text : {"18",
                           "+18",
                           "18.00",
                           "018",
                           "$18",
                           "\\$18",
                           "18$",
                           "18\\$",
                           "18.",
                           "18..",
                           " 18 ",
                           "36/2",
                           "36 / 2",
                           "+36/2",
                           "\\boxed{18}",
                           "\\text{18}",
                           "\\boxed{\\text{18}}",
                           "\\boxed{ 18\\% }",
                           "18\\text{ kg}",
                           "18 \\text{a}\\text{b}",
                           "$\\boxed{18}$",
                           "\\boxed{18}\\text{ m}.",
                           "18%",
                           "+$18",
                           "+ $18",
                           "+$$18",
                           "\xc2\xa0"
                           "18\xc2\xa0",
                           "18\\text{a{b}c}",
                           "\\boxed{$18$}."}) {
    EXPECT_TRUE(MathEqual(text, "18")) << text;
  }
  for (const char* text : {"",
                           "-",
                           "+",
                           ".",
                           "$",
                           "%",
                           "\\boxed{}",
                           "- 18",
                           "+ 18",
                           "-$ 18",
                           "+-18",
                           "--18",
                           "$-$18",
                           "18 apples",
                           "1.8e1",
                           "1,8",
                           "18,",
                           ",018",
                           "0,018",
                           "(18)",
                           "18}",
                           "{18}",
                           "36/-2",
                           "36.0/2",
                           "36/2/1",
                           "18/0",
                           "0/0",
                           "/2",
                           "36/",
                           "1 8",
                           "\\text{ kg}",
                           "\\boxed{18",
                           "\\boxed{18}}",
                           "18\\text{ kg",
                           "$\\boxed",
                           "+$\\boxed{18}",
                           "\\frac{36}{2}",
                           "18..0",
                           "\\boxed18",
                           "0x12",
                           "inf",
                           "nan",
                           "\xef\xbc\x91\xef\xbc\x98"}) {
    EXPECT_FALSE(MathEqual(text, "18")) << text;
  }
  EXPECT_TRUE(
      MathEqual("\xe2\x88\x92"
                "18",
                "-18"));
  EXPECT_TRUE(MathEqual("-$18", "-18"));
  EXPECT_TRUE(MathEqual("-0", "0"));
  EXPECT_TRUE(MathEqual("-0/7", "0.000"));
  EXPECT_TRUE(MathEqual("1,234,567.50", "2469135/2"));
  EXPECT_FALSE(MathEqual("1234,567", "1234567"));
  EXPECT_FALSE(MathEqual("18", "eighteen"));
}

// A fraction, its reduced form, multiples and, where it ends, its decimal are one number; the next
// fraction is another.
TEST(EqualRationals, AgreesWithWholeNumberArithmeticOnRandomFractions) {
  for (std::uint64_t i = 0; i < 2'000; ++i) {
    RandomStream random({8, RandomPurpose::kTest, i, 0});
    const long long a = random.Between(0, 5'000), b = random.Between(1, 400);
    const long long c = random.Between(0, 5'000), d = random.Between(1, 400);
    const long long k = random.Between(1, 1'000'000), common = std::gcd(a, b);
    const auto text = [](long long top, long long bottom) {
      return std::to_string(top) + "/" + std::to_string(bottom);
    };
    EXPECT_EQ(MathEqual(text(a, b), text(c, d)), a * d == b * c) << text(a, b) << text(c, d);
    EXPECT_TRUE(MathEqual(text(a, b), text(a / common, b / common)));
    EXPECT_TRUE(MathEqual(text(a * k, b * k), text(a, b)));
    EXPECT_FALSE(MathEqual(text(a * k + 1, b * k), text(a, b)));
    std::string decimal = std::to_string(a * 125 / 1000) + ".";
    const std::string rest = std::to_string(a * 125 % 1000 + 1000).substr(1);
    EXPECT_TRUE(MathEqual(decimal + rest, text(a, 8))) << decimal + rest;
  }
}

TEST(EqualRationals, IsExactForNumbersOfManyDigits) {
  const std::string nines(1'000'000, '9'), eights = nines.substr(1) + "8";
  EXPECT_TRUE(MathEqual(nines + "/" + nines, "1"));
  EXPECT_FALSE(MathEqual(nines + "/" + eights, "1"));
  EXPECT_FALSE(MathEqual(eights, nines));
  EXPECT_TRUE(MathEqual("0." + nines, "0." + nines + "000"));
  // 18 x 99...9 = 179...982
  EXPECT_TRUE(MathEqual("17" + nines.substr(2) + "82/" + nines, "18"));
  EXPECT_FALSE(MathEqual("17" + nines.substr(2) + "83/" + nines, "18"));
  // Beyond the limit of exact products: residues decide.
  EXPECT_TRUE(MathEqual(nines + "/" + eights, nines + "/" + eights));
  EXPECT_FALSE(MathEqual(nines + "/" + eights, eights + "/" + nines));
}

std::string Repeated(const std::string& part, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

TEST(MathReward, GradesHostileCompletionsInTimeThatGrowsWithTheirLength) {
  const std::string nines(1'000'000, '9');
  const std::string deep = Repeated("\\boxed{", 100'000) + "18" + Repeated("}", 100'000);
  const std::vector<std::pair<std::string, bool>> completions = {
      {nines, false},
      {"18." + std::string(1'000'000, '0'), true},
      {std::string(1'000'000, '0') + "18", true},
      {nines + "/7", false},
      {deep, true},
      {deep + "}", true},  // the last complete box
      {"{" + deep, true},
      {Repeated("\\text{", 100'000), false},
      {"18" + Repeated("\\text{", 100'000) + Repeated("}", 100'000), true},
      {"18" + Repeated("\\text{a}", 100'000), true},
      {Repeated("\\text{", 100'000) + "}", false},
      {"18" + Repeated(".%$", 300'000), true},
      {"-" + Repeated("$", 1'000'000) + "18", false},
      {Repeated("{", 1'000'000), false},
      {Repeated("}", 1'000'000), false},
      {Repeated("1,", 500'000), false},
      {Repeated("1/", 500'000), false},
      {Repeated("#### ", 200'000), false},
      {"1/0", false},
      {"18/" + std::string(1'000'000, '0'), false},
  };
  const auto reward = MakeReward({"math"});
  ASSERT_TRUE(reward.has_value());
  Problem problem;
  problem.answer = "18";
  for (std::size_t i = 0; i < completions.size(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ((*reward)->Grade({completions[i].first}, problem).correct, completions[i].second)
        << i;
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    // 10 ms is the aim; a quadratic algorithm takes minutes, a sanitizer ten times as long.
    EXPECT_LT(taken.count(), 3.0) << i;
  }
}

std::optional<std::string> Found(const std::string& text) {
  const auto answer = ExtractMath(text);
  return answer ? std::optional(answer->text) : std::nullopt;
}

TEST(ExtractMath, TakesTheWholeTextTheLastBoxOrTheMarkedLine) {
  EXPECT_EQ(Found(" 18\n"), "18");
  EXPECT_EQ(Found("\\boxed{1}, no, \\boxed{36/2} it is"), "\\boxed{36/2}");
  EXPECT_EQ(Found("\\boxed{\\text{18} cm}"), "\\boxed{\\text{18} cm}");
  EXPECT_EQ(Found("so \\boxed{18} and then \\boxed{1"), "\\boxed{18}");
  EXPECT_EQ(Found("9+9=18\n#### 18\nNext: 5"), "18");
  EXPECT_EQ(Found("#### 1\n#### 2"), "2");
  EXPECT_EQ(Found("The answer is 18."), std::nullopt);
  EXPECT_EQ(Found("x=18"), std::nullopt);
  EXPECT_EQ(Found("####"), std::nullopt);
  EXPECT_EQ(Found(""), std::nullopt);
}

}  // namespace
}  // namespace pawl
