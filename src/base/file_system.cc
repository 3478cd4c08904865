#include "base/file_system.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/replace_file.h"

namespace pawl {
namespace {

int Checked(int result) { return result < 0 ? -errno : result; }

class RealFiles : public FileSystem {
 public:
  int Open(const std::filesystem::path& path, int flags) override {
    return Checked(open(path.c_str(), flags | O_CLOEXEC, 0644));
  }
  long long Write(int file, std::string_view bytes) override {
    const ssize_t put = write(file, bytes.data(), bytes.size());
    return put < 0 ? -errno : put;
  }
  int Truncate(int file, long long size) override { return Checked(ftruncate(file, size)); }
  int Sync(int file) override { return Checked(fsync(file)); }
  int Close(int file) override { return Checked(close(file)); }
  int Rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    return Checked(rename(from.c_str(), to.c_str()));
  }
  int Remove(const std::filesystem::path& file) override { return Checked(unlink(file.c_str())); }
};

FileSystem* current = nullptr;  // set by tests only

// failure: -errno.
tl::unexpected<Error> Failed(const std::filesystem::path& path, const char* what, int failure) {
  const int cause = -failure;
  const char* next = "";
  if (cause == ENOSPC || cause == EDQUOT) next = "; free some disk space and try again";
  if (cause == EFBIG) next = "; raise the limit on file sizes and try again";
  return Fail(ErrorCode::kResources, fmt::format("{}: cannot be {}: {}{}", path.string(), what,
                                                 std::strerror(cause), next));
}

// 0 or -errno.
int WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const long long put = Files().Write(file, bytes);
    if (put == -EINTR) continue;
    if (put < 0) return static_cast<int>(put);
    if (put == 0) return -ENOSPC;  // trying again could go on for ever
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return 0;
}

std::filesystem::path ParentOf(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.parent_path();
  return parent.empty() ? std::filesystem::path(".") : parent;
}

}  // namespace

FileSystem& RealFileSystem() {
  static RealFiles files;
  return files;
}

FileSystem& Files() { return current != nullptr ? *current : RealFileSystem(); }

FileSystemOverride::FileSystemOverride(FileSystem& files)
    : before_(std::exchange(current, &files)) {}
FileSystemOverride::~FileSystemOverride() { current = before_; }

Result<OutputFile> OutputFile::Create(const std::filesystem::path& path) {
  const int file = Files().Open(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (file < 0) return Failed(path, "created", file);
  return OutputFile(path, file);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)) {}

OutputFile::~OutputFile() {
  if (file_ >= 0) Files().Close(file_);
}

Status OutputFile::Write(std::string_view bytes) {
  if (const int failure = WriteAll(file_, bytes); failure < 0) {
    return Failed(path_, "written", failure);
  }
  return {};
}

Status OutputFile::Finish() {
  const int file = std::exchange(file_, -1);
  const int synced = Files().Sync(file);
  const int closed = Files().Close(file);
  // EINVAL: a device or pipe, which has nothing to sync.
  if (synced < 0 && synced != -EINVAL) return Failed(path_, "synced", synced);
  if (closed < 0) return Failed(path_, "closed", closed);
  return {};
}

Status SyncPath(const std::filesystem::path& path) {
  const int file = Files().Open(path, O_RDONLY);
  if (file < 0) return Failed(path, "opened to sync", file);
  const int synced = Files().Sync(file);
  Files().Close(file);  // opened for reading: nothing is lost
  if (synced < 0) return Failed(path, "synced", synced);
  return {};
}

Status CommitFile(const std::filesystem::path& temporary, const std::filesystem::path& path) {
  if (const int failure = Files().Rename(temporary, path); failure < 0) {
    Files().Remove(temporary);
    return Failed(path, "renamed into place", failure);
  }
  return SyncPath(ParentOf(path));
}

Status WriteFileAtomic(const std::filesystem::path& path, std::string_view bytes) {
  return ReplaceFile(path, [&](const std::filesystem::path& target) -> Status {
    PAWL_ASSIGN(OutputFile file, OutputFile::Create(target));
    PAWL_TRY(file.Write(bytes));
    return file.Finish();
  });
}

Status MakeDirectories(const std::filesystem::path& path) {
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) return Failed(path, "made", -failed.value());
  return {};
}

Status CommitRename(const std::filesystem::path& from, const std::filesystem::path& to) {
  PAWL_TRY(SyncPath(from));
  if (const int failure = Files().Rename(from, to); failure < 0) {
    return Failed(to, "renamed into place", failure);
  }
  return SyncPath(ParentOf(to));
}

Result<AppendOnlyFile> AppendOnlyFile::Open(const std::filesystem::path& path,
                                            long long keep_bytes) {
  AppendOnlyFile file;
  file.path_ = path;
  file.file_ = Files().Open(path, O_WRONLY | O_CREAT | O_APPEND);
  if (file.file_ < 0) return Failed(path, "opened", file.file_);
  struct stat info {};
  if (fstat(file.file_, &info) != 0) return Failed(path, "examined", -errno);
  file.size_ = info.st_size;
  if (keep_bytes >= 0 && file.size_ > keep_bytes) {
    const int failure = Files().Truncate(file.file_, keep_bytes);
    if (failure < 0) return Failed(path, "cut", failure);
    file.size_ = keep_bytes;
  }
  return file;
}

AppendOnlyFile::AppendOnlyFile(AppendOnlyFile&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      size_(other.size_),
      broken_(other.broken_) {}

AppendOnlyFile& AppendOnlyFile::operator=(AppendOnlyFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  std::swap(size_, other.size_);
  std::swap(broken_, other.broken_);
  return *this;
}

AppendOnlyFile::~AppendOnlyFile() {
  if (file_ >= 0) Files().Close(file_);
}

Status AppendOnlyFile::Append(std::string_view line) {
  if (broken_) {
    return Fail(ErrorCode::kResources,
                path_.string() +
                    ": an earlier write failed and could not be undone; stop, free "
                    "the disk and resume");
  }
  const std::string whole = std::string(line) + "\n";
  if (const int failure = WriteAll(file_, whole); failure < 0) {
    broken_ = Files().Truncate(file_, size_) < 0;
    return Failed(path_, "written", failure);
  }
  size_ += static_cast<long long>(whole.size());
  return {};
}

Status AppendOnlyFile::Sync() {
  if (const int failure = Files().Sync(file_); failure < 0) {
    broken_ = true;
    return Failed(path_, "synced", failure);
  }
  return {};
}

Result<DirectoryLock> DirectoryLock::Acquire(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "lock";
  DirectoryLock lock;
  lock.file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock.file_ < 0) return Failed(path, "opened", -errno);
  int locked;
  do {
    locked = flock(lock.file_, LOCK_EX | LOCK_NB);
  } while (locked != 0 && errno == EINTR);
  if (locked != 0 && errno != EWOULDBLOCK) return Failed(path, "locked", -errno);
  if (locked != 0) {
    return Fail(ErrorCode::kBusy,
                fmt::format("{}: is in use by another run; wait for it or choose another --run-dir",
                            folder.string()));
  }
  return lock;
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept
    : file_(std::exchange(other.file_, -1)) {}

DirectoryLock& DirectoryLock::operator=(DirectoryLock&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

DirectoryLock::~DirectoryLock() {
  if (file_ >= 0) close(file_);
}

}  // namespace pawl
