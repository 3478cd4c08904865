#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "base/replace_file.h"
#include "checkpoint/safetensors.h"

namespace pawl {
namespace {

std::string_view Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
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
  std::string header = R"({"__metadata__":{"format":"pt"})";
  for (const TensorSpec& tensor : tensors) {
    const std::size_t end = writer.expected_ + BytesOf(tensor);
    const Json entry = {{"dtype", DTypeName(tensor.dtype)},
                        {"shape", tensor.shape},
                        {"data_offsets", {writer.expected_, end}}};
    header += "," + WriteJson(Json(tensor.name)) + ":" + WriteJson(entry);
    writer.expected_ = end;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  writer.tensors_ = std::move(tensors);
  PAWL_ASSIGN(OutputFile file, OutputFile::Create(path));
  const std::uint64_t size = header.size();
  PAWL_TRY(file.Write(Text(std::as_bytes(std::span(&size, 1)))));
  PAWL_TRY(file.Write(header));
  writer.file_.emplace(std::move(file));
  return writer;
}

Status SafetensorsWriter::Append(std::span<const std::byte> bytes) {
  PAWL_TRY(file_->Write(Text(bytes)));
  written_ += bytes.size();
  return {};
}

Status SafetensorsWriter::Finish() {
  if (written_ != expected_) {
    return Fail(ErrorCode::kInternal, fmt::format("{}: {} tensor bytes written, expected {}",
                                                  path_.string(), written_, expected_));
  }
  return file_->Finish();
}

Status WriteSafetensors(const std::filesystem::path& path, std::vector<FloatTensor> tensors) {
  std::vector<TensorSpec> specs;
  for (const FloatTensor& tensor : tensors)
    specs.push_back({tensor.name, DType::kF32, tensor.shape});
  return ReplaceFile(path, [&](const std::filesystem::path& target) -> Status {
    PAWL_ASSIGN(SafetensorsWriter writer, SafetensorsWriter::Create(target, std::move(specs)));
    for (const TensorSpec& spec : writer.order()) {
      const auto tensor = std::find_if(tensors.begin(), tensors.end(),
                                       [&](const FloatTensor& t) { return t.name == spec.name; });
      PAWL_TRY(writer.Append(std::as_bytes(std::span<const float>(tensor->values))));
    }
    return writer.Finish();
  });
}

}  // namespace pawl
