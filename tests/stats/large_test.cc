// Large counts and numbers: accuracy and bounded time.
#include <gtest/gtest.h>

#include <chrono>

#include "base/json.h"
#include "stats/compare.h"
#include "stats/debug_stats.h"
#include "stats/intervals.h"

namespace pawl {
namespace {

TEST(McNemar, KeepsItsDigitsForManyPairs) {
  // Exact rational arithmetic, rounded.
  EXPECT_NEAR(McNemarExact(9'900, 10'100), 0.15938343598473378, 1e-13);
  EXPECT_NEAR(McNemarExact(99'700, 100'300), 0.18043880997509928, 1e-13);
}

TEST(DebugStats, AnswersTheLargestCountsAtOnceAndRefusesLarger) {
  const auto start = std::chrono::steady_clock::now();
  for (const char* line :
       {"{\"stat\":\"sign_test\",\"positive\":1000000000,\"negative\":1000000000}",
        "{\"stat\":\"clopper_pearson\",\"k\":500000000,\"n\":1000000000}",
        "{\"stat\":\"pass_at_k\",\"n\":1000000000,\"correct\":500000000,\"k\":400000000}",
        "{\"stat\":\"pass_at_k\",\"n\":1000000000,\"correct\":500000000,\"k\":1}",
        "{\"stat\":\"pass_at_k\",\"n\":1000000000,\"correct\":30000,\"k\":30000}"}) {
    EXPECT_TRUE(DebugStats(*ParseJson(line, "line")).has_value()) << line;
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  EXPECT_LT(taken.count(), 10);
  EXPECT_NEAR(*PassAtK(1'000'000'000, 500'000'000, 1), 0.5, 1e-12);
  EXPECT_FALSE(DebugStats(*ParseJson("{\"stat\":\"sign_test\",\"positive\":9223372036854775807,"
                                     "\"negative\":9223372036854775807}",
                                     "line"))
                   .has_value());
}

TEST(Pearson, NeitherOverflowsNorVanishes) {
  const std::vector<double> y = {1, 2, 4};
  const double r = *Pearson(std::vector<double>{1, 2, 3}, y).r;
  EXPECT_NEAR(*Pearson(std::vector<double>{1e200, 2e200, 3e200}, y).r, r, 1e-12);
  EXPECT_NEAR(*Pearson(std::vector<double>{1e-200, 2e-200, 3e-200}, y).r, r, 1e-12);
}

TEST(ComparePaired, TakesTheChurnForTheSmallestDetectableDifferenceOfOneAnswerAProblem) {
  Outcomes baseline, candidate;
  for (int i = 0; i < 50; ++i) {
    baseline[std::to_string(i)] = {i < 8};
    candidate[std::to_string(i)] = {i >= 8 && i < 10};
  }
  EXPECT_NEAR(*ComparePaired(baseline, candidate)->mde, .1573, 6e-5);  // churn 10 / 50
}

}  // namespace
}  // namespace pawl
