// Records as runs leave them, also when they were cut or damaged.
#include "records/records.h"

#include <gtest/gtest.h>

#include "support/run_folder.h"

namespace pawl {
namespace {

TEST(ReadRunRecords, RefusesWhatIsNoRun) {
  const RunFolder folder("records-none");
  EXPECT_EQ(ReadRunRecords(folder.path() / "missing").error().code, ErrorCode::kUsage);
  std::filesystem::remove(folder.path() / "environment.json");
  EXPECT_EQ(ReadRunRecords(folder.path()).error().code, ErrorCode::kUsage);
  folder.Write("summary.json", "{");
  EXPECT_EQ(ReadRunRecords(folder.path()).error().code, ErrorCode::kBadFile);
}

TEST(ReadRunRecords, KeepsWhatStandsBeforeADamagedLine) {
  const RunFolder folder("records-torn");
  folder.Write("stages/a/metrics.jsonl",
               "{\"step\":1,\"reward\":0.5}\n{\"step\":2,\"reward\":0.6}\n{\"step\":3,\"rew");
  folder.Write("stages/a/gate.json", "not json");
  const auto records = ReadRunRecords(folder.path());
  ASSERT_TRUE(records.has_value());
  EXPECT_EQ(records->stages[0].steps.size(), 2u);
  EXPECT_TRUE(records->stages[0].gate.is_null());
  ASSERT_EQ(records->notes.size(), 2u);
  EXPECT_NE(records->notes[1].find("line 2"), std::string::npos) << records->notes[1];
}

TEST(ReadRunRecords, TakesTheLastAttemptAndRepeatedStepsOnce) {
  const RunFolder folder("records-attempts");
  folder.Write(
      "stages/a/metrics.jsonl",
      "{\"step\":1,\"attempt\":0,\"reward\":0.1,\"rewards/math/mean\":0.1}\n"
      "{\"step\":1,\"attempt\":1,\"reward\":0.2}\n{\"step\":2,\"attempt\":1,\"reward\":0.3}\n"
      "{\"step\":2,\"attempt\":1,\"unhealthy\":1,\"undone_to_step\":1}\n"
      "{\"step\":2,\"attempt\":1,\"reward\":0.4}\n");
  folder.Write("stages/a/rollouts.jsonl",
               "{\"step\":0,\"correct\":true,\"rewards\":[1.0]}\n{\"step\":1,\"correct\":true}\n"
               "{\"step\":0,\"correct\":false,\"rewards\":[null]}\n");
  const auto records = ReadRunRecords(folder.path());
  const StageRecords& stage = records->stages[0];
  ASSERT_EQ(stage.steps.size(), 2u);
  EXPECT_EQ(stage.steps[1].at("reward"), 0.4);
  EXPECT_EQ(stage.unhealthy.size(), 1u);
  EXPECT_EQ(stage.reward_names, std::vector<std::string>{"math"});
  ASSERT_EQ(stage.rollouts.size(), 1u);
  EXPECT_FALSE(stage.rollouts[0].correct);
  EXPECT_FALSE(stage.rollouts[0].rewards[0].has_value());
}

TEST(ReadRunRecords, TakesTheNewestBenchmarkOfAName) {
  const RunFolder folder("records-bench");
  folder.WriteBench("base", "RW", 1, "20260101_000000");
  folder.WriteBench("base", "RRR", 1, "20260102_000000");
  folder.Write("benchmark/final_benchmark_results_20260101_000000.json", "{\"problems\":[{}]}");
  const auto records = ReadRunRecords(folder.path());
  ASSERT_NE(records->Bench("base"), nullptr);
  EXPECT_EQ(records->Bench("base")->problems.size(), 3u);
  EXPECT_EQ(records->Bench("final"), nullptr);
  EXPECT_EQ(records->notes.size(), 1u);
}

TEST(ReadRunRecords, WrongTypesAreMissingFields) {
  const RunFolder folder("records-types");
  folder.Write("stages/a/metrics.jsonl", "{\"step\":\"x\",\"attempt\":[],\"reward\":null}\n");
  folder.Write("stages/a/rollouts.jsonl", "{\"step\":{},\"correct\":3,\"rewards\":7}\n");
  folder.Write("summary.json", "{\"stages\":[{\"name\":4},7]}");
  EXPECT_TRUE(ReadRunRecords(folder.path()).has_value());
}

}  // namespace
}  // namespace pawl
