// Writing files so that a reader never sees half of one: temporary name, fsync, rename, fsync of
// the folder.
//
// All system calls that change files go through FileSystem, so that tests can fail any single one.
// Failures are kResources.  For a file size limit to arrive as an error and not as a signal, the
// program must ignore SIGXFSZ.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pawl {

// The calls of the operating system; each gives 0 or more, or -errno.  The real one is stateless
// and safe from any thread.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // flags as for open(2), O_CLOEXEC added; new files get mode 0644.
  virtual int Open(const std::filesystem::path& path, int flags) = 0;
  // At the file's position; may write less than asked.
  virtual long long Write(int file, std::string_view bytes) = 0;
  virtual int Truncate(int file, long long size) = 0;
  virtual int Sync(int file) = 0;
  virtual int Close(int file) = 0;
  virtual int Rename(const std::filesystem::path& from, const std::filesystem::path& to) = 0;
  virtual int Remove(const std::filesystem::path& file) = 0;
};
FileSystem& RealFileSystem();

// What everything below uses: the real one, or in tests the one of the innermost override alive.
FileSystem& Files();

// Tests only, from a single thread.
class FileSystemOverride {
 public:
  explicit FileSystemOverride(FileSystem& files);
  ~FileSystemOverride();
  FileSystemOverride(const FileSystemOverride&) = delete;
  FileSystemOverride& operator=(const FileSystemOverride&) = delete;

 private:
  FileSystem* before_;
};

// A file being written from its start.  Destroyed before Finish it only closes; what is on disk
// then is the caller's to remove.
class OutputFile {
 public:
  static Result<OutputFile> Create(const std::filesystem::path& path);  // empties an old one
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  Status Write(std::string_view bytes);
  Status Finish();  // fsync and close

 private:
  OutputFile(std::filesystem::path path, int file) : path_(std::move(path)), file_(file) {}
  std::filesystem::path path_;
  int file_ = -1;
};

// Replaces `path` by `bytes` or leaves it as it was; a failure removes the temporary file and is
// kResources.  Only where the last fsync, that of the folder, fails may the new content be there.
Status WriteFileAtomic(const std::filesystem::path& path, std::string_view bytes);

// The second half of the same for a file that was written under a temporary name and synced:
// renames it into place and syncs the folder, or removes it.
Status CommitFile(const std::filesystem::path& temporary, const std::filesystem::path& path);

// Makes a folder and its parents; kResources when that fails.
Status MakeDirectories(const std::filesystem::path& path);

// fsync of a file or folder.
Status SyncPath(const std::filesystem::path& path);

// Renames a folder that is complete into place and syncs its parent: the commit point of a
// checkpoint.  `to` must not exist.
Status CommitRename(const std::filesystem::path& from, const std::filesystem::path& to);

// A file that grows line by line; each line is one write where the system takes it whole.  A line
// that fails is taken back, so that the file always ends at a line's end.
class AppendOnlyFile {
 public:
  // Opens (or makes) the file and cuts it to `keep_bytes` when it is longer (-1: keeps all).
  static Result<AppendOnlyFile> Open(const std::filesystem::path& path, long long keep_bytes = -1);
  AppendOnlyFile(AppendOnlyFile&& other) noexcept;
  AppendOnlyFile& operator=(AppendOnlyFile&& other) noexcept;
  ~AppendOnlyFile();

  Status Append(std::string_view line);  // adds the '\n'
  // After a failure nothing more is appended: the kernel may have dropped what it could not write
  // and forgotten the error, so a later success would prove nothing.
  Status Sync();
  long long size() const { return size_; }

 private:
  AppendOnlyFile() = default;
  std::filesystem::path path_;
  int file_ = -1;
  long long size_ = 0;
  bool broken_ = false;  // what the file holds is not known any more
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
