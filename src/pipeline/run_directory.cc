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
constexpr const char* kManifest = "MANIFEST.json";
constexpr const char* kPrefix = "checkpoint-";

constexpr std::pair<const char*, std::optional<TrainSnapshot> Checkpoint::*> kOptional[] = {
    {"best.safetensors", &Checkpoint::best},
    {"healthy.safetensors", &Checkpoint::healthy},
    {"reference.safetensors", &Checkpoint::reference},
};

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
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    PAWL_ASSIGN(const std::string hash, Sha256OfFile(path));
    files[path.filename().string()] = {{"bytes", fs::file_size(path, ignored)}, {"sha256", hash}};
  }
  return WriteFileAtomic(folder / kManifest,
                         WriteJsonPretty({{"format_version", 1}, {"files", files}}));
}

Status VerifyManifest(const fs::path& folder) {
  PAWL_ASSIGN(const std::string text, ReadFile(folder / kManifest));
  PAWL_ASSIGN(const Json manifest, ParseJson(text, (folder / kManifest).string()));
  if (!manifest.is_object() || !manifest.contains("files") || !manifest.at("files").is_object()) {
    return BadFile((folder / kManifest).string() + ": has no \"files\"");
  }
  const Json& files = manifest.at("files");
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name != kManifest && !files.contains(name)) {
      return BadFile(fmt::format("{}: is not listed in {}", entry.path().string(), kManifest));
    }
  }
  for (const auto& [name, entry] : files.items()) {
    PAWL_ASSIGN(const std::string hash, Sha256OfFile(folder / name));
    if (!entry.is_object() || entry.value("sha256", Json()) != hash) {
      return BadFile(fmt::format("{}: does not have the hash that {} says",
                                 (folder / name).string(), kManifest));
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
  for (const auto& [name, member] : kOptional) {
    const fs::path file = folder / name;
    std::error_code ignored;
    if (!fs::exists(file, ignored)) continue;
    PAWL_ASSIGN(checkpoint.*member, LoadSnapshot(file));
  }
  return checkpoint;
}

// Nothing there but what Open makes: a run that committed nothing yet may begin anew.
bool IsUnused(const fs::path& path) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path, ignored)) {
    if (entry.path().filename() != "state") return false;
  }
  for (const auto& entry : fs::directory_iterator(path / "state", ignored)) {
    if (entry.path().filename() != "lock") return false;
  }
  return true;
}

}  // namespace

Result<RunDirectory> RunDirectory::Open(const fs::path& folder, const std::string& stem,
                                        bool resume) {
  if (!folder.empty()) return OpenFolder(folder, resume);
  const fs::path first = fs::path("runs") / stem;
  if (resume) return OpenFolder(first, true);
  for (int n = 1;; ++n) {
    const fs::path path = n == 1 ? first : fs::path(fmt::format("{}-{}", first.string(), n));
    auto opened = OpenFolder(path, false);
    // Taken, or just being taken by another process: the next number.
    const bool taken = !opened && (opened.error().code == ErrorCode::kNoCheckpoint ||
                                   opened.error().code == ErrorCode::kBusy);
    if (!taken) return opened;
  }
}

Result<RunDirectory> RunDirectory::OpenFolder(const fs::path& path, bool resume) {
  std::error_code ignored;
  if (fs::exists(path, ignored) && !fs::is_directory(path, ignored)) {
    return Usage(fmt::format("{}: is a file, expected a folder for the run", path.string()));
  }
  const auto refuse = [&] {
    return Fail(ErrorCode::kNoCheckpoint,
                fmt::format("{}: is not empty; use --resume to go on with it, or another --run-dir",
                            path.string()));
  };
  // Without state/ it is no run's folder: refused before anything is written into it.
  if (!resume && !fs::exists(path / "state", ignored) && !IsUnused(path)) return refuse();
  PAWL_TRY(MakeDirectories(path / "state"));
  PAWL_ASSIGN(DirectoryLock lock, DirectoryLock::Acquire(path / "state"));
  if (!resume && !IsUnused(path)) return refuse();
  return RunDirectory(path, std::move(lock));
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
    for (const auto& [name, member] : kOptional) {
      const auto& snapshot = checkpoint.*member;
      if (snapshot) PAWL_TRY(SaveSnapshot(*snapshot, temporary / name));
    }
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

Result<std::optional<Checkpoint>> RunDirectory::LoadCheckpoint(std::vector<std::string>& damaged) {
  const fs::path state = path_ / "state";
  const std::vector<int> numbers = Numbers(state);
  for (auto number = numbers.rbegin(); number != numbers.rend(); ++number) {
    auto checkpoint = ReadCheckpoint(PathOf(state, *number));
    if (checkpoint) return std::optional<Checkpoint>(std::move(*checkpoint));
    damaged.push_back(checkpoint.error().message);
    std::error_code ignored;
    fs::path bad = PathOf(state, *number);
    bad += ".bad";
    fs::rename(PathOf(state, *number), bad, ignored);
  }
  if (!numbers.empty()) {
    return Fail(ErrorCode::kNoCheckpoint,
                fmt::format("{}: no valid checkpoint: {}", state.string(), damaged.front()));
  }
  return std::optional<Checkpoint>();
}

}  // namespace pawl
