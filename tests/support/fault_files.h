// A file system that fails its n-th call (counted from 1), once or from then on; and a folder of
// its own for a test.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <string>

#include "base/file_system.h"

namespace pawl {

class FaultFiles : public FileSystem {
 public:
  enum class Kind { kError, kShortWrite };  // kShortWrite: half is written, the next write fails

  // error: errno of the failing call; fail_at 0 only counts.
  FaultFiles(int fail_at, int error, bool sticky, Kind kind = Kind::kError)
      : fail_at_(fail_at), error_(error), sticky_(sticky), kind_(kind) {}
  int calls() const { return calls_; }
  bool failed() const { return fail_at_ > 0 && calls_ >= fail_at_; }

  int Open(const std::filesystem::path& path, int flags) override {
    return Fails() ? -error_ : real_.Open(path, flags);
  }
  long long Write(int file, std::string_view bytes) override {
    if (!Fails()) return real_.Write(file, bytes);
    if (kind_ == Kind::kShortWrite && bytes.size() > 1 && !cut_) {
      cut_ = true;
      fail_at_ = calls_ + 1;  // the rest of it fails
      return real_.Write(file, bytes.substr(0, bytes.size() / 2));
    }
    return -error_;
  }
  int Truncate(int file, long long size) override {
    return Fails() ? -error_ : real_.Truncate(file, size);
  }
  int Sync(int file) override { return Fails() ? -error_ : real_.Sync(file); }
  // Like Linux, which frees the descriptor even where close reports an error.
  int Close(int file) override {
    const bool fails = Fails();
    const int closed = real_.Close(file);
    return fails ? -error_ : closed;
  }
  int Rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    return Fails() ? -error_ : real_.Rename(from, to);
  }
  int Remove(const std::filesystem::path& file) override {
    return Fails() ? -error_ : real_.Remove(file);
  }

 private:
  bool Fails() {
    ++calls_;
    return fail_at_ > 0 && (sticky_ ? calls_ >= fail_at_ : calls_ == fail_at_);
  }
  FileSystem& real_ = RealFileSystem();
  int fail_at_, error_;
  bool sticky_;
  Kind kind_;
  int calls_ = 0;
  bool cut_ = false;
};

// Removed with everything in it.  In memory where that is possible: thousands of fsyncs take
// seconds on a disk.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    static std::atomic<int> counter{0};
    const std::filesystem::path memory = "/dev/shm";
    path_ = (access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path()) /
            ("pawl-test-" + std::to_string(getpid()) + "-" + std::to_string(counter++));
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace pawl
