#include "pipeline/run_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/file.h"
#include "base/sha256.h"

namespace pawl {
namespace fs = std::filesystem;

namespace {

constexpr int kKeep = 2;
constexpr const char* kPrefix = "checkpoint-";

// Numbers of the committed checkpoints, ascending.
std::vector<int> Numbers(const fs::path& state) {
  std::vector<int> numbers;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(state, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(kPrefix, 0) != 0) continue;
    const std::string digits = name.substr(std::string(kPrefix).size());
    int number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc() && end == digits.data() + digits.size()) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

fs::path PathOf(const fs::path& state, int number) {
  return state / (kPrefix + std::to_string(number));
}

Status WriteManifest(const fs::path& folder) {
  Json files = Json::object();
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    PAWL_ASSIGN(const std::string hash, Sha256OfFile(path));
    files[path.filename().string()] = {{"bytes", fs::file_size(path)}, {"sha256", hash}};
  }
  return WriteFileAtomic(folder / "MANIFEST.json",
                         WriteJsonPretty({{"format_version", 1}, {"files", files}}));
}

Status VerifyManifest(const fs::path& folder) {
  PAWL_ASSIGN(const std::string text, ReadFile(folder / "MANIFEST.json"));
  PAWL_ASSIGN(const Json manifest, ParseJson(text, (folder / "MANIFEST.json").string()));
  if (!manifest.is_object() || !manifest.contains("files") || !manifest.at("files").is_object()) {
    return BadFile((folder / "MANIFEST.json").string() + ": has no \"files\"");
  }
  for (const auto& [name, entry] : manifest.at("files").items()) {
    PAWL_ASSIGN(const std::string hash, Sha256OfFile(folder / name));
    if (entry.value("sha256", "") != hash) {
      return BadFile(fmt::format("{}: does not have the hash that MANIFEST.json says",
                                 (folder / name).string()));
    }
  }
  return {};
}

Result<Checkpoint> ReadCheckpoint(const fs::path& folder) {
  PAWL_TRY(VerifyManifest(folder));
  Checkpoint checkpoint;
  PAWL_ASSIGN(const std::string text, ReadFile(folder / "position.json"));
  PAWL_ASSIGN(checkpoint.position, ParseJson(text, (folder / "position.json").string()));
  PAWL_ASSIGN(checkpoint.current, LoadSnapshot(folder / "current.safetensors"));
  PAWL_ASSIGN(checkpoint.anchor, LoadSnapshot(folder / "anchor.safetensors"));
  std::error_code ignored;
  if (fs::exists(folder / "best.safetensors", ignored)) {
    PAWL_ASSIGN(checkpoint.best, LoadSnapshot(folder / "best.safetensors"));
  }
  return checkpoint;
}

bool IsEmptyFolder(const fs::path& path) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path, ignored)) {
    if (entry.path().filename() != "lock") return false;
  }
  return true;
}

}  // namespace

Result<RunDirectory> RunDirectory::Open(const fs::path& folder, const std::string& stem,
                                        bool resume) {
  fs::path path = folder;
  std::error_code ignored;
  if (path.empty()) {
    path = fs::path("runs") / stem;
    for (int n = 2; !resume && fs::exists(path, ignored) && !IsEmptyFolder(path); ++n) {
      path = fs::path("runs") / fmt::format("{}-{}", stem, n);
    }
  }
  if (fs::exists(path, ignored) && !fs::is_directory(path, ignored)) {
    return Usage(fmt::format("{}: is a file, expected a folder for the run", path.string()));
  }
  PAWL_TRY(MakeDirectories(path / "state"));
  PAWL_ASSIGN(DirectoryLock lock, DirectoryLock::Acquire(path / "state"));
  bool fresh = true;
  for (const auto& entry : fs::directory_iterator(path, ignored)) {
    fresh = fresh && entry.path().filename() == "state";
  }
  fresh = fresh && IsEmptyFolder(path / "state");
  if (!fresh && !resume) {
    return Fail(ErrorCode::kNoCheckpoint,
                fmt::format("{}: is not empty; use --resume to go on with it, or another --run-dir",
                            path.string()));
  }
  return RunDirectory(std::move(path), std::move(lock));
}

bool RunDirectory::HasCheckpoints() const { return !Numbers(path_ / "state").empty(); }

Status RunDirectory::SaveCheckpoint(const Checkpoint& checkpoint) {
  const fs::path state = path_ / "state";
  const std::vector<int> numbers = Numbers(state);
  const int next = numbers.empty() ? 1 : numbers.back() + 1;
  const fs::path temporary = state / "saving.tmp";
  std::error_code ignored;
  fs::remove_all(temporary, ignored);
  PAWL_TRY(MakeDirectories(temporary));
  const auto write = [&]() -> Status {
    PAWL_TRY(WriteFileAtomic(temporary / "position.json", WriteJsonPretty(checkpoint.position)));
    PAWL_TRY(SaveSnapshot(checkpoint.current, temporary / "current.safetensors"));
    PAWL_TRY(SaveSnapshot(checkpoint.anchor, temporary / "anchor.safetensors"));
    if (checkpoint.best) PAWL_TRY(SaveSnapshot(*checkpoint.best, temporary / "best.safetensors"));
    PAWL_TRY(WriteManifest(temporary));
    return CommitRename(temporary, PathOf(state, next));
  };
  const Status written = write();
  if (!written) {
    fs::remove_all(temporary, ignored);
    return written;
  }
  for (const int number : numbers) {
    if (number <= next - kKeep) fs::remove_all(PathOf(state, number), ignored);
  }
  return {};
}

Result<std::optional<Checkpoint>> RunDirectory::LoadCheckpoint() {
  const fs::path state = path_ / "state";
  const std::vector<int> numbers = Numbers(state);
  std::string last;
  for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
    auto checkpoint = ReadCheckpoint(PathOf(state, *number));
    if (checkpoint) return std::optional<Checkpoint>(std::move(*checkpoint));
    last = checkpoint.error().message;
    std::error_code ignored;
    fs::path bad = PathOf(state, *number);
    bad += ".bad";
    fs::rename(PathOf(state, *number), bad, ignored);
  }
  if (!numbers.empty()) {
    return Fail(ErrorCode::kNoCheckpoint,
                fmt::format("{}: no valid checkpoint: {}", state.string(), last));
  }
  return std::optional<Checkpoint>();
}

}  // namespace pawl
