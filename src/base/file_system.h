// Writing files so that a reader never sees half of one: temporary name, fsync, rename, fsync of
// the folder.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pawl {

// Replaces `path` by `bytes` or leaves it as it was; a failure removes the temporary file and is
// kResources.
Status WriteFileAtomic(const std::filesystem::path& path, std::string_view bytes);

// Makes a folder and its parents; kResources when that fails.
Status MakeDirectories(const std::filesystem::path& path);

// fsync of a file or folder.
Status SyncPath(const std::filesystem::path& path);

// Renames a folder that is complete into place and syncs its parent: the commit point of a
// checkpoint.  `to` must not exist.
Status CommitRename(const std::filesystem::path& from, const std::filesystem::path& to);

// A file that grows line by line; each line is one write.
class AppendOnlyFile {
 public:
  // Opens (or makes) the file and cuts it to `keep_bytes` when it is longer (-1: keeps all).
  static Result<AppendOnlyFile> Open(const std::filesystem::path& path, long long keep_bytes = -1);
  AppendOnlyFile(AppendOnlyFile&& other) noexcept;
  AppendOnlyFile& operator=(AppendOnlyFile&& other) noexcept;
  ~AppendOnlyFile();

  Status Append(std::string_view line);  // adds the '\n'
  Status Sync();
  long long size() const { return size_; }

 private:
  AppendOnlyFile() = default;
  std::filesystem::path path_;
  int file_ = -1;
  long long size_ = 0;
};

// Holds a folder for one process, by flock on <folder>/lock; released when the process ends however
// it ends.
class DirectoryLock {
 public:
  // kBusy when another process holds it.
  static Result<DirectoryLock> Acquire(const std::filesystem::path& folder);
  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&& other) noexcept;
  ~DirectoryLock();

 private:
  DirectoryLock() = default;
  int file_ = -1;
};

}  // namespace pawl
