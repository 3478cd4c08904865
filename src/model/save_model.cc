#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <system_error>

#include "base/file_system.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "model/model.h"

namespace pawl {
namespace {

constexpr std::size_t kBlockRows = 256;

struct Storage {
  DType dtype;
  const char* name;  // as config.json says it
};

Result<Storage> ParseStorage(const std::string& name) {
  for (const Storage& storage : {Storage{DType::kF32, "float32"}, Storage{DType::kBF16, "bfloat16"},
                                 Storage{DType::kF16, "float16"}}) {
    if (name == storage.name) return storage;
  }
  return Usage("dtype: \"" + name + "\", expected \"float32\", \"bfloat16\" or \"float16\"");
}

// Appends values in the storage type.
Status AppendValues(SafetensorsWriter& writer, DType dtype, const std::string& tensor,
                    std::span<const float> values) {
  if (dtype == DType::kF32) return writer.Append(std::as_bytes(values));
  std::vector<std::uint16_t> bits(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    bits[i] = dtype == DType::kBF16 ? ToBf16(values[i]).bits : ToF16(values[i]).bits;
    if (dtype == DType::kF16 && !std::isfinite(ToFloat(F16{bits[i]}))) {
      return Usage(
          fmt::format("dtype: {} of tensor {} does not fit float16; take \"bfloat16\" or "
                      "\"float32\"",
                      values[i], tensor));
    }
  }
  return writer.Append(std::as_bytes(std::span<const std::uint16_t>(bits)));
}

Status AppendParameter(SafetensorsWriter& writer, DType dtype, const Parameter& parameter) {
  if (parameter.matrix == nullptr) {
    return AppendValues(writer, dtype, parameter.name, parameter.vector);
  }
  const std::size_t rows = parameter.shape[0], cols = parameter.shape[1];
  std::vector<float> block(std::min(rows, kBlockRows) * cols);
  for (std::size_t first = 0; first < rows; first += kBlockRows) {
    const std::size_t count = std::min(kBlockRows, rows - first);
    parameter.matrix->GetRows(parameter.row_begin + first, {block.data(), count, cols});
    PAWL_TRY(AppendValues(writer, dtype, parameter.name, std::span(block).first(count * cols)));
  }
  return {};
}

Status WriteWeights(const std::vector<Parameter>& parameters, DType dtype,
                    const std::filesystem::path& path) {
  std::vector<TensorSpec> specs;
  std::map<std::string, const Parameter*> by_name;
  for (const Parameter& parameter : parameters) {
    specs.push_back({parameter.name, dtype, parameter.shape});
    by_name[parameter.name] = &parameter;
  }
  const std::filesystem::path temporary = path.string() + ".tmp";
  const auto write = [&]() -> Status {
    PAWL_ASSIGN(SafetensorsWriter writer, SafetensorsWriter::Create(temporary, std::move(specs)));
    for (const TensorSpec& spec : writer.order()) {
      PAWL_TRY(AppendParameter(writer, dtype, *by_name.at(spec.name)));
    }
    return writer.Finish();
  };
  Status status = write();
  std::error_code error;
  if (status) {
    std::filesystem::rename(temporary, path, error);
    if (error) {
      status = Fail(ErrorCode::kResources,
                    path.string() + ": cannot be renamed into place: " + error.message());
    }
  }
  if (!status) std::filesystem::remove(temporary, error);
  return status ? SyncPath(path.parent_path()) : status;
}

// The folder's own text with the new dtype under whichever key it uses.
Result<std::string> ConfigText(const Model& model, const char* dtype) {
  if (model.config_json.empty()) {
    ModelConfig config = model.config;
    config.dtype = dtype;
    return WriteModelConfig(config);
  }
  PAWL_ASSIGN(Json json, ParseJson(model.config_json, "config.json"));
  json[json.contains("dtype") ? "dtype" : "torch_dtype"] = dtype;
  return WriteJsonPretty(json);
}

std::string GenerationText(const Model& model) {
  if (!model.generation_config_json.empty()) return model.generation_config_json;
  Json json = Json::object();
  if (model.config.bos_token_id >= 0) json["bos_token_id"] = model.config.bos_token_id;
  if (!model.stop_ids.empty()) json["eos_token_id"] = model.stop_ids;
  if (model.config.pad_token_id >= 0) json["pad_token_id"] = model.config.pad_token_id;
  return WriteJsonPretty(json);
}

}  // namespace

Status SaveModel(const Model& model, const std::string& dtype,
                 const std::filesystem::path& folder) {
  PAWL_ASSIGN(const Storage storage, ParseStorage(dtype));
  PAWL_ASSIGN(const std::string config, ConfigText(model, storage.name));
  PAWL_TRY(MakeDirectories(folder));
  // Parameters only point into the weights; nothing is written through them here.
  PAWL_TRY(WriteWeights(Parameters(model.config, const_cast<Weights&>(model.weights)),
                        storage.dtype, folder / "model.safetensors"));
  PAWL_TRY(WriteFileAtomic(folder / "generation_config.json", GenerationText(model)));
  return WriteFileAtomic(folder / "config.json", config);  // last: a folder with it is complete
}

}  // namespace pawl
