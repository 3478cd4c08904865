// Tripwires read metrics; they trip on collapse and on nothing else.
#include "pipeline/health.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

Json Metrics(const std::map<std::string, double>& changed = {}) {
  Json metrics{{"grad_norm", 1.0},
               {"entropy", 0.8},
               {"kl", 0.01},
               {"completions/clipped_ratio", 0.05},
               {"completions/repetition_ratio", 0.0},
               {"completions/answered_ratio", 0.9}};
  for (const auto& [name, value] : changed) metrics[name] = value;
  return metrics;
}

Json MemoryOf(int steps) {
  Json memory = Json::object();
  for (int i = 0; i < steps; ++i) RememberStep(memory, Metrics());
  return memory;
}

TEST(Tripwires, LetHealthyStepsPass) {
  const Json memory = MemoryOf(30);
  EXPECT_EQ(TrippedBy({}, memory, Metrics()), "");
  EXPECT_EQ(TrippedBy({}, Json::object(), Metrics()), "");
  EXPECT_EQ(TrippedBy({}, memory, Json::object()), "");  // a step without metrics trips nothing
  EXPECT_EQ(TrippedBy({}, memory, Metrics({{"grad_norm", 40}})), "");
  EXPECT_EQ(TrippedBy({}, memory, Metrics({{"completions/clipped_ratio", 0.45}})), "");
  EXPECT_EQ(TrippedBy({}, memory, Metrics({{"completions/answered_ratio", 0.01}})), "");
}

TEST(Tripwires, NameWhatTripsThem) {
  const Json memory = MemoryOf(30);
  const auto says = [&](const std::map<std::string, double>& changed, const char* text) {
    const std::string tripped = TrippedBy({}, memory, Metrics(changed));
    EXPECT_NE(tripped.find(text), std::string::npos) << tripped << " for " << text;
  };
  says({{"kl", 1.5}}, "kl 1.5 exceeds");
  says({{"entropy", 4.5}}, "entropy 4.5 is more than 5 times");
  says({{"grad_norm", 51}}, "times its median 1");
  says({{"completions/clipped_ratio", 0.6}}, "60 % of completions are truncated, at first 5 %");
  says({{"completions/repetition_ratio", 0.6}}, "60 % of completions are repeating");
  says({{"completions/answered_ratio", 0}}, "no completion has an answer");
  HealthSection low;
  low.min_entropy = 0.9;
  EXPECT_NE(TrippedBy(low, memory, Metrics()).find("min_entropy"), std::string::npos);
}

TEST(Tripwires, CompareWithTheStartOfTheAttempt) {
  Json memory = Json::object();
  RememberStep(memory, Metrics({{"completions/clipped_ratio", 0.4}, {"entropy", 0.1}}));
  for (int i = 0; i < 30; ++i) RememberStep(memory, Metrics());
  EXPECT_EQ(memory.at("grad_norms").size(), 20u);
  // It was cutting answers from the start: no collapse.
  EXPECT_EQ(TrippedBy({}, memory, Metrics({{"completions/clipped_ratio", 0.9}})), "");
  // Below 1 nat a larger entropy is no collapse.
  EXPECT_EQ(TrippedBy({}, memory, Metrics({{"entropy", 0.99}})), "");
  // Nine norms are too few for a median.
  EXPECT_EQ(TrippedBy({}, MemoryOf(9), Metrics({{"grad_norm", 1e6}})), "");
}

}  // namespace
}  // namespace pawl
