// Which problems a step asks.
#include "pipeline/prompt_choice.h"

#include <gtest/gtest.h>

#include <set>

namespace pawl {
namespace {

std::vector<Problem> Named(const std::string& name, int count) {
  std::vector<Problem> problems(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i)
    problems[static_cast<std::size_t>(i)].id = name + std::to_string(i);
  return problems;
}

struct Bed {
  RunContext x;
  Json json = Json::object();
  PassRates rates{json};

  Bed() {
    x.config.run.seed = 7;
    for (const char* name : {"easy", "hard"}) {
      StageConfig stage;
      stage.name = name;
      stage.per_device_train_batch_size = 8;
      stage.gradient_accumulation_steps = 1;
      x.config.stages.push_back(stage);
      x.data.train.emplace(name, TrainProblems(Named(name, 40)));
    }
  }
  StageConfig& hard() { return x.config.stages[1]; }
  // How often each of the hard stage's problems comes in many steps.
  std::vector<int> Counts(int steps) {
    std::vector<int> counts(40, 0);
    for (int step = 0; step < steps; ++step) {
      for (const PromptChoice& choice : ChoosePrompts(x, 1, step, steps, rates)) {
        if (choice.stage == 1) ++counts[choice.problem];
      }
    }
    return counts;
  }
};

TEST(PromptChoice, UniformSamplingIsShuffledEpochs) {
  Bed bed;
  for (const int count : bed.Counts(15)) EXPECT_EQ(count, 3);  // 15 steps of 8 are 3 epochs of 40
}

TEST(PromptChoice, PrefersProblemsNeitherAlwaysRightNorAlwaysWrong) {
  Bed bed;
  bed.hard().sampling = "pass_rate";
  for (std::size_t i = 0; i < 40; ++i) bed.rates.Add(bed.x, {1, i}, i < 10 ? 0.5 : i < 25 ? 0 : 1);
  const std::vector<int> counts = bed.Counts(200);
  int open = 0, all = 0;
  for (std::size_t i = 0; i < 40; ++i) {
    all += counts[i];
    open += i < 10 ? counts[i] : 0;
  }
  EXPECT_EQ(all, 1600);
  // Weights .27 for ten, .02 for thirty: nearly every step of eight takes seven or more of the ten.
  EXPECT_GT(open, 1100);
  EXPECT_LT(open, 1600);  // the others are asked now and then
  for (int step = 0; step < 50; ++step) {
    std::set<std::size_t> distinct;
    for (const auto& choice : ChoosePrompts(bed.x, 1, step, 50, bed.rates)) {
      distinct.insert(choice.problem);
    }
    EXPECT_EQ(distinct.size(), 8u);
  }
}

TEST(PromptChoice, ReplayFallsAlongItsLineAndMasteredProblemsComeBack) {
  Bed bed;
  bed.hard().replay = 1;
  bed.hard().replay_end = 0;
  const auto easy = [&](int step) {
    int count = 0;
    for (const auto& choice : ChoosePrompts(bed.x, 1, step, 100, bed.rates)) {
      count += choice.stage == 0 ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(easy(0), 8);
  EXPECT_EQ(easy(99), 0);
  bed.hard().replay = 0;
  bed.hard().replay_end = -1;
  bed.hard().replay_mastered = 1;
  bed.rates.Add(bed.x, {0, 3}, 1);
  bed.rates.Add(bed.x, {1, 5}, 0.95);
  bed.rates.Add(bed.x, {1, 6}, 0.5);
  for (int step = 0; step < 20; ++step) {
    for (const auto& choice : ChoosePrompts(bed.x, 1, step, 100, bed.rates)) {
      EXPECT_EQ(choice.problem, choice.stage == 0 ? 3u : 5u);
    }
  }
}

TEST(PromptChoice, EstimatesMoveHalfTheWayAndRefillsDiffer) {
  Bed bed;
  EXPECT_EQ(bed.rates.Of(bed.x, {1, 2}), -1);
  bed.rates.Add(bed.x, {1, 2}, 0.5);
  EXPECT_EQ(bed.rates.Of(bed.x, {1, 2}), 0.5);
  bed.rates.Add(bed.x, {1, 2}, 1.0);
  EXPECT_EQ(bed.rates.Of(bed.x, {1, 2}), 0.75);
  const auto ids = [&](int round) {
    std::vector<std::size_t> out;
    for (const auto& choice : ChooseMore(bed.x, 1, 4, round, 8, bed.rates)) {
      out.push_back(choice.problem);
    }
    return out;
  };
  EXPECT_EQ(ids(1), ids(1));
  EXPECT_NE(ids(1), ids(2));
}

}  // namespace
}  // namespace pawl
