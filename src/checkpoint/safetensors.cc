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
#include "base/json.h"

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

const DTypeEntry* FindDType(const std::string& name) {
  for (const DTypeEntry& entry : kDTypes) {
    if (name == entry.name) return &entry;
  }
  return nullptr;
}

Result<std::size_t> Size(const Json& value, const std::string& place) {
  if (!value.is_number_unsigned()) {
    return BadFile(fmt::format("{}: {} is not a whole number from 0", place, WriteJson(value)));
  }
  return value.get<std::size_t>();
}

// One header entry, with its own consistency; offsets relative to the tensor bytes.
Result<TensorInfo> ParseEntry(const std::string& name, const Json& entry, const std::string& file) {
  const std::string place = fmt::format("{}: tensor '{}'", file, name);
  TensorInfo info;
  info.name = name;
  PAWL_ASSIGN(const std::string dtype, JsonString(entry, "dtype", place));
  const DTypeEntry* known = FindDType(dtype);
  if (known == nullptr) return BadFile(fmt::format("{}: unknown dtype \"{}\"", place, dtype));
  info.dtype = known->dtype;
  if (!entry.contains("shape") || !entry.at("shape").is_array() ||
      !entry.contains("data_offsets") || !entry.at("data_offsets").is_array() ||
      entry.at("data_offsets").size() != 2) {
    return BadFile(fmt::format("{}: expected \"shape\" and two \"data_offsets\"", place));
  }
  std::size_t bytes = known->bytes;
  for (const Json& dim : entry.at("shape")) {
    PAWL_ASSIGN(const std::size_t size, Size(dim, place + ": shape"));
    info.shape.push_back(size);
    if (__builtin_mul_overflow(bytes, size, &bytes)) {
      return BadFile(
          fmt::format("{}: the product of shape {} overflows", place, ShapeText(info.shape)));
    }
  }
  PAWL_ASSIGN(const std::size_t begin, Size(entry.at("data_offsets")[0], place + ": data_offsets"));
  PAWL_ASSIGN(const std::size_t end, Size(entry.at("data_offsets")[1], place + ": data_offsets"));
  if (end < begin || end - begin != bytes) {
    return BadFile(fmt::format("{}: data_offsets [{}, {}] do not hold the {} bytes of {} {}", place,
                               begin, end, bytes, dtype, ShapeText(info.shape)));
  }
  info.offset = begin;
  info.bytes = bytes;
  return info;
}

Status CheckMetadata(const Json& metadata, const std::string& file) {
  if (!metadata.is_object()) return BadFile(file + ": __metadata__ is not an object");
  for (const auto& [key, value] : metadata.items()) {
    if (!value.is_string()) {
      return BadFile(fmt::format("{}: __metadata__ \"{}\" is not a string", file, key));
    }
  }
  return {};
}

// Tensors must fill the bytes after the header exactly, without holes or overlaps.
Status CheckLayout(std::vector<TensorInfo>& tensors, std::size_t header_end, std::size_t file_size,
                   const std::string& file) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::pair(a.offset, a.offset + a.bytes) < std::pair(b.offset, b.offset + b.bytes);
  });
  std::size_t at = 0;
  for (TensorInfo& tensor : tensors) {
    if (tensor.offset != at) {
      return BadFile(fmt::format("{}: tensor '{}' starts at {}, expected {}: a hole or an overlap",
                                 file, tensor.name, tensor.offset, at));
    }
    if (__builtin_add_overflow(at, tensor.bytes, &at)) {
      return BadFile(fmt::format("{}: tensor '{}': its end overflows", file, tensor.name));
    }
    tensor.offset += header_end;
  }
  std::size_t end = 0;
  if (__builtin_add_overflow(at, header_end, &end) || end != file_size) {
    return BadFile(
        fmt::format("{}: tensors end at byte {}, the file has {}; the download is "
                    "probably incomplete",
                    file, header_end + at, file_size));
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

std::size_t DTypeBytes(DType dtype) {
  for (const DTypeEntry& entry : kDTypes) {
    if (entry.dtype == dtype) return entry.bytes;
  }
  return 1;
}

std::string ShapeText(std::span<const std::size_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

Result<SafetensorsFile> SafetensorsFile::Open(const std::filesystem::path& path) {
  const std::string name = path.string();
  SafetensorsFile file;
  file.path_ = path;
  file.file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file.file_ < 0) {
    const auto code = errno == ENOENT ? ErrorCode::kUsage : ErrorCode::kBadFile;
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
  if (header.empty() || header[0] != '{') {
    return BadFile(name + ": the header does not start with '{'");
  }
  PAWL_ASSIGN(const Json json, ParseJson(header, name + ": header"));
  for (const auto& [key, entry] : json.items()) {
    if (key == "__metadata__") {
      PAWL_TRY(CheckMetadata(entry, name));
      continue;
    }
    PAWL_ASSIGN(TensorInfo tensor, ParseEntry(key, entry, name));
    file.tensors_.push_back(std::move(tensor));
  }
  PAWL_TRY(CheckLayout(file.tensors_, 8 + header_size, size, name));
  return file;
}

SafetensorsFile::SafetensorsFile(SafetensorsFile&& other) noexcept
    : path_(std::move(other.path_)),
      file_(std::exchange(other.file_, -1)),
      tensors_(std::move(other.tensors_)) {}

SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  std::swap(tensors_, other.tensors_);
  return *this;
}

SafetensorsFile::~SafetensorsFile() {
  if (file_ >= 0) close(file_);
}

const TensorInfo* SafetensorsFile::Find(const std::string& name) const {
  for (const TensorInfo& tensor : tensors_) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
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
