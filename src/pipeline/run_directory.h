// The run directory: its layout, its lock, and the checkpoints in state/.
//
// A checkpoint is a folder state/checkpoint-<n> that holds position.json, the snapshots and a
// MANIFEST.json with the size and SHA-256 of each; it is written under a temporary name and renamed
// when everything is on disk.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"
#include "base/json.h"
#include "train/train_state.h"

namespace pawl {

// Everything that a resumed run needs.
struct Checkpoint {
  Json position;                  // stage, attempt, step, counters, results so far, sizes of logs
  TrainSnapshot current, anchor;  // the policy as it is; the last accepted one
  // Of the attempt at hand: the state with the best validation; where an unhealthy step goes back
  // to, where that is not `current`; what beta's KL is measured against.
  std::optional<TrainSnapshot> best, healthy, reference;
};

class RunDirectory {
 public:
  // Without `folder`: runs/<stem>, then -2, -3 (with `resume`: runs/<stem>).  A folder that is not
  // empty needs `resume` (kNoCheckpoint); one in use is kBusy.  A folder that is refused is left as
  // it was.
  static Result<RunDirectory> Open(const std::filesystem::path& folder, const std::string& stem,
                                   bool resume);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path Stage(const std::string& name) const { return path_ / "stages" / name; }
  bool HasCheckpoints() const;

  Status SaveCheckpoint(const Checkpoint& checkpoint);
  // The newest valid one; damaged ones are renamed to .bad and passed over, their errors go to
  // `damaged`.  None where nothing was committed; kNoCheckpoint where checkpoints exist and none is
  // valid.
  Result<std::optional<Checkpoint>> LoadCheckpoint(std::vector<std::string>& damaged);

 private:
  static Result<RunDirectory> OpenFolder(const std::filesystem::path& path, bool resume);
  RunDirectory(std::filesystem::path path, DirectoryLock lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}
  std::filesystem::path path_;
  DirectoryLock lock_;
};

}  // namespace pawl
