// The safetensors format: 8 bytes of header length, a JSON header, tensor bytes (docs/FORMATS.md).
// The reader applies the reference reader's rules, demands '{' as the header's first byte and
// rejects duplicate names and keys that the format does not have; every size is checked against the
// bytes that are there before anything is allocated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file_system.h"

namespace pawl {

enum class DType { kBool, kU8, kI8, kI16, kU16, kF16, kBF16, kI32, kU32, kF32, kF64, kI64, kU64 };
const char* DTypeName(DType dtype);  // "F32"
std::optional<DType> DTypeFromName(std::string_view name);
std::size_t DTypeBytes(DType dtype);

struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::size_t> shape;
  std::size_t offset = 0;  // from the start of the file
  std::size_t bytes = 0;

  std::size_t elements() const { return bytes / DTypeBytes(dtype); }
};
std::string ShapeText(std::span<const std::size_t> shape);  // "[151936, 896]"

// An open file.  Reading is thread-safe (pread).
class SafetensorsFile {
 public:
  static Result<SafetensorsFile> Open(const std::filesystem::path& path);
  SafetensorsFile(SafetensorsFile&& other) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&& other) noexcept;
  ~SafetensorsFile();

  const std::filesystem::path& path() const { return path_; }
  const std::vector<TensorInfo>& tensors() const { return tensors_; }  // in the order of offsets
  const TensorInfo* Find(const std::string& name) const;

  // Bytes [begin, begin + out.size()) of a tensor.  A file that became shorter is kBadFile.
  Status ReadBytes(const TensorInfo& tensor, std::size_t begin, std::span<std::byte> out) const;
  // Whole tensors, converted; a dtype that does not fit is kBadFile.
  Result<std::vector<float>> ReadFloats(const std::string& name) const;       // F32, F16, BF16, F64
  Result<std::vector<double>> ReadDoubles(const std::string& name) const;     // F64, F32
  Result<std::vector<std::int32_t>> ReadInts(const std::string& name) const;  // I32, I64 in range

 private:
  SafetensorsFile() = default;
  std::filesystem::path path_;
  int file_ = -1;
  std::vector<TensorInfo> tensors_;
  std::vector<std::uint32_t> by_name_;  // indices into tensors_, sorted by name
};

// A tensor to be written.
struct TensorSpec {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::size_t> shape;
};

// Writes a file tensor by tensor, so that a model is never in memory twice.  Tensors go out in the
// order that order() gives: descending alignment of the dtype, then name, as the reference writer
// does.
class SafetensorsWriter {
 public:
  // Creates `path` (a temporary name of the caller's) and writes the header.
  static Result<SafetensorsWriter> Create(const std::filesystem::path& path,
                                          std::vector<TensorSpec> tensors);
  const std::vector<TensorSpec>& order() const { return tensors_; }
  // The next bytes of the tensors in that order.
  Status Append(std::span<const std::byte> bytes);
  // Checks that all bytes came, syncs and closes.
  Status Finish();

 private:
  SafetensorsWriter() = default;
  std::filesystem::path path_;
  std::optional<OutputFile> file_;
  std::vector<TensorSpec> tensors_;
  std::size_t expected_ = 0, written_ = 0;
};

// Float32 tensors in one call, to a temporary name and renamed when complete.
struct FloatTensor {
  std::string name;
  std::vector<std::size_t> shape;
  std::vector<float> values;
};
Status WriteSafetensors(const std::filesystem::path& path, std::vector<FloatTensor> tensors);

}  // namespace pawl
