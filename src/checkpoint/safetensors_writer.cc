#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/json.h"
#include "checkpoint/safetensors.h"

namespace pawl {
namespace {

Status WriteAll(int file, const std::filesystem::path& path, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(file, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) {
      return Fail(ErrorCode::kResources,
                  fmt::format("{}: cannot be written: {}", path.string(), std::strerror(errno)));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

std::size_t BytesOf(const TensorSpec& tensor) {
  std::size_t bytes = DTypeBytes(tensor.dtype);
  for (const std::size_t dim : tensor.shape) bytes *= dim;
  return bytes;
}

}  // namespace

Result<SafetensorsWriter> SafetensorsWriter::Create(const std::filesystem::path& path,
                                                    std::vector<TensorSpec> tensors) {
  SafetensorsWriter writer;
  writer.path_ = path;
  std::sort(tensors.begin(), tensors.end(), [](const TensorSpec& a, const TensorSpec& b) {
    return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
  });
  Json header;
  header["__metadata__"] = {{"format", "pt"}};
  for (const TensorSpec& tensor : tensors) {
    const std::size_t end = writer.expected_ + BytesOf(tensor);
    header[tensor.name] = {{"dtype", DTypeName(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {writer.expected_, end}}};
    writer.expected_ = end;
  }
  writer.tensors_ = std::move(tensors);
  std::string text = WriteJson(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  writer.file_ = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (writer.file_ < 0) {
    return Fail(ErrorCode::kResources,
                fmt::format("{}: cannot be created: {}", path.string(), std::strerror(errno)));
  }
  const std::uint64_t size = text.size();
  PAWL_TRY(WriteAll(writer.file_, path, std::as_bytes(std::span<const std::uint64_t>(&size, 1))));
  PAWL_TRY(WriteAll(writer.file_, path, std::as_bytes(std::span<const char>(text))));
  return writer;
}

SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      tensors_(std::move(other.tensors_)),
      expected_(other.expected_),
      written_(other.written_) {}

SafetensorsWriter::~SafetensorsWriter() {
  if (file_ >= 0) close(file_);
}

Status SafetensorsWriter::Append(std::span<const std::byte> bytes) {
  PAWL_TRY(WriteAll(file_, path_, bytes));
  written_ += bytes.size();
  return {};
}

Status SafetensorsWriter::Finish() {
  if (written_ != expected_) {
    return Fail(ErrorCode::kInternal, fmt::format("{}: {} tensor bytes written, expected {}",
                                                  path_.string(), written_, expected_));
  }
  const int file = std::exchange(file_, -1);
  const bool synced = fsync(file) == 0;
  const bool closed = close(file) == 0;
  if (!synced || !closed) {
    return Fail(ErrorCode::kResources,
                fmt::format("{}: cannot be synced: {}", path_.string(), std::strerror(errno)));
  }
  return {};
}

Status WriteSafetensors(const std::filesystem::path& path, std::vector<FloatTensor> tensors) {
  std::filesystem::path temporary = path;
  temporary += ".tmp";
  std::vector<TensorSpec> specs;
  for (const FloatTensor& tensor : tensors)
    specs.push_back({tensor.name, DType::kF32, tensor.shape});
  const auto write = [&]() -> Status {
    PAWL_ASSIGN(SafetensorsWriter writer, SafetensorsWriter::Create(temporary, std::move(specs)));
    for (const TensorSpec& spec : writer.order()) {
      const auto tensor = std::find_if(tensors.begin(), tensors.end(),
                                       [&](const FloatTensor& t) { return t.name == spec.name; });
      PAWL_TRY(writer.Append(std::as_bytes(std::span<const float>(tensor->values))));
    }
    return writer.Finish();
  };
  Status status = write();
  if (status && rename(temporary.c_str(), path.c_str()) != 0) {
    status = Fail(ErrorCode::kResources, fmt::format("{}: cannot be renamed into place: {}",
                                                     path.string(), std::strerror(errno)));
  }
  if (!status) unlink(temporary.c_str());
  return status;
}

}  // namespace pawl
