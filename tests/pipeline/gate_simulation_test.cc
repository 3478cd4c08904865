// The gates' error rates, measured on the gate code itself.
#include "pipeline/gate_simulation.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

// Three standard errors of a share of 400 runs at 0.05: 0.033.
constexpr double kSlack = 0.033;

GateSection Sequential(int max_problems, int samples) {
  GateSection config;
  config.rule = "sequential";
  config.max_problems = max_problems;
  config.samples = samples;
  return config;
}

TEST(GateSimulation, TheSequentialGateKeepsItsErrorsAndSeesLargeDrops) {
  const GateSection config = Sequential(400, 4);
  for (const double base : {0.06, 0.3, 0.5}) {
    const GateRates same = Simulate(config, {.base = base});
    EXPECT_LE(same.rollback, 0.05 + kSlack) << base;
    EXPECT_GE(same.accept, 0.7) << base;
  }
  // A model exactly the margin worse is accepted in at most a tenth of the runs.
  EXPECT_LE(Simulate(config, {.base = 0.3, .change = -0.05}).accept, 0.1 + 1.4 * kSlack);
  EXPECT_LE(Simulate(config, {.base = 0.5, .change = -0.05}).accept, 0.1 + 1.4 * kSlack);
  const GateRates drop = Simulate(config, {.base = 0.3, .change = -0.1});
  EXPECT_GE(drop.rollback, 0.97);
  EXPECT_LE(drop.problems, 130);
  EXPECT_GE(Simulate(config, {.base = 0.3, .change = 0.05}).accept, 0.97);
}

TEST(GateSimulation, ASmallBudgetHoldsInsteadOfGuessing) {
  const GateSection config = Sequential(20, 8);
  for (const double change : {0.0, -0.1}) {
    EXPECT_GE(Simulate(config, {.base = 0.3, .change = change, .pool = 20}).hold, 0.95) << change;
  }
}

TEST(GateSimulation, ThePlainRuleFiresFalselyAsItsEvidenceSays) {
  GateSection config;
  config.rule = "threshold";
  config.problems = 20;
  config.max_drop = 2;
  // Difficulties near 0 and 1 and fresh answers: the churn of greedy answers here is about .2.
  const GateRates same = Simulate(config, {.base = 0.3, .pool = 20, .runs = 1000});
  EXPECT_GT(same.rollback, 0.25);
  EXPECT_LT(same.rollback, 0.5);
}

}  // namespace
}  // namespace pawl
