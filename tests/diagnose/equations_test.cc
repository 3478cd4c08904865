// Equations in answers: what is read, and whether it holds.
#include "diagnose/equations.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

std::vector<EquationCheck> Checks(std::string_view text) {
  std::vector<EquationCheck> checks;
  for (const CheckedEquation& equation : CheckEquations(text)) checks.push_back(equation.check);
  return checks;
}
using Found = std::vector<EquationCheck>;
constexpr auto kRight = EquationCheck::kRight;
constexpr auto kWrong = EquationCheck::kWrong;
constexpr auto kRounded = EquationCheck::kRounded;
constexpr auto kTooLarge = EquationCheck::kTooLarge;

TEST(CheckEquations, JudgesEachOperator) {
  EXPECT_EQ(Checks("3+4=7"), Found{kRight});
  EXPECT_EQ(Checks("3 - 4 = -1"), Found{kRight});
  EXPECT_EQ(Checks("3 * 4 = 13"), Found{kWrong});
  EXPECT_EQ(Checks("12/4=3\n12/5=4"), (Found{kRight, kWrong}));
  EXPECT_EQ(Checks("3 \u00d7 4 = 12, 8 \u00f7 2 = 4, 8 \u2212 2 = 6, 2 \u00b7 3 = 6"),
            (Found{kRight, kRight, kRight, kRight}));
  EXPECT_EQ(Checks("3 x 4 = 12 and 3x4=12"), (Found{kRight, kRight}));
}

TEST(CheckEquations, ReadsPrecedenceBracketsAndChains) {
  EXPECT_EQ(Checks("2+3*4=14"), Found{kRight});
  EXPECT_EQ(Checks("(2+3)*4=20"), Found{kRight});
  EXPECT_EQ(Checks("-(2+3)*4 = -20"), Found{kRight});
  EXPECT_EQ(Checks("10-3-2=5"), Found{kRight});
  EXPECT_EQ(Checks("2+3 = 5 = 1+4"), Found{kRight});
  EXPECT_EQ(Checks("2+3 = 4+1 = 6"), (Found{kRight, kWrong}));
}

TEST(CheckEquations, UnderstandsUnitsMoneyCommasAndPercent) {
  EXPECT_EQ(Checks("$3.50 * 2 = $7"), Found{kRight});
  EXPECT_EQ(Checks("3 apples + 4 red apples = 7 apples."), Found{kRight});
  EXPECT_EQ(Checks("1,200 + 300 = 1,500"), Found{kRight});
  EXPECT_EQ(Checks("20% * 50 = 10"), Found{kRight});
  EXPECT_EQ(Checks("30% + 20% = 50%"), Found{kRight});
  EXPECT_EQ(Checks("48/2 = <<48/2=24>>24"), Found{kRight});
}

TEST(CheckEquations, TellsRoundedFromWrongAndKnowsItsLimits) {
  EXPECT_EQ(Checks("10/3=3.33"), Found{kRounded});
  EXPECT_EQ(Checks("10/3=3.34"), Found{kWrong});
  EXPECT_EQ(Checks("7/0=1"), Found{kWrong});
  EXPECT_EQ(Checks("99999999999999999999999999 * 99999999999999999999999999 = 1"),
            Found{kTooLarge});
  EXPECT_EQ(Checks("9999999999999999999999999999999999999999999999 + 1 = 1"), Found{kTooLarge});
}

TEST(CheckEquations, FindsNoneWhereThereIsNone) {
  for (const char* text : {"", "a 12-year-old has 3", "= 5", "x = 5", "7 = 7", "3 + = 4",
                           "3 +\n4=7", "2024-05-06", "((((", "3 + 4 ="}) {
    EXPECT_TRUE(CheckEquations(text).empty()) << text;
  }
  EXPECT_TRUE(CheckEquations(std::string(100000, '(') + "1+1=2").size() <= 1);
}

TEST(CheckEquations, KeepsOperandsResultAndText) {
  const auto equations = CheckEquations("so (24 + 7) * 2 = 62 in all");
  ASSERT_EQ(equations.size(), 1u);
  EXPECT_EQ(equations[0].operands.size(), 3u);
  EXPECT_EQ(equations[0].result, (Fraction{62, 1}));
  EXPECT_EQ(equations[0].text, "(24 + 7) * 2 = 62");
}

TEST(ParseFraction, ReadsWholeNumbersOnly) {
  EXPECT_EQ(*ParseFraction("-2.50"), (Fraction{-5, 2}));
  EXPECT_EQ(*ParseFraction("1,234,567"), (Fraction{1234567, 1}));
  for (const char* text : {"", "-", "1,23", "1.2.3", "3 apples", ",123", "1e5"}) {
    EXPECT_FALSE(ParseFraction(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace pawl
