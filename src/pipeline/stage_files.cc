#include "pipeline/stage_files.h"

#include <fmt/format.h>

namespace pawl {
namespace {

Result<AppendOnlyFile> OpenCut(const std::filesystem::path& path, std::int64_t bytes) {
  PAWL_ASSIGN(AppendOnlyFile file, AppendOnlyFile::Open(path, bytes));
  if (file.size() < bytes) {
    return Fail(
        ErrorCode::kNoCheckpoint,
        fmt::format("{}: has {} bytes, the checkpoint knows {}; lines were lost, so the run "
                    "cannot go on from here",
                    path.string(), file.size(), bytes));
  }
  return file;
}

}  // namespace

Status StageFiles::Open(const std::filesystem::path& folder, const RunPosition& p) {
  PAWL_TRY(MakeDirectories(folder));
  PAWL_ASSIGN(metrics_, OpenCut(folder / "metrics.jsonl", p.metrics_bytes));
  PAWL_ASSIGN(rollouts_, OpenCut(folder / "rollouts.jsonl", p.rollouts_bytes));
  PAWL_ASSIGN(log_, OpenCut(folder / "training.log", p.log_bytes));
  return {};
}

Status StageFiles::Sync(RunPosition& p) {
  PAWL_TRY(metrics_->Sync());
  PAWL_TRY(rollouts_->Sync());
  PAWL_TRY(log_->Sync());
  p.metrics_bytes = metrics_->size();
  p.rollouts_bytes = rollouts_->size();
  p.log_bytes = log_->size();
  return {};
}

}  // namespace pawl
