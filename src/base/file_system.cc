#include "base/file_system.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace pawl {
namespace {

tl::unexpected<Error> Failed(const std::filesystem::path& path, const char* what) {
  return Fail(ErrorCode::kResources,
              fmt::format("{}: cannot be {}: {}", path.string(), what, std::strerror(errno)));
}

Status WriteAll(int file, const std::filesystem::path& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(file, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return Failed(path, "written");
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

std::filesystem::path ParentOf(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.parent_path();
  return parent.empty() ? std::filesystem::path(".") : parent;
}

}  // namespace

Status SyncPath(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return Failed(path, "opened to sync");
  const bool synced = fsync(file) == 0;
  const int cause = errno;
  close(file);
  errno = cause;
  if (!synced) return Failed(path, "synced");
  return {};
}

Status WriteFileAtomic(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return Failed(temporary, "created");
  Status status = WriteAll(file, temporary, bytes);
  if (status && fsync(file) != 0) status = Failed(temporary, "synced");
  if (close(file) != 0 && status) status = Failed(temporary, "closed");
  if (status && rename(temporary.c_str(), path.c_str()) != 0)
    status = Failed(path, "renamed into place");
  if (!status) {
    unlink(temporary.c_str());
    return status;
  }
  return SyncPath(ParentOf(path));
}

Status MakeDirectories(const std::filesystem::path& path) {
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) {
    return Fail(ErrorCode::kResources,
                fmt::format("{}: cannot be made: {}", path.string(), failed.message()));
  }
  return {};
}

Status CommitRename(const std::filesystem::path& from, const std::filesystem::path& to) {
  PAWL_TRY(SyncPath(from));
  if (rename(from.c_str(), to.c_str()) != 0) return Failed(to, "renamed into place");
  return SyncPath(ParentOf(to));
}

Result<AppendOnlyFile> AppendOnlyFile::Open(const std::filesystem::path& path,
                                            long long keep_bytes) {
  AppendOnlyFile file;
  file.path_ = path;
  file.file_ = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (file.file_ < 0) return Failed(path, "opened");
  struct stat info {};
  if (fstat(file.file_, &info) != 0) return Failed(path, "examined");
  file.size_ = info.st_size;
  if (keep_bytes >= 0 && file.size_ > keep_bytes) {
    if (ftruncate(file.file_, keep_bytes) != 0) return Failed(path, "cut");
    file.size_ = keep_bytes;
  }
  if (lseek(file.file_, file.size_, SEEK_SET) < 0) return Failed(path, "positioned");
  return file;
}

AppendOnlyFile::AppendOnlyFile(AppendOnlyFile&& other) noexcept
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)), size_(other.size_) {}

AppendOnlyFile& AppendOnlyFile::operator=(AppendOnlyFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  std::swap(size_, other.size_);
  return *this;
}

AppendOnlyFile::~AppendOnlyFile() {
  if (file_ >= 0) close(file_);
}

Status AppendOnlyFile::Append(std::string_view line) {
  const std::string whole = std::string(line) + "\n";
  PAWL_TRY(WriteAll(file_, path_, whole));
  size_ += static_cast<long long>(whole.size());
  return {};
}

Status AppendOnlyFile::Sync() {
  if (fsync(file_) != 0) return Failed(path_, "synced");
  return {};
}

Result<DirectoryLock> DirectoryLock::Acquire(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "lock";
  DirectoryLock lock;
  lock.file_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock.file_ < 0) return Failed(path, "opened");
  if (flock(lock.file_, LOCK_EX | LOCK_NB) != 0) {
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
