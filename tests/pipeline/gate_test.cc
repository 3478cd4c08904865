// Gates decide by their rule, from counts and evidence alone.
#include "pipeline/gate.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pawl {
namespace {

TEST(ThresholdGate, ComparesExactly) {
  GateSection config;
  config.rule = "threshold";
  config.problems = 50;
  config.max_drop = 2;
  const auto decide = [&](int losses, int wins) {
    const auto gate = MakeGate(config, {0.5, 1, false});
    for (int i = 0; i < 50; ++i) {
      gate->Add(i < losses          ? PairedOutcome{1, 0}
                : i < losses + wins ? PairedOutcome{0, 1}
                                    : PairedOutcome{1, 1});
    }
    return gate->Decide(false);
  };
  EXPECT_EQ(decide(1, 0), GateDecision::kAccept);  // exactly 2 points is not more than 2
  EXPECT_EQ(decide(2, 0), GateDecision::kRollback);
  EXPECT_EQ(decide(5, 4), GateDecision::kAccept);
  EXPECT_EQ(decide(0, 50), GateDecision::kAccept);
}

TEST(ThresholdGate, WaitsForItsProblemsAndDecidesWhenNoneAreLeft) {
  GateSection config;
  config.rule = "threshold";
  config.problems = 20;
  const auto gate = MakeGate(config, {0.5, 1, false});
  EXPECT_EQ(gate->Plan().batch, 20);
  EXPECT_TRUE(gate->Plan().greedy);
  gate->Add({1, 0});
  EXPECT_EQ(gate->Decide(false), GateDecision::kKeepTesting);
  EXPECT_EQ(gate->Decide(true), GateDecision::kRollback);
  EXPECT_EQ(MakeGate(config, {0.5, 1, false})->Decide(true), GateDecision::kHold);
  const Json evidence = gate->Evidence();
  EXPECT_EQ(evidence.at("losses"), 1);
  EXPECT_EQ(evidence.at("wins"), 0);
  EXPECT_EQ(evidence.at("accuracy_before"), 1.0);
  EXPECT_EQ(evidence.at("accuracy_after"), 0.0);
}

TEST(SequentialGate, RollsBackOnEvidenceAcceptsOnEvidenceAndHoldsOtherwise) {
  GateSection config;
  config.rule = "sequential";
  config.max_problems = 100;
  const auto run = [&](double difference, int problems) {
    const auto gate = MakeGate(config, {0.5, 1, false});
    GateDecision decision = GateDecision::kKeepTesting;
    for (int i = 0; i < problems && decision == GateDecision::kKeepTesting; ++i) {
      gate->Add({0.5, 0.5 + difference});
      decision = gate->Decide(i + 1 == problems);
    }
    return decision;
  };
  EXPECT_EQ(run(-0.5, 100), GateDecision::kRollback);
  // Equal models: 72 problems suffice at margin 0.05.
  EXPECT_EQ(run(0.0, 100), GateDecision::kAccept);
  EXPECT_EQ(run(0.0, 30), GateDecision::kHold);
}

TEST(SequentialGate, SharesItsErrorAmongTheGatesOfARun) {
  GateSection config;
  config.rule = "sequential";
  config.max_problems = 100;
  const auto losses_until_rollback = [&](int gates) {
    const auto gate = MakeGate(config, {0.5, gates, false});
    for (int n = 1; n <= 100; ++n) {
      gate->Add({1, 0});
      if (gate->Decide(false) == GateDecision::kRollback) return n;
    }
    return 0;
  };
  // 7 losses without a win give E = 29.9 >= 20; 10 give 166 >= 100, 9 only 92 (the mean over j of
  // (1 + j/16)^n).
  EXPECT_EQ(losses_until_rollback(1), 7);
  EXPECT_EQ(losses_until_rollback(5), 10);
}

TEST(SequentialGate, HasTwiceTheBudgetAfterTwoHoldsInARow) {
  GateSection config;
  config.max_problems = 150;
  EXPECT_EQ(GateProblems(config), 150);
  EXPECT_EQ(GatePool(config), 300);
  EXPECT_EQ(NextGate(config, 1).max_problems, 150);
  EXPECT_EQ(NextGate(config, 2).max_problems, 300);
  EXPECT_EQ(NextGate(config, 5).max_problems, 300);
  config.rule = "threshold";
  EXPECT_EQ(GatePool(config), config.problems);
}

// Each accepted stage may lose a little; together they may not lose more than total_margin.
TEST(SequentialGate, GuardsTheBaseAgainstLossesThatAddUp) {
  GateSection config;
  config.rule = "sequential";
  config.max_problems = 400;
  const auto run = [&](double below_anchor, double below_base) {
    const auto gate = MakeGate(config, {0.5, 1, true});
    for (int i = 0; i < 400; ++i) {
      gate->Add({0.5, 0.5 - below_anchor, 0.5 - below_anchor + below_base});
      const GateDecision decision = gate->Decide(i + 1 == 400);
      if (decision != GateDecision::kKeepTesting) return decision;
    }
    return GateDecision::kHold;
  };
  EXPECT_EQ(run(0, 0), GateDecision::kAccept);
  EXPECT_EQ(run(0, 0.25), GateDecision::kRollback);  // as good as the anchor, worse than the base
  EXPECT_EQ(run(-0.1, 0.06), GateDecision::kRollback);  // better than the anchor even
  EXPECT_EQ(run(0.25, 0), GateDecision::kRollback);
  const auto gate = MakeGate(config, {0.5, 1, true});
  EXPECT_EQ(gate->Evidence().at("against_base").at("margin"), 0.05);
  EXPECT_TRUE(MakeGate(config, {0.5, 1, false})->Evidence().at("against_base").is_null());
}

// Sampling gains may hide that the answers users get, the greedy ones, became worse.
TEST(SequentialGate, LooksAtGreedyAnswersToo) {
  GateSection config;
  config.max_problems = 200;
  const auto run = [&](int of_ten_lost, bool greedy) {
    config.greedy = greedy;
    const auto gate = MakeGate(config, {0.3, 12, true});
    EXPECT_EQ(gate->Plan().greedy_too, greedy);
    for (int i = 0; i < 200; ++i) {
      PairedOutcome outcome{{0.3, 0.4, 0.3}};
      outcome.greedy = {1.0, i % 10 < of_ten_lost ? 0.0 : 1.0, 1.0};
      gate->Add(outcome);
      const GateDecision decision = gate->Decide(i == 199);
      if (decision != GateDecision::kKeepTesting) return decision;
    }
    return GateDecision::kHold;
  };
  EXPECT_EQ(run(0, true), GateDecision::kAccept);
  EXPECT_EQ(run(5, true), GateDecision::kRollback);
  EXPECT_EQ(run(5, false), GateDecision::kAccept);
  config.greedy = true;
  const Json evidence = MakeGate(config, {0.3, 1, true})->Evidence();
  EXPECT_EQ(evidence.at("greedy").at("margin"), 2 * evidence.at("margin").get<double>());
  EXPECT_EQ(evidence.at("greedy").at("against_base").at("margin"), 0.1);
}

TEST(Gates, CountEveryTestThatSharesTheError) {
  GateSection config;
  config.max_retries = 2;
  // Three stages, three attempts, anchor and base, sampled and greedy.
  EXPECT_EQ(PlannedTests(config, 3), 36);
  config.soup = {0.5, 0.25};
  EXPECT_EQ(PlannedTests(config, 3), 108);
  config.on_reject = "skip";
  EXPECT_EQ(PlannedTests(config, 3), 36);
  config.greedy = false;
  EXPECT_EQ(PlannedTests(config, 3), 18);
}

TEST(Gates, SayWhatTheirBudgetCanDetect) {
  GateSection config;
  config.rule = "threshold";
  config.problems = 50;
  EXPECT_NEAR(DetectableDrop(config, 0.2, GateProblems(config)), 0.1573,
              1e-4);  // MDE(n = 50, churn 0.2), worked number
  EXPECT_EQ(Tolerance(config, 0.3), 0.02);
  EXPECT_NE(GateReach(config).find("15.7 points"), std::string::npos) << GateReach(config);
  config.rule = "sequential";
  config.samples = 4;
  config.max_problems = 400;
  EXPECT_NEAR(DetectableDrop(config, 0.2, GateProblems(config)),
              2.486475 * std::sqrt(0.2 / 2 / 400), 1e-12);
  EXPECT_EQ(Tolerance(config, 0.06), 0.03);
}

TEST(ThresholdGate, StatesItsFalseAlarms) {
  GateSection config;
  config.rule = "threshold";
  config.problems = 20;
  const auto gate = MakeGate(config, {0.5, 1, false});
  for (int i = 0; i < 20; ++i)
    gate->Add(i < 5 ? PairedOutcome{1, 0} : i < 10 ? PairedOutcome{0, 1} : PairedOutcome{1, 1});
  // Churn 1/2 at n = 20: the table of exact numbers has .437 (base 50 %, no correlation).
  EXPECT_NEAR(gate->Evidence().at("false_alarm_probability").get<double>(), 0.437, 5e-4);
}

TEST(FixedGate, JudgesByTheIntervalOfTheDifference) {
  GateSection config;
  config.rule = "fixed";
  config.problems = 100;
  const auto decide = [&](int samples, int losses, int wins) {
    config.samples = samples;
    const auto gate = MakeGate(config, {0.5, 1, false});
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(gate->Decide(false), GateDecision::kKeepTesting);
      gate->Add(i < losses          ? PairedOutcome{1, 0}
                : i < losses + wins ? PairedOutcome{0, 1}
                                    : PairedOutcome{1, 1});
    }
    return gate->Decide(false);
  };
  for (const int samples : {1, 4}) {
    EXPECT_EQ(decide(samples, 30, 0), GateDecision::kRollback);
    EXPECT_EQ(decide(samples, 5, 15), GateDecision::kAccept);
    EXPECT_EQ(decide(samples, 10, 10), GateDecision::kHold);
  }
  config.samples = 4;
  EXPECT_EQ(MakeGate(config, {0.5, 1, false})->Decide(true), GateDecision::kHold);
  // A few ties are no evidence that nothing changed.
  const auto few = MakeGate(config, {0.5, 1, false});
  for (int i = 0; i < 4; ++i) few->Add({0, 0});
  EXPECT_EQ(few->Decide(true), GateDecision::kHold);
}

TEST(NoGate, AcceptsWithoutProblems) {
  GateSection config;
  config.rule = "none";
  const auto gate = MakeGate(config, {0, 1, false});
  EXPECT_EQ(gate->Decide(true), GateDecision::kAccept);
  EXPECT_EQ(gate->Evidence().at("problems"), 0);
}

}  // namespace
}  // namespace pawl
