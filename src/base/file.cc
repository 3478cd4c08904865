#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace pawl {

Result<std::string> ReadFile(const std::filesystem::path& path, std::size_t max_bytes) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    const auto code = errno == ENOENT || errno == ENOTDIR ? ErrorCode::kUsage : ErrorCode::kBadFile;
    return Fail(code, fmt::format("{}: cannot be opened: {}", path.string(), std::strerror(errno)));
  }
  struct stat info {};
  if (fstat(file, &info) != 0 || S_ISDIR(info.st_mode)) {
    close(file);
    return BadFile(fmt::format("{}: is a folder, expected a file", path.string()));
  }
  std::string bytes;
  if (info.st_size > 0) bytes.reserve(std::min(static_cast<std::size_t>(info.st_size), max_bytes));
  char buffer[1 << 16];
  for (;;) {
    const ssize_t got = read(file, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int cause = errno;
      close(file);
      return BadFile(fmt::format("{}: cannot be read: {}", path.string(), std::strerror(cause)));
    }
    if (got == 0) break;
    if (bytes.size() + static_cast<std::size_t>(got) > max_bytes) {
      close(file);
      return BadFile(fmt::format("{}: larger than {} bytes", path.string(), max_bytes));
    }
    bytes.append(buffer, static_cast<std::size_t>(got));
  }
  close(file);
  return bytes;
}

Status ForEachLine(std::string_view text,
                   const std::function<Status(std::string_view, std::size_t)>& line) {
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view one = text.substr(0, end);
    if (!one.empty() && one.back() == '\r') one.remove_suffix(1);
    PAWL_TRY(line(one, number++));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace pawl
