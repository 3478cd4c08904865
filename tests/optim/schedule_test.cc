// Corners of the schedules, with the values of transformers 4.57's own functions.
#include <gtest/gtest.h>

#include "optim/schedule.h"

namespace pawl {
namespace {

double Rate(const ScheduleConfig& config, int step, std::optional<int> total) {
  const auto rate = LearningRate(config, 1e-3, step, total);
  EXPECT_TRUE(rate.has_value()) << rate.error().message;
  return rate.value_or(-1);
}

TEST(Schedule, CosineWarmupWithMinLrStartsAboveZero) {
  ScheduleConfig c;
  c.type = *ParseScheduleType("cosine_warmup_with_min_lr");
  c.warmup_steps = 4;
  c.min_lr_rate = 0.1;
  EXPECT_NEAR(Rate(c, 0, 40), 0.00025, 1e-15);
  EXPECT_NEAR(Rate(c, 3, 40), 0.001, 1e-15);
  EXPECT_NEAR(Rate(c, 4, 40), 0.0009982876141412856, 1e-15);
  EXPECT_NEAR(Rate(c, 39, 40), 0.0001, 1e-15);
  EXPECT_NEAR(Rate(c, 60, 40), 0.0006664685702961341, 1e-15);  // past the total it rises again
  c.warmup_lr_rate = 0.2;
  EXPECT_NEAR(Rate(c, 0, 40), 0.0002, 1e-15);
}

TEST(Schedule, WarmupStableDecayBeginsInTheMiddleOfADecayThatDoesNotFit) {
  ScheduleConfig c;
  c.type = ScheduleType::kWarmupStableDecay;
  c.warmup_steps = 10;
  c.num_decay_steps = 30;  // of a total of 20: 20 steps of the decay are already over
  c.decay_type = "linear";
  c.min_lr_ratio = 0.1;
  EXPECT_NEAR(Rate(c, 9, 20), 0.00091, 1e-15);
  EXPECT_NEAR(Rate(c, 10, 20), 0.0004, 1e-15);
  EXPECT_NEAR(Rate(c, 15, 20), 0.00025, 1e-15);
  EXPECT_NEAR(Rate(c, 20, 20), 0.0001, 1e-15);
}

TEST(Schedule, PolynomialRefusesATotalOfWarmupAlone) {
  ScheduleConfig c;
  c.type = ScheduleType::kPolynomial;
  c.warmup_steps = 5;
  EXPECT_NEAR(Rate(c, 4, 5), 0.0008, 1e-15);
  EXPECT_FALSE(LearningRate(c, 1e-3, 5, 5).has_value());
  EXPECT_NEAR(Rate(c, 6, 5), 1e-7, 1e-15);
}

}  // namespace
}  // namespace pawl
