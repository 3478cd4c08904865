#include "base/replace_file.h"

#include "base/file_system.h"

namespace pawl {

namespace fs = std::filesystem;

Status ReplaceFile(const fs::path& path,
                   const std::function<Status(const fs::path& target)>& write) {
  std::error_code unknown;  // then the write says what is wrong
  const fs::file_status status = fs::status(path, unknown);
  if (fs::is_character_file(status) || fs::is_fifo(status) || fs::is_socket(status)) {
    return write(path);
  }
  fs::path temporary = path;
  temporary += ".tmp";
  if (Status written = write(temporary); !written) {
    Files().Remove(temporary);
    return written;
  }
  return CommitFile(temporary, path);
}

}  // namespace pawl
