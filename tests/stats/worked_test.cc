// Worked numbers, properties and bad input beside the reference libraries'.
#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "base/philox.h"
#include "stats/compare.h"
#include "stats/debug_stats.h"
#include "stats/e_process.h"
#include "stats/intervals.h"

namespace pawl {
namespace {

TEST(Intervals, GiveTheWorkedNumbersOfNewcombeAndOthers) {
  struct Row {
    long long k, n;
    double wilson_low, wilson_high, exact_low, exact_high;
  };
  for (const Row& r : {Row{0, 20, 0, .161125, 0, .168433},
                       {1, 20, .008881, .236131, .001265, .248733},
                       {2, 20, .027866, .301034, .012349, .316983},
                       {6, 20, .145477, .518973, .118932, .542789},
                       {10, 20, .299298, .700702, .271958, .728042},
                       {0, 50, 0, .071348, 0, .071122},
                       {3, 50, .020615, .162171, .012549, .165482},
                       {15, 50, .191036, .437504, .178618, .446082},
                       {50, 50, .928652, 1, .928878, 1},
                       {1, 29, .006113, .171755, .000873, .177644},
                       {15, 148, .062386, .160487, .057844, .161650},
                       {81, 263, .255289, .366210, .252737, .367622},
                       {79, 1319, .048321, .074023, .047702, .074090},
                       {396, 1319, .276101, .325514, .275580, .325768}}) {
    const auto wilson = Wilson(r.k, r.n), exact = ClopperPearson(r.k, r.n);
    ASSERT_TRUE(wilson && exact);
    EXPECT_NEAR(wilson->low, r.wilson_low, 6e-7) << r.k << "/" << r.n;
    EXPECT_NEAR(wilson->high, r.wilson_high, 6e-7) << r.k << "/" << r.n;
    EXPECT_NEAR(exact->low, r.exact_low, 6e-7) << r.k << "/" << r.n;
    EXPECT_NEAR(exact->high, r.exact_high, 6e-7) << r.k << "/" << r.n;
  }
  for (const auto& [k, n] : {std::pair{0LL, 0LL}, {-1LL, 5LL}, {6LL, 5LL}}) {
    EXPECT_FALSE(Wilson(k, n).has_value());
    EXPECT_FALSE(ClopperPearson(k, n).has_value());
  }
}

TEST(ClopperPearson, AlwaysCoversAtLeastItsLevel) {
  for (const double p : {.001, .01, .05, .13, .3, .5, .77, .99}) {
    double covered = 0;
    for (int k = 0; k <= 20; ++k) {
      const auto interval = ClopperPearson(k, 20);
      const double probability =
          std::exp(std::lgamma(21.0) - std::lgamma(k + 1.0) - std::lgamma(21.0 - k) +
                   k * std::log(p) + (20 - k) * std::log1p(-p));
      if (p >= interval->low && p <= interval->high) covered += probability;
    }
    EXPECT_GE(covered, 0.95 - 1e-12) << p;
  }
}

TEST(McNemar, GivesTheWorkedPValues) {
  struct Row {
    long long losses, wins;
    double two_sided, one_sided_mid;
  };
  for (const Row& r : {Row{1, 0, 1, .25},
                       {3, 0, .25, .0625},
                       {5, 0, .0625, .015625},
                       {6, 0, .03125, .0078125},
                       {5, 1, .21875, .0625},
                       {8, 2, .109375, .03271484},
                       {9, 2, .06542969, .01928711},
                       {10, 4, .17956543, .05923462},
                       {15, 5, .04138947, .01330185},
                       {12, 9, .66362381, .26173353},
                       {25, 15, .15385994, .05863760},
                       {0, 3, .25, .0625}}) {
    EXPECT_NEAR(McNemarExact(r.losses, r.wins), r.two_sided, 6e-9) << r.losses << "," << r.wins;
    EXPECT_NEAR(McNemarMidP(r.losses, r.wins), 2 * r.one_sided_mid, 2e-8);
    EXPECT_EQ(McNemarExact(r.losses, r.wins), McNemarExact(r.wins, r.losses));
  }
  EXPECT_NEAR(McNemarExact(150, 86), 3.715936e-05, 1e-11);
  EXPECT_NEAR(McNemarMidP(7, 7), 1 - 3432.0 / 16384 / 2, 1e-12);
}

TEST(EProcess, GivesTheWorkedGridAndClosedFormValues) {
  struct Row {
    int losses, wins;
    double closed, grid;
  };
  for (const Row& r : {Row{1, 0, 1.5, 1.5},
                       {5, 0, 10.5, 10.126038},
                       {8, 2, 4.002020, 4.233268},
                       {15, 5, 6.355521, 6.742419},
                       {12, 9, .478858, .476403},
                       {25, 15, 1.255171, 1.302040},
                       {0, 3, .25, .234375}}) {
    EProcess process;
    for (int i = 0; i < r.losses; ++i) process.Add(1);
    for (int i = 0; i < r.wins; ++i) process.Add(-1);
    EXPECT_NEAR(process.Value(), r.grid, 6e-7) << r.losses << "," << r.wins;
    EXPECT_NEAR(RegressionClosedForm(r.losses, r.wins), r.closed, 6e-7);
  }
}

TEST(EProcess, DependsOnNeitherOrderNorDirectionAndNeverOverflows) {
  PairedEvidence forward(0.04), backward(0.04), mirrored(0.04);
  std::vector<double> differences;
  for (std::uint64_t i = 0; i < 200; ++i) {
    RandomStream random({3, RandomPurpose::kTest, i, 0});
    differences.push_back(random.Between(-4, 4) / 4.0);
  }
  for (std::size_t i = 0; i < differences.size(); ++i) {
    forward.Add(differences[i]);
    backward.Add(differences[differences.size() - 1 - i]);
    mirrored.Add(-differences[i]);
  }
  EXPECT_NEAR(forward.Regression() / backward.Regression(), 1, 1e-9);
  EXPECT_NEAR(forward.NonInferior() / backward.NonInferior(), 1, 1e-9);
  EXPECT_EQ(forward.Regression(), mirrored.Improvement());
  PairedEvidence worse(0.05);
  double before = 0;
  for (int i = 0; i < 100'000; ++i) {
    worse.Add(-1);
    if (i < 100) {
      EXPECT_GE(worse.Regression(), before);
    }
    before = worse.Regression();
  }
  EXPECT_TRUE(std::isfinite(worse.Regression()));
  EXPECT_GE(worse.NonInferior(), 0);
  EXPECT_TRUE(std::isfinite(worse.NonInferior()));
}

TEST(EProcess, StaysBelowItsLevelUnderFourNulls) {
  constexpr int kRuns = 400;
  for (int null = 0; null < 4; ++null) {
    int crossed = 0;
    for (std::uint64_t run = 0; run < kRuns; ++run) {
      RandomStream random({11, RandomPurpose::kTest, run, static_cast<std::uint32_t>(null)});
      EProcess process;
      bool over = false;
      for (int i = 0; i < 400 && !over; ++i) {
        const double u = random.Uniform();
        const double x = null == 0   ? (u < .05 ? 1 : -1.0 / 19)
                         : null == 1 ? (u < .5 ? 1 : -1)
                         : null == 2 ? 2 * u - 1
                                     : (u < .02   ? 1
                                        : u < .04 ? -1
                                                  : 0);
        process.Add(x);
        over = process.Value() >= 20;
      }
      crossed += over ? 1 : 0;
    }
    EXPECT_LE(crossed, kRuns * (0.05 + 3 * std::sqrt(0.05 * 0.95 / kRuns))) << null;
  }
}

TEST(PassAtK, GivesExactFractions) {
  EXPECT_NEAR(*PassAtK(10, 3, 1), .3, 1e-12);
  EXPECT_NEAR(*PassAtK(10, 3, 5), 11.0 / 12, 1e-12);
  EXPECT_NEAR(*PassAtK(16, 4, 8), 25.0 / 26, 1e-12);
  EXPECT_NEAR(*PassAtK(5, 2, 2), .7, 1e-12);
  EXPECT_NEAR(*PassAtK(100, 10, 10), .6695237889, 1e-10);
  EXPECT_NEAR(*PassAtK(200, 1, 100), .5, 1e-12);
  for (const auto& [n, c, k] : {std::tuple{5LL, 6LL, 1LL}, {5LL, -1LL, 1LL}, {5LL, 1LL, 0LL}}) {
    EXPECT_FALSE(PassAtK(n, c, k).has_value());
  }
}

TEST(MinimumDetectableDifference, GivesTheWorkedNumbers) {
  EXPECT_NEAR(*MinimumDetectableDifference(std::sqrt(.20), 50), .1573, 6e-5);
  EXPECT_NEAR(*MinimumDetectableDifference(std::sqrt(.10), 1319), .0217, 6e-5);
  EXPECT_FALSE(MinimumDetectableDifference(1, 0).has_value());
}

TEST(TInterval, IsThatOfStudent) {
  const std::vector<double> values = {1, 2, 3, 4, 5};
  const auto t = TInterval(values);  // 3 +- 2.776445 * sqrt(2.5 / 5)
  EXPECT_NEAR(t->interval.low, 3 - 1.9632431614775, 1e-9);
  EXPECT_FALSE(TInterval(std::vector<double>{1}).has_value());
  EXPECT_FALSE(TInterval(std::vector<double>{}).has_value());
}

Outcomes Pairs(int losses, int wins, int both, int neither, bool candidate) {
  Outcomes outcomes;
  int i = 0;
  const auto add = [&](int count, bool right) {
    for (int j = 0; j < count; ++j) outcomes[std::to_string(i++)] = {right};
  };
  add(losses, !candidate);
  add(wins, candidate);
  add(both, true);
  add(neither, false);
  return outcomes;
}

TEST(ComparePaired, GivesEveryFieldOfOneAnswerAProblem) {
  const auto c = ComparePaired(Pairs(12, 30, 40, 68, false), Pairs(12, 30, 40, 68, true));
  ASSERT_TRUE(c.has_value());
  EXPECT_EQ(c->problems, 150u);
  EXPECT_EQ(c->losses, 12u);
  EXPECT_EQ(c->wins, 30u);
  EXPECT_EQ(c->ties, 108u);
  EXPECT_NEAR(c->difference, 18.0 / 150, 1e-15);
  EXPECT_NEAR(*c->mcnemar_exact_p, McNemarExact(12, 30), 0);
  EXPECT_NEAR(*c->mcnemar_mid_p, McNemarMidP(12, 30), 0);
  const auto newcombe = NewcombePaired({40, 30, 12, 68});
  EXPECT_EQ(c->interval95->low, newcombe->low);
  EXPECT_EQ(c->interval95->high, newcombe->high);
  EXPECT_NEAR(c->margin, 0.05, 1e-15);  // 52 / 150 / 6 is above the upper end
  PairedEvidence evidence(0.05);
  for (int i = 0; i < 150; ++i) evidence.Add(i < 12 ? -1 : i < 42 ? 1 : 0);
  EXPECT_NEAR(c->e_improvement / evidence.Improvement(), 1, 1e-9);
}

TEST(ComparePaired, GivesATIntervalOverProblemMeansForSeveralAnswers) {
  const Outcomes baseline = {{"a", {true, false}}, {"b", {false, false}}, {"c", {true, true}}};
  const Outcomes candidate = {
      {"a", {true, true}}, {"b", {true, false, false, false}}, {"c", {true, true}}};
  const auto c = ComparePaired(baseline, candidate);
  ASSERT_TRUE(c.has_value());
  EXPECT_EQ(c->wins, 2u);
  EXPECT_EQ(c->ties, 1u);
  EXPECT_FALSE(c->mcnemar_exact_p.has_value());
  EXPECT_FALSE(c->mcnemar_mid_p.has_value());
  const auto t = TInterval(std::vector<double>{.5, .25, 0});
  EXPECT_NEAR(c->interval95->low, t->interval.low, 1e-12);
  EXPECT_NEAR(c->interval95->high, t->interval.high, 1e-12);
}

TEST(ComparePaired, GivesNoNanForNoneOneAllRightAndAllWrong) {
  for (const int n : {0, 1, 2, 30}) {
    for (int kind = 0; kind < 4; ++kind) {
      const int losses = kind == 0 ? n : 0, wins = kind == 1 ? n : 0;
      const int both = kind == 2 ? n : 0, neither = kind == 3 ? n : 0;
      const auto c = ComparePaired(Pairs(losses, wins, both, neither, false),
                                   Pairs(losses, wins, both, neither, true));
      ASSERT_TRUE(c.has_value());
      for (const double x :
           {c->difference, c->e_regression, c->e_noninferior, c->e_improvement, c->margin,
            c->mde.value_or(0), c->mcnemar_exact_p.value_or(0), c->mcnemar_mid_p.value_or(0),
            c->interval95.value_or(Interval{}).low, c->interval95.value_or(Interval{}).high}) {
        EXPECT_TRUE(std::isfinite(x)) << n << " " << kind;
      }
      EXPECT_GE(c->interval95.value_or(Interval{}).low, -1);
      EXPECT_LE(c->interval95.value_or(Interval{}).high, 1);
    }
  }
}

TEST(DebugStats, AnswersEveryBadLineWithAnError) {
  for (const auto& [line, told] : std::vector<std::pair<const char*, const char*>>{
           {"{}", "\"stat\" is missing"},
           {"[]", "\"stat\" is missing"},
           {"{\"stat\":7}", "\"stat\" is number"},
           {"{\"stat\":\"wilsen\"}", "did you mean \"wilson\""},
           {"{\"stat\":\"wilson\",\"k\":1}", "\"n\" is missing"},
           {"{\"stat\":\"wilson\",\"k\":1.5,\"n\":3}", "\"k\" is number"},
           {"{\"stat\":\"wilson\",\"k\":-1,\"n\":3}", "\"k\" is -1"},
           {"{\"stat\":\"wilson\",\"k\":1,\"n\":3,\"level\":1}", "\"level\""},
           {"{\"stat\":\"clopper_pearson\",\"k\":1,\"n\":3,\"level\":\"x\"}", "\"level\""},
           {"{\"stat\":\"correlation\",\"x\":[1],\"y\":[1,2]}", "differ in length"},
           {"{\"stat\":\"correlation\",\"x\":[\"1\"],\"y\":[1]}", "list of numbers"},
           {"{\"stat\":\"correlation\",\"y\":[1]}", "list of numbers"}}) {
    const auto out = DebugStats(*ParseJson(line, "line"));
    ASSERT_FALSE(out.has_value()) << line;
    EXPECT_NE(out.error().message.find(told), std::string::npos) << out.error().message;
  }
}

TEST(DebugStats, GivesNullWhereAResultIsUndefined) {
  for (const char* line :
       {"{\"stat\":\"wilson\",\"k\":0,\"n\":0}", "{\"stat\":\"clopper_pearson\",\"k\":3,\"n\":2}",
        "{\"stat\":\"pass_at_k\",\"n\":3,\"correct\":1,\"k\":4}",
        "{\"stat\":\"newcombe_paired\",\"both\":0,\"only_first\":0,\"only_second\":0,\"neither\":"
        "0}",
        "{\"stat\":\"correlation\",\"x\":[],\"y\":[]}",
        "{\"stat\":\"correlation\",\"x\":[2,2],\"y\":[1,5]}"}) {
    const auto out = DebugStats(*ParseJson(line, "line"));
    ASSERT_TRUE(out.has_value()) << line;
    for (const auto& [key, value] : out->items()) EXPECT_TRUE(value.is_null()) << line << key;
  }
}

}  // namespace
}  // namespace pawl
