// The files of a stage that grow line by line: metrics.jsonl, rollouts.jsonl, training.log.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "base/file_system.h"
#include "pipeline/position.h"

namespace pawl {

class StageFiles {
 public:
  // Cuts each file to the size that the position knows, so that a resumed run repeats no line;
  // kNoCheckpoint when one is shorter than that.
  Status Open(const std::filesystem::path& folder, const RunPosition& position);
  Status Metrics(std::string_view line) { return metrics_->Append(line); }
  Status Rollout(std::string_view line) { return rollouts_->Append(line); }
  Status Log(std::string_view line) { return log_->Append(line); }
  // Puts everything on disk and writes the sizes into the position: before a checkpoint.
  Status Sync(RunPosition& position);

 private:
  std::optional<AppendOnlyFile> metrics_, rollouts_, log_;
};

}  // namespace pawl
