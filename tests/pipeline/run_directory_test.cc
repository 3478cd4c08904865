// Run directories and checkpoints: one owner, nothing overwritten, damage never loaded.
#include "pipeline/run_directory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "pipeline/frozen_policy.h"
#include "pipeline/position.h"
#include "pipeline/stage_files.h"
#include "tiny_run.h"

namespace pawl {
namespace {
namespace fs = std::filesystem;

RunDirectory OpenNew(const fs::path& folder) {
  auto directory = RunDirectory::Open(folder, "x", false);
  if (!directory) ADD_FAILURE() << directory.error().message;
  return std::move(*directory);
}

Checkpoint CheckpointOf(int step) {
  Checkpoint checkpoint;
  checkpoint.position = {{"step", step}};
  checkpoint.current.parameters = {{1, 2, 3}};
  checkpoint.current.optimizer_steps = 1234567;
  checkpoint.anchor.parameters = {{4, 5}};
  return checkpoint;
}

int LoadedStep(RunDirectory& directory) {
  std::vector<std::string> damaged;
  const auto loaded = directory.LoadCheckpoint(damaged);
  return loaded && *loaded ? (*loaded)->position.at("step").get<int>() : -1;
}

TEST(Checkpoints, ComeBackAsTheyWere) {
  RunDirectory directory = OpenNew(TempFolder("back") / "run");
  std::vector<std::string> damaged;
  const auto none = directory.LoadCheckpoint(damaged);
  ASSERT_TRUE(none.has_value());
  EXPECT_FALSE(none->has_value());
  Checkpoint checkpoint = CheckpointOf(1);
  checkpoint.best = checkpoint.current;
  checkpoint.best->first_moment = {{0.5f, 1e-30f, -0.0f}};
  ASSERT_TRUE(directory.SaveCheckpoint(checkpoint).has_value());
  const auto loaded = directory.LoadCheckpoint(damaged);
  ASSERT_TRUE(loaded.has_value() && loaded->has_value());
  EXPECT_TRUE(SameParameters((*loaded)->current, checkpoint.current));
  EXPECT_TRUE(SameParameters((*loaded)->anchor, checkpoint.anchor));
  EXPECT_EQ((*loaded)->current.optimizer_steps, 1234567);
  ASSERT_TRUE((*loaded)->best.has_value());
  EXPECT_EQ((*loaded)->best->first_moment, checkpoint.best->first_moment);
  EXPECT_FALSE((*loaded)->healthy.has_value());
  EXPECT_TRUE(damaged.empty());
}

TEST(Checkpoints, KeepTheLastTwoAndFallBackToTheOneThatIsWhole) {
  const fs::path folder = TempFolder("fallback") / "run";
  RunDirectory directory = OpenNew(folder);
  for (int step = 1; step <= 3; ++step) {
    ASSERT_TRUE(directory.SaveCheckpoint(CheckpointOf(step)).has_value());
  }
  EXPECT_FALSE(fs::exists(folder / "state/checkpoint-1"));
  EXPECT_EQ(LoadedStep(directory), 3);
  std::ofstream(folder / "state/checkpoint-3/current.safetensors", std::ios::app) << "x";
  EXPECT_EQ(LoadedStep(directory), 2);
  EXPECT_TRUE(fs::exists(folder / "state/checkpoint-3.bad"));
  ASSERT_TRUE(directory.SaveCheckpoint(CheckpointOf(4)).has_value());
  EXPECT_EQ(LoadedStep(directory), 4);
}

TEST(Checkpoints, AMissingOrForeignFileIsSeen) {
  const fs::path folder = TempFolder("files") / "run";
  RunDirectory directory = OpenNew(folder);
  for (int step = 1; step <= 2; ++step) {
    ASSERT_TRUE(directory.SaveCheckpoint(CheckpointOf(step)).has_value());
  }
  std::ofstream(folder / "state/checkpoint-2/best.safetensors") << "x";
  EXPECT_EQ(LoadedStep(directory), 1);
  fs::remove(folder / "state/checkpoint-1/MANIFEST.json");
  std::vector<std::string> damaged;
  EXPECT_EQ(directory.LoadCheckpoint(damaged).error().code, ErrorCode::kNoCheckpoint);
}

TEST(Checkpoints, AFullDiskLeavesTheLastOneAndNothingHalfWritten) {
  const fs::path folder = TempFolder("full") / "run";
  RunDirectory directory = OpenNew(folder);
  ASSERT_TRUE(directory.SaveCheckpoint(CheckpointOf(1)).has_value());
  Checkpoint large = CheckpointOf(2);
  large.current.parameters = {std::vector<float>(20000, 1.0f)};
  // Writing past 16 KiB fails, as on a full disk.
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{16384, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status saved = directory.SaveCheckpoint(large);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  ASSERT_FALSE(saved.has_value());
  EXPECT_EQ(saved.error().code, ErrorCode::kResources);
  EXPECT_EQ(LoadedStep(directory), 1);
  EXPECT_FALSE(fs::exists(folder / "state/saving.tmp"));
  ASSERT_TRUE(directory.SaveCheckpoint(large).has_value());
  EXPECT_EQ(LoadedStep(directory), 2);
}

TEST(RunDirectory, IsLockedAndRefusesToOverwrite) {
  const fs::path folder = TempFolder("lock") / "run";
  {
    const RunDirectory first = OpenNew(folder);
    EXPECT_EQ(RunDirectory::Open(folder, "x", true).error().code, ErrorCode::kBusy);
    EXPECT_EQ(RunDirectory::Open(folder, "x", false).error().code, ErrorCode::kBusy);
  }
  EXPECT_TRUE(RunDirectory::Open(folder, "x", false).has_value());  // nothing was begun yet
  std::ofstream(folder / "something") << "x";
  EXPECT_EQ(RunDirectory::Open(folder, "x", false).error().code, ErrorCode::kNoCheckpoint);
  EXPECT_TRUE(RunDirectory::Open(folder, "x", true).has_value());
  EXPECT_EQ(RunDirectory::Open(folder / "something", "x", true).error().code, ErrorCode::kUsage);
}

TEST(RunDirectory, LeavesAForeignFolderAsItIs) {
  const fs::path folder = TempFolder("foreign");
  std::ofstream(folder / "thesis.txt") << "x";
  EXPECT_EQ(RunDirectory::Open(folder, "x", false).error().code, ErrorCode::kNoCheckpoint);
  EXPECT_FALSE(fs::exists(folder / "state"));
}

TEST(RunDirectory, TakesTheNextFreeNumber) {
  const fs::path here = fs::current_path();
  fs::current_path(TempFolder("numbers"));
  auto first = RunDirectory::Open("", "quick", false);
  auto second = RunDirectory::Open("", "quick", false);  // the first is in use
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_EQ(first->path(), fs::path("runs/quick"));
  EXPECT_EQ(second->path(), fs::path("runs/quick-2"));
  std::ofstream(first->path() / "summary.json") << "{}";
  std::ofstream(second->path() / "summary.json") << "{}";
  EXPECT_EQ(RunDirectory::Open("", "quick", false)->path(), fs::path("runs/quick-3"));
  fs::current_path(here);
}

TEST(Position, ComesBackAsItWasAndRefusesOthers) {
  RunPosition position;
  position.stage = 2;
  position.learning_rate_scale = 0.25;
  position.next_document = 1ull << 60;
  position.ended = "time_limit";
  position.stages = Json::array({{{"name", "a"}}});
  const auto again = ParsePosition(PositionJson(position));
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(PositionJson(*again), PositionJson(position));
  const Json whole = PositionJson(position);
  for (const auto& [key, value] : whole.items()) {
    Json missing = whole, wrong = whole;
    missing.erase(key);
    ASSERT_FALSE(ParsePosition(missing).has_value()) << key;
    EXPECT_EQ(ParsePosition(missing).error().code, ErrorCode::kBadFile);
    if (key == "base") continue;  // any JSON
    wrong[key] = Json::object({{"x", 1}});
    EXPECT_FALSE(ParsePosition(wrong).has_value()) << key;
  }
  Json negative = whole;
  negative["step"] = -1;
  EXPECT_FALSE(ParsePosition(negative).has_value());
  EXPECT_FALSE(ParsePosition(Json::array()).has_value());
}

TEST(StageFiles, AreCutToWhatTheCheckpointKnows) {
  const fs::path folder = TempFolder("cut");
  RunPosition position;
  {
    StageFiles files;
    ASSERT_TRUE(files.Open(folder, position).has_value());
    ASSERT_TRUE(files.Metrics("one").has_value());
    ASSERT_TRUE(files.Sync(position).has_value());
    ASSERT_TRUE(files.Metrics("two").has_value());
    ASSERT_TRUE(files.Rollout("lost").has_value());
  }
  StageFiles again;
  ASSERT_TRUE(again.Open(folder, position).has_value());
  EXPECT_EQ(ReadText(folder / "metrics.jsonl"), "one\n");
  EXPECT_EQ(ReadText(folder / "rollouts.jsonl"), "");
  position.metrics_bytes = 99;
  StageFiles shorter;
  const Status opened = shorter.Open(folder, position);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kNoCheckpoint);
}

}  // namespace
}  // namespace pawl
