#include "checkpoint/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/bf16.h"
#include "checkpoint/safetensors_header.h"

namespace pawl {
namespace {

struct DTypeEntry {
  DType dtype;
  const char* name;
  std::size_t bytes;
};
// In the reference's order of increasing alignment; the writer goes from the end.
constexpr std::array kDTypes = {
    DTypeEntry{DType::kBool, "BOOL", 1}, DTypeEntry{DType::kU8, "U8", 1},
    DTypeEntry{DType::kI8, "I8", 1},     DTypeEntry{DType::kI16, "I16", 2},
    DTypeEntry{DType::kU16, "U16", 2},   DTypeEntry{DType::kF16, "F16", 2},
    DTypeEntry{DType::kBF16, "BF16", 2}, DTypeEntry{DType::kI32, "I32", 4},
    DTypeEntry{DType::kU32, "U32", 4},   DTypeEntry{DType::kF32, "F32", 4},
    DTypeEntry{DType::kF64, "F64", 8},   DTypeEntry{DType::kI64, "I64", 8},
    DTypeEntry{DType::kU64, "U64", 8}};

constexpr std::size_t kMaxHeader = 100'000'000;

Status ReadAt(int file, const std::filesystem::path& path, std::size_t offset,
              std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        pread(file, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      return BadFile(fmt::format("{}: cannot read {} bytes at {}: {}", path.string(), out.size(),
                                 offset, got < 0 ? std::strerror(errno) : "the file ends before"));
    }
    done += static_cast<std::size_t>(got);
  }
  return {};
}

}  // namespace

const char* DTypeName(DType dtype) {
  for (const DTypeEntry& entry : kDTypes) {
    if (entry.dtype == dtype) return entry.name;
  }
  return "";
}

std::optional<DType> DTypeFromName(std::string_view name) {
  for (const DTypeEntry& entry : kDTypes) {
    if (name == entry.name) return entry.dtype;
  }
  return std::nullopt;
}

std::size_t DTypeBytes(DType dtype) {
  for (const DTypeEntry& entry : kDTypes) {
    if (entry.dtype == dtype) return entry.bytes;
  }
  return 1;
}

std::string ShapeText(std::span<const std::size_t> shape) {
  if (shape.size() > 16) return fmt::format("[{} dimensions]", shape.size());
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Result<SafetensorsFile> SafetensorsFile::Open(const std::filesystem::path& path) {
  const std::string name = path.string();
  SafetensorsFile file;
  file.path_ = path;
  file.file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not hang
  if (file.file_ < 0) {
    const bool absent = errno == ENOENT || errno == ENOTDIR;
    const auto code = absent ? ErrorCode::kUsage : ErrorCode::kBadFile;
    return Fail(code, fmt::format("{}: cannot be opened: {}", name, std::strerror(errno)));
  }
  struct stat info {};
  if (fstat(file.file_, &info) != 0 || !S_ISREG(info.st_mode)) {
    return BadFile(name + ": is not a regular file");
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size < 8) return BadFile(fmt::format("{}: {} bytes, expected at least 8", name, size));
  std::array<std::byte, 8> prefix{};
  PAWL_TRY(ReadAt(file.file_, path, 0, prefix));
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, prefix.data(), 8);
  if (header_size > kMaxHeader || header_size > size - 8) {
    return BadFile(fmt::format("{}: header of {} bytes, but the file has {} and the limit is {}",
                               name, header_size, size, kMaxHeader));
  }
  std::string header(header_size, '\0');
  PAWL_TRY(ReadAt(file.file_, path, 8, std::as_writable_bytes(std::span<char>(header))));
  PAWL_ASSIGN(SafetensorsHeader parsed,
              ParseSafetensorsHeader(header, size - 8 - header_size, name));
  file.tensors_ = std::move(parsed.tensors);
  file.by_name_ = std::move(parsed.by_name);
  for (TensorInfo& tensor : file.tensors_) tensor.offset += 8 + header_size;
  return file;
}

SafetensorsFile::SafetensorsFile(SafetensorsFile&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      tensors_(std::move(other.tensors_)),
      by_name_(std::move(other.by_name_)) {}

SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  std::swap(tensors_, other.tensors_);
  std::swap(by_name_, other.by_name_);
  return *this;
}

SafetensorsFile::~SafetensorsFile() {
  if (file_ >= 0) close(file_);
}

const TensorInfo* SafetensorsFile::Find(const std::string& name) const {
  const auto at =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [&](std::uint32_t i, const std::string& n) { return tensors_[i].name < n; });
  return at != by_name_.end() && tensors_[*at].name == name ? &tensors_[*at] : nullptr;
}

Status SafetensorsFile::ReadBytes(const TensorInfo& tensor, std::size_t begin,
                                  std::span<std::byte> out) const {
  if (begin > tensor.bytes || out.size() > tensor.bytes - begin) {
    return BadFile(fmt::format("{}: tensor '{}': read past its end", path_.string(), tensor.name));
  }
  return ReadAt(file_, path_, tensor.offset + begin, out);
}

namespace {

Result<const TensorInfo*> Need(const SafetensorsFile& file, const std::string& name) {
  const TensorInfo* tensor = file.Find(name);
  if (tensor == nullptr) {
    return BadFile(fmt::format("{}: tensor '{}' is missing", file.path().string(), name));
  }
  return tensor;
}

template <class T>
Result<std::vector<T>> Raw(const SafetensorsFile& file, const TensorInfo& tensor) {
  std::vector<T> values(tensor.elements());
  PAWL_TRY(file.ReadBytes(tensor, 0, std::as_writable_bytes(std::span<T>(values))));
  return values;
}

template <class To, class From, class Convert>
Result<std::vector<To>> Converted(const SafetensorsFile& file, const TensorInfo& tensor,
                                  Convert convert) {
  PAWL_ASSIGN(const std::vector<From> raw, Raw<From>(file, tensor));
  std::vector<To> values(raw.size());
  std::transform(raw.begin(), raw.end(), values.begin(), convert);
  return values;
}

tl::unexpected<Error> WrongDType(const SafetensorsFile& file, const TensorInfo& tensor,
                                 const char* expected) {
  return BadFile(fmt::format("{}: tensor '{}' is {}, expected {}", file.path().string(),
                             tensor.name, DTypeName(tensor.dtype), expected));
}

}  // namespace

Result<std::vector<float>> SafetensorsFile::ReadFloats(const std::string& name) const {
  PAWL_ASSIGN(const TensorInfo* tensor, Need(*this, name));
  switch (tensor->dtype) {
    case DType::kF32:
      return Raw<float>(*this, *tensor);
    case DType::kBF16:
      return Converted<float, Bf16>(*this, *tensor, [](Bf16 x) { return ToFloat(x); });
    case DType::kF16:
      return Converted<float, F16>(*this, *tensor, [](F16 x) { return ToFloat(x); });
    case DType::kF64:
      return Converted<float, double>(*this, *tensor,
                                      [](double x) { return static_cast<float>(x); });
    default:
      return WrongDType(*this, *tensor, "F32, F16, BF16 or F64");
  }
}

Result<std::vector<double>> SafetensorsFile::ReadDoubles(const std::string& name) const {
  PAWL_ASSIGN(const TensorInfo* tensor, Need(*this, name));
  if (tensor->dtype == DType::kF64) return Raw<double>(*this, *tensor);
  if (tensor->dtype == DType::kF32) {
    return Converted<double, float>(*this, *tensor, [](float x) { return static_cast<double>(x); });
  }
  return WrongDType(*this, *tensor, "F64 or F32");
}

Result<std::vector<std::int32_t>> SafetensorsFile::ReadInts(const std::string& name) const {
  PAWL_ASSIGN(const TensorInfo* tensor, Need(*this, name));
  if (tensor->dtype == DType::kI32) return Raw<std::int32_t>(*this, *tensor);
  if (tensor->dtype != DType::kI64) return WrongDType(*this, *tensor, "I32 or I64");
  PAWL_ASSIGN(const std::vector<std::int64_t> wide, Raw<std::int64_t>(*this, *tensor));
  std::vector<std::int32_t> values;
  for (const std::int64_t value : wide) {
    if (value < INT32_MIN || value > INT32_MAX) {
      return BadFile(
          fmt::format("{}: tensor '{}' holds {}, beyond 32 bits", path_.string(), name, value));
    }
    values.push_back(static_cast<std::int32_t>(value));
  }
  return values;
}

}  // namespace pawl
