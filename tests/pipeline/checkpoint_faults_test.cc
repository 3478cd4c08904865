// Saving a checkpoint while the disk fails, and reading one that was damaged.
#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "pipeline/run_directory.h"
#include "support/fault_files.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

Checkpoint Numbered(int step) {
  Checkpoint checkpoint;
  checkpoint.position = {{"step", step}};
  const auto value = static_cast<float>(step);
  checkpoint.current.parameters = {{value, value + 1}, {value}};
  checkpoint.current.first_moment = {{0.5f, value}, {value}};
  checkpoint.current.optimizer_steps = step;
  checkpoint.anchor.parameters = {{value, value}, {value}};
  return checkpoint;
}

void ExpectWhole(RunDirectory& directory, int lowest, int highest) {
  std::vector<std::string> damaged;
  const auto loaded = directory.LoadCheckpoint(damaged);
  ASSERT_TRUE(loaded) << loaded.error().message;
  ASSERT_TRUE(loaded->has_value());
  const int step = (*loaded)->position["step"].get<int>();
  EXPECT_TRUE(step >= lowest && step <= highest) << step;
  const Checkpoint expected = Numbered(step);
  EXPECT_TRUE(SameParameters((*loaded)->current, expected.current));
  EXPECT_TRUE(SameParameters((*loaded)->anchor, expected.anchor));
  EXPECT_EQ((*loaded)->current.first_moment, expected.current.first_moment);
  EXPECT_EQ((*loaded)->current.optimizer_steps, step);
}

TEST(CheckpointFaults, AFaultAtAnyCallOfASaveLeavesTheLastCheckpointOrTheNewOneWhole) {
  for (const bool sticky : {false, true}) {
    for (const auto kind : {FaultFiles::Kind::kError, FaultFiles::Kind::kShortWrite}) {
      int failures = 0;
      for (int n = 1;; ++n) {
        TemporaryFolder folder;
        auto directory = RunDirectory::Open(folder / "run", "x", false);
        ASSERT_TRUE(directory);
        ASSERT_TRUE(directory->SaveCheckpoint(Numbered(1)));
        ASSERT_TRUE(directory->SaveCheckpoint(Numbered(2)));
        FaultFiles files(n, ENOSPC, sticky, kind);
        Status saved;
        {
          const FileSystemOverride use(files);
          saved = directory->SaveCheckpoint(Numbered(3));
        }
        if (!saved) {
          ++failures;
          EXPECT_EQ(saved.error().code, ErrorCode::kResources);
        }
        ExpectWhole(*directory, saved ? 3 : 2, 3);
        // The next save, on a disk that works again, is taken.
        ASSERT_TRUE(directory->SaveCheckpoint(Numbered(4))) << n;
        ExpectWhole(*directory, 4, 4);
        if (!files.failed()) {
          EXPECT_TRUE(saved);
          break;
        }
        ASSERT_LT(n, 200);
      }
      EXPECT_GE(failures, 25);  // four files of seven calls each, and the folders
    }
  }
}

TEST(CheckpointFaults, EveryFlippedBitOfACheckpointIsNoticedOrChangesNothing) {
  TemporaryFolder folder;
  auto directory = RunDirectory::Open(folder / "run", "x", false);
  ASSERT_TRUE(directory);
  ASSERT_TRUE(directory->SaveCheckpoint(Numbered(1)));
  ASSERT_TRUE(directory->SaveCheckpoint(Numbered(2)));
  const fs::path newest = folder / "run" / "state" / "checkpoint-2";
  for (const char* name :
       {"position.json", "current.safetensors", "anchor.safetensors", "MANIFEST.json"}) {
    const std::string whole = *ReadFile(newest / name);
    for (std::size_t at = 0; at < whole.size(); at += 3) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
      std::ofstream(newest / name, std::ios::binary) << bytes;
      // A flip in the white space of the manifest changes nothing and may pass.
      ExpectWhole(*directory, 1, std::string(name) == "MANIFEST.json" ? 2 : 1);
      // Put everything back, under its name.
      const fs::path bad = newest.string() + ".bad";
      if (fs::exists(bad)) fs::rename(bad, newest);
      std::ofstream(newest / name, std::ios::binary) << whole;
    }
  }
  ExpectWhole(*directory, 2, 2);
}

}  // namespace
}  // namespace pawl
