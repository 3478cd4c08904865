#include "base/file_system.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "base/file.h"
#include "support/fault_files.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

struct Fault {
  int error;
  bool sticky;
  FaultFiles::Kind kind;
};
const Fault kFaults[] = {
    {ENOSPC, false, FaultFiles::Kind::kError},     {ENOSPC, true, FaultFiles::Kind::kError},
    {EIO, false, FaultFiles::Kind::kError},        {EIO, true, FaultFiles::Kind::kError},
    {EDQUOT, true, FaultFiles::Kind::kShortWrite}, {EFBIG, false, FaultFiles::Kind::kShortWrite}};

std::size_t EntriesOf(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(FileSystem, AnAtomicWriteThatFailsAtAnyCallLeavesTheOldContentOrTheNew) {
  const std::string before(3000, 'a'), after(5000, 'b');
  for (const Fault& fault : kFaults) {
    int failures = 0;
    for (int n = 1;; ++n) {
      TemporaryFolder folder;
      ASSERT_TRUE(WriteFileAtomic(folder / "f", before));
      FaultFiles files(n, fault.error, fault.sticky, fault.kind);
      Status status;
      {
        const FileSystemOverride use(files);
        status = WriteFileAtomic(folder / "f", after);
      }
      const std::string content = *ReadFile(folder / "f");
      if (!files.failed()) {
        EXPECT_TRUE(status);
        EXPECT_EQ(content, after);
        break;
      }
      if (!status) {
        ++failures;
        EXPECT_EQ(status.error().code, ErrorCode::kResources);
        EXPECT_NE(status.error().message.find(std::strerror(fault.error)), std::string::npos);
      }
      EXPECT_TRUE(content == before || content == after) << "call " << n;
      if (status) {
        EXPECT_EQ(content, after);
      }
      // The temporary file goes, unless removing fails too.
      if (!fault.sticky) {
        EXPECT_EQ(EntriesOf(folder.path()), 1u) << "call " << n;
      }
      ASSERT_LT(n, 50);
    }
    // Open, write, sync, close, rename, open and sync of the folder; only its close is no loss.
    EXPECT_EQ(failures, 7);
  }
}

TEST(FileSystem, ACommitRenameThatFailsLeavesTheFolderUnderOneOfItsNamesWhole) {
  for (const Fault& fault : kFaults) {
    for (int n = 1;; ++n) {
      TemporaryFolder folder;
      ASSERT_TRUE(MakeDirectories(folder / "new.tmp"));
      ASSERT_TRUE(WriteFileAtomic(folder / "new.tmp" / "f", "content"));
      FaultFiles files(n, fault.error, fault.sticky, fault.kind);
      Status status;
      {
        const FileSystemOverride use(files);
        status = CommitRename(folder / "new.tmp", folder / "new");
      }
      const bool renamed = fs::exists(folder / "new");
      EXPECT_NE(renamed, fs::exists(folder / "new.tmp"));
      EXPECT_EQ(*ReadFile(folder / (renamed ? "new" : "new.tmp") / "f"), "content");
      if (!files.failed()) {
        EXPECT_TRUE(status && renamed);
        break;
      }
      ASSERT_LT(n, 50);
    }
  }
}

TEST(FileSystem, AnAppendThatFailsIsTakenBackSoThatEveryLineIsWhole) {
  for (const Fault& fault : kFaults) {
    for (int n = 1; n <= 12; ++n) {
      TemporaryFolder folder;
      FaultFiles files(n, fault.error, fault.sticky, fault.kind);
      std::string expected;
      bool unsure = false;  // the failing call was followed by one that could not undo it
      {
        const FileSystemOverride use(files);
        auto file = AppendOnlyFile::Open(folder / "log");
        if (!file) continue;
        for (int i = 0; i < 6; ++i) {
          const std::string line = "line " + std::to_string(i);
          if (file->Append(line)) expected += line + "\n";
          if (i % 2 == 1) static_cast<void>(file->Sync());
        }
        unsure = fault.sticky;
      }
      const std::string content = *ReadFile(folder / "log");
      EXPECT_TRUE(content.starts_with(expected)) << content;
      if (!unsure) {
        EXPECT_EQ(content, expected) << "call " << n;
      }
    }
  }
}

TEST(FileSystem, AfterAFailedSyncNothingMoreIsAppended) {
  TemporaryFolder folder;
  FaultFiles files(3, EIO, false);  // open, write, sync
  const FileSystemOverride use(files);
  AppendOnlyFile file = *AppendOnlyFile::Open(folder / "log");
  ASSERT_TRUE(file.Append("one"));
  const Status synced = file.Sync();
  ASSERT_FALSE(synced);
  EXPECT_NE(synced.error().message.find("cannot be synced"), std::string::npos);
  const Status later = file.Append("two");
  ASSERT_FALSE(later);
  EXPECT_EQ(later.error().code, ErrorCode::kResources);
  EXPECT_NE(later.error().message.find("an earlier write failed"), std::string::npos);
  EXPECT_EQ(*ReadFile(folder / "log"), "one\n");
}

TEST(FileSystem, AnAppendedFileIsCutToTheLengthThatWasCommitted) {
  TemporaryFolder folder;
  {
    AppendOnlyFile file = *AppendOnlyFile::Open(folder / "log");
    ASSERT_TRUE(file.Append("one"));
    ASSERT_TRUE(file.Append("two"));
    EXPECT_EQ(file.size(), 8);
  }
  {
    AppendOnlyFile file = *AppendOnlyFile::Open(folder / "log", 4);
    EXPECT_EQ(file.size(), 4);
    ASSERT_TRUE(file.Append("three"));
  }
  EXPECT_EQ(*ReadFile(folder / "log"), "one\nthree\n");
  EXPECT_EQ(AppendOnlyFile::Open(folder / "log", 400)->size(), 10);
}

TEST(FileSystem, AWriteThatWritesNothingIsAFullDiskAndNotALoop) {
  class Nothing : public FaultFiles {
   public:
    Nothing() : FaultFiles(0, 0, false) {}
    long long Write(int, std::string_view) override { return 0; }
  } files;
  TemporaryFolder folder;
  const FileSystemOverride use(files);
  EXPECT_EQ(WriteFileAtomic(folder / "f", "x").error().code, ErrorCode::kResources);
}

TEST(FileSystem, InterruptedAndShortWritesStillWriteEverything) {
  class Slow : public FaultFiles {
   public:
    Slow() : FaultFiles(0, 0, false) {}
    long long Write(int file, std::string_view bytes) override {
      if (++count_ % 3 == 0) return -EINTR;
      return RealFileSystem().Write(file, bytes.substr(0, 7));
    }

   private:
    int count_ = 0;
  } files;
  TemporaryFolder folder;
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += static_cast<char>(i % 251);
  const FileSystemOverride use(files);
  ASSERT_TRUE(WriteFileAtomic(folder / "f", bytes));
  EXPECT_EQ(*ReadFile(folder / "f"), bytes);
}

TEST(FileSystem, FoldersThatCannotBeMadeOrOpenedSaySo) {
  TemporaryFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "file", "x"));
  const Status made = MakeDirectories(folder / "file" / "in");
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("cannot be made"), std::string::npos);
  EXPECT_NE(SyncPath(folder / "none").error().message.find("opened to sync"), std::string::npos);
  EXPECT_FALSE(AppendOnlyFile::Open(folder / "none" / "log"));
  EXPECT_FALSE(DirectoryLock::Acquire(folder / "none"));
}

TEST(FileSystem, PipesAndDevicesAreWrittenThemselvesAndNotReplaced) {
  const std::filesystem::path pipe = std::filesystem::path(testing::TempDir()) / "pawl_pipe";
  std::filesystem::remove(pipe);
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int end = open(pipe.c_str(), O_RDWR | O_CLOEXEC);  // both ends: nothing blocks
  ASSERT_GE(end, 0);
  EXPECT_TRUE(WriteFileAtomic(pipe, "text"));
  char got[8] = {};
  EXPECT_EQ(read(end, got, sizeof got), 4);
  EXPECT_STREQ(got, "text");
  close(end);
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  std::filesystem::remove(pipe);
  if (!std::filesystem::is_character_file("/dev/full")) return;
  const Status full = WriteFileAtomic("/dev/full", "text");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::kResources);
  EXPECT_NE(full.error().message.find("/dev/full: cannot be written: No space"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

TEST(FileSystem, OnlyOneHolderOfALockAndTheNextAsSoonAsItEnds) {
  TemporaryFolder folder;
  {
    const auto held = DirectoryLock::Acquire(folder.path());
    ASSERT_TRUE(held);
    const auto second = DirectoryLock::Acquire(folder.path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kBusy);
    EXPECT_NE(second.error().message.find(folder.path().string()), std::string::npos);
  }
  EXPECT_TRUE(DirectoryLock::Acquire(folder.path()));
  // A holder that is killed holds nothing, although its lock file is still there.
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = DirectoryLock::Acquire(folder.path());
    const char byte = lock ? 'y' : 'n';
    if (write(ready[1], &byte, 1) == 1) pause();
    _exit(1);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  EXPECT_EQ(DirectoryLock::Acquire(folder.path()).error().code, ErrorCode::kBusy);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(DirectoryLock::Acquire(folder.path()));
  close(ready[0]);
  close(ready[1]);
}

}  // namespace
}  // namespace pawl
