// Gates decide by their rule, from counts and evidence alone.
#include "pipeline/gate.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

TEST(ThresholdGate, ComparesExactly) {
  GateSection config;
  config.problems = 50;
  config.max_drop = 2;
  const auto decide = [&](int losses, int wins) {
    const auto gate = MakeGate(config, 1, 0.5);
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
  config.problems = 20;
  const auto gate = MakeGate(config, 1, 0.5);
  EXPECT_EQ(gate->Plan().batch, 20);
  EXPECT_TRUE(gate->Plan().greedy);
  gate->Add({1, 0});
  EXPECT_EQ(gate->Decide(false), GateDecision::kKeepTesting);
  EXPECT_EQ(gate->Decide(true), GateDecision::kRollback);
  EXPECT_EQ(MakeGate(config, 1, 0.5)->Decide(true), GateDecision::kHold);
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
    const auto gate = MakeGate(config, 1, 0.5);
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
    const auto gate = MakeGate(config, gates, 0.5);
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

TEST(FixedGate, JudgesByTheIntervalOfTheDifference) {
  GateSection config;
  config.rule = "fixed";
  config.problems = 100;
  const auto decide = [&](int samples, int losses, int wins) {
    config.samples = samples;
    const auto gate = MakeGate(config, 1, 0.5);
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
  EXPECT_EQ(MakeGate(config, 1, 0.5)->Decide(true), GateDecision::kHold);
  // A few ties are no evidence that nothing changed.
  const auto few = MakeGate(config, 1, 0.5);
  for (int i = 0; i < 4; ++i) few->Add({0, 0});
  EXPECT_EQ(few->Decide(true), GateDecision::kHold);
}

TEST(NoGate, AcceptsWithoutProblems) {
  GateSection config;
  config.rule = "none";
  const auto gate = MakeGate(config, 1, 0);
  EXPECT_EQ(gate->Decide(true), GateDecision::kAccept);
  EXPECT_EQ(gate->Evidence().at("problems"), 0);
}

}  // namespace
}  // namespace pawl
