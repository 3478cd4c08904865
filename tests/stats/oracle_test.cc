// Statistics against scipy, statsmodels and worked numbers.
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "base/philox.h"
#include "stats/compare.h"
#include "stats/debug_stats.h"
#include "stats/e_process.h"
#include "stats/intervals.h"
#include "support/shared_data.h"

namespace pawl {
namespace {

TEST(DebugStats, EqualsTheReferenceLibrariesOnEveryEntry) {
  PAWL_NEED_SHARED();
  const auto json = ParseJson(*ReadFile(SharedDir() / "oracle/stats/stats.json"), "stats.json");
  ASSERT_TRUE(json.has_value());
  int checked = 0;
  for (const char* stat : {"wilson", "clopper_pearson", "mcnemar_exact", "newcombe_paired",
                           "sign_test", "correlation", "pass_at_k"}) {
    for (const Json& entry : json->at(stat)) {
      Json line = entry;
      line["stat"] = stat;
      const auto out = DebugStats(line);
      ASSERT_TRUE(out.has_value()) << out.error().message;
      for (const auto& [key, value] : out->items()) {
        ASSERT_TRUE(entry.contains(key)) << stat << " " << key;
        if (value.is_null() || entry.at(key).is_null()) {
          EXPECT_EQ(value.is_null(), entry.at(key).is_null())
              << stat << " " << key << WriteJson(entry).substr(0, 300);
        } else {
          EXPECT_NEAR(value.get<double>(), entry.at(key).get<double>(), 1e-9)
              << stat << " " << key << WriteJson(entry).substr(0, 300);
        }
        ++checked;
      }
    }
  }
  EXPECT_GT(checked, 800);
}

TEST(EProcess, GivesTheWorkedNumbers) {
  EXPECT_NEAR(RegressionClosedForm(1, 0), 1.5, 1e-12);
  EXPECT_NEAR(RegressionClosedForm(5, 0), 10.5, 1e-9);
  EXPECT_NEAR(RegressionClosedForm(9, 2), 6.086364, 1e-6);
  EXPECT_NEAR(RegressionClosedForm(0, 3), 0.25, 1e-12);
  PairedEvidence evidence(0.05);
  for (const double d : {-.25, 0., .5, -.75, -.25, 0., -.5, .25, -1., 0.}) evidence.Add(d);
  EXPECT_NEAR(evidence.Regression(), 2.114085617, 1e-8);
  EXPECT_NEAR(evidence.NonInferior(), 0.368861851, 1e-8);
  PairedEvidence zeros(0.05);
  int first = 0;
  for (int n = 1; n <= 100; ++n) {
    zeros.Add(0);
    if (first == 0 && zeros.NonInferior() >= 10) first = n;
  }
  EXPECT_EQ(first, 72);
  EXPECT_NEAR(zeros.NonInferior(), 30.102883059, 1e-7);
  EXPECT_EQ(PairedEvidence(0.05).Regression(), 1);
}

TEST(EProcess, RarelyCrossesUnderTheNullHoweverOftenItIsLookedAt) {
  int crossed = 0;
  for (std::uint64_t run = 0; run < 1000; ++run) {
    RandomStream random({9, RandomPurpose::kTest, run, 0});
    EProcess process;
    bool over = false;
    for (int i = 0; i < 400; ++i) {
      process.Add(random.Below(2) == 0 ? 1.0 : -1.0);
      over = over || process.Value() >= 20;
    }
    crossed += over ? 1 : 0;
  }
  EXPECT_LE(crossed, 70);  // 5 % and three standard errors
}

TEST(McNemar, GivesTheWorkedNumbers) {
  EXPECT_NEAR(McNemarExact(15, 5), .04138947, 1e-8);
  EXPECT_NEAR(McNemarMidP(8, 2), 2 * .03271484, 1e-7);
  EXPECT_EQ(McNemarExact(0, 0), 1);
}

TEST(Wilson, CoversAtTwentyProblemsAsOftenAsPublished) {
  double lowest = 1, mean = 0;
  int count = 0;
  for (double p = 0.001; p < 0.9995; p += 0.001) {
    double covered = 0;
    for (int k = 0; k <= 20; ++k) {
      const auto interval = Wilson(k, 20);
      const double probability =
          std::exp(std::lgamma(21) - std::lgamma(k + 1) - std::lgamma(21 - k) + k * std::log(p) +
                   (20 - k) * std::log1p(-p));
      if (p >= interval->low && p <= interval->high) covered += probability;
    }
    lowest = std::min(lowest, covered);
    mean += covered;
    ++count;
  }
  EXPECT_NEAR(lowest, 0.8516, 2e-3);
  EXPECT_NEAR(mean / count, 0.9532, 5e-4);
}

TEST(PassAtK, GivesTheWorkedNumbers) {
  EXPECT_NEAR(*PassAtK(20, 5, 10), .9837461300, 1e-9);
  EXPECT_EQ(*PassAtK(8, 0, 4), 0);
  EXPECT_EQ(*PassAtK(8, 6, 4), 1);
  EXPECT_FALSE(PassAtK(3, 1, 4).has_value());
}

Outcomes Make(std::initializer_list<bool> values) {
  Outcomes outcomes;
  int i = 0;
  for (const bool v : values) outcomes["p" + std::to_string(i++)] = {v};
  return outcomes;
}

TEST(ComparePaired, CountsWinsAndLossesAndNeverGivesNan) {
  const auto same = ComparePaired(Make({true, false}), Make({true, false}));
  EXPECT_EQ(same->ties, 2u);
  EXPECT_EQ(same->verdict, "not distinguishable");
  const auto empty = ComparePaired({}, {});
  EXPECT_EQ(empty->problems, 0u);
  EXPECT_FALSE(empty->interval95.has_value());
  const auto one = ComparePaired(Make({true}), Make({false}));
  EXPECT_EQ(one->losses, 1u);
  EXPECT_FALSE(std::isnan(one->difference));
  Outcomes wrong, right;
  for (int i = 0; i < 60; ++i) {
    wrong[std::to_string(i)] = {false, false};
    right[std::to_string(i)] = {true, true};
  }
  EXPECT_EQ(ComparePaired(wrong, right)->verdict, "better");
  EXPECT_EQ(ComparePaired(right, wrong)->verdict, "worse");
  EXPECT_FALSE(ComparePaired(wrong, right)->mcnemar_exact_p.has_value());
  EXPECT_EQ(ComparePaired(right, right)->verdict, "not distinguishable");
}

TEST(ComparePaired, RefusesDifferentProblemSetsAndNamesOne) {
  const auto result = ComparePaired(Make({true, false}), Make({true}));
  ASSERT_FALSE(result.has_value());
  EXPECT_NE(result.error().message.find("\"p1\""), std::string::npos);
}

}  // namespace
}  // namespace pawl
