#include "model/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>

#include "base/file.h"
#include "checkpoint/model_files.h"
#include "model/inv_freq.h"
#include "model/panels.h"

namespace pawl {
namespace {

// A block that one thread reads at a time: a few MB.
constexpr std::size_t kReadBytes = std::size_t{2} << 20;

bool AllMatricesBf16(const TensorStore& store, const ModelConfig& config) {
  for (const ExpectedTensor& tensor : ExpectedTensors(config)) {
    if (tensor.shape.size() != 2) continue;
    if (store.Find(tensor.name).tensor->dtype != DType::kBF16) return false;
  }
  return true;
}

WeightType StorageFor(Precision precision, const TensorStore& store, const ModelConfig& config) {
  if (precision == Precision::kF32) return WeightType::kF32;
  if (precision == Precision::kBf16) return WeightType::kBf16;
  if (precision == Precision::kInt8) return WeightType::kInt8;
  return AllMatricesBf16(store, config) ? WeightType::kBf16 : WeightType::kF32;
}

// Exact 32-bit sums hold so many products.
Status CheckWidths(Precision precision, const ModelConfig& config) {
  const std::size_t widest = std::max(
      {config.hidden_size, config.intermediate_size, config.num_attention_heads * config.head_dim});
  if (precision != Precision::kInt8 || widest <= kMaxInt8K) return {};
  return Usage(
      fmt::format("precision: int8 sums at most {} products, this model's layers are {} wide; take "
                  "bf16",
                  kMaxInt8K, widest));
}

// Elements [begin, begin + out.size()) of a tensor, widened.
Status ReadElements(const TensorStore::Entry& entry, std::size_t begin, std::span<float> out) {
  const DType dtype = entry.tensor->dtype;
  if (dtype == DType::kF32) {
    return entry.file->ReadBytes(*entry.tensor, begin * sizeof(float), std::as_writable_bytes(out));
  }
  std::vector<std::uint16_t> bits(out.size());
  PAWL_TRY(entry.file->ReadBytes(*entry.tensor, begin * sizeof(std::uint16_t),
                                 std::as_writable_bytes(std::span(bits))));
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = dtype == DType::kBF16 ? ToFloat(Bf16{bits[i]}) : ToFloat(F16{bits[i]});
  }
  return {};
}

// `number`: index of values[0] in the tensor.
Status CheckFinite(const TensorStore::Entry& entry, std::span<const float> values,
                   std::size_t number) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    return BadFile(
        fmt::format("{}: tensor {} has {} at element {}, expected finite numbers; the "
                    "file is damaged, fetch it again",
                    entry.file->path().string(), entry.tensor->name,
                    std::isnan(values[i]) ? "NaN" : "an infinity", number + i));
  }
  return {};
}

// The first error of many threads; the others stop early.
class FirstError {
 public:
  bool failed() const { return failed_.load(std::memory_order_relaxed); }
  void Report(Status status) {
    if (status) return;
    const std::lock_guard lock(mutex_);
    if (status_) status_ = std::move(status);
    failed_ = true;
  }
  Status Take() { return std::move(status_); }

 private:
  std::mutex mutex_;
  Status status_;
  std::atomic<bool> failed_ = false;
};

Status ReadParameterFile(const TensorStore& store, const Parameter& parameter, ThreadPool& pool) {
  const TensorStore::Entry entry = store.Find(parameter.name);
  if (parameter.matrix == nullptr) {
    PAWL_TRY(ReadElements(entry, 0, parameter.vector));
    return CheckFinite(entry, parameter.vector, 0);
  }
  const std::size_t cols = parameter.shape[1];
  FirstError error;
  ForEachRowBlock(
      pool, parameter, kReadBytes / (cols * sizeof(float)),
      [&](std::size_t first, std::size_t count) {
        if (error.failed()) return;
        std::vector<float> rows(count * cols);
        Status status = ReadElements(entry, first * cols, rows);
        if (status) status = CheckFinite(entry, rows, first * cols);
        if (status) {
          parameter.matrix->SetRows(parameter.row_begin + first, {rows.data(), count, cols});
        }
        error.Report(std::move(status));
      });
  return error.Take();
}

}  // namespace

Result<Precision> ParsePrecision(const std::string& name) {
  if (name == "f32") return Precision::kF32;
  if (name == "bf16") return Precision::kBf16;
  if (name == "int8") return Precision::kInt8;
  return Usage("precision: \"" + name + "\", expected \"f32\", \"bf16\" or \"int8\"");
}

void FinishModel(Model& model, std::size_t max_positions) {
  model.max_positions = std::min(model.config.max_position_embeddings, max_positions);
  model.rope = MakeRopeTable(InverseFrequencies(model.config), model.max_positions);
}

Result<WeightType> StorageOf(const std::filesystem::path& folder, Precision precision) {
  PAWL_ASSIGN(const ModelConfig config, LoadModelConfig(folder));
  PAWL_ASSIGN(const TensorStore store, TensorStore::Open(folder));
  PAWL_TRY(ValidateTensors(store, config));
  return StorageFor(precision, store, config);
}

Result<Model> LoadModel(const std::filesystem::path& folder, Precision precision, ThreadPool& pool,
                        std::size_t max_positions) {
  Model model;
  PAWL_ASSIGN(model.config, LoadModelConfig(folder));
  PAWL_TRY(CheckWidths(precision, model.config));
  PAWL_ASSIGN(model.stop_ids, LoadStopIds(folder));
  PAWL_ASSIGN(const TensorStore store, TensorStore::Open(folder));
  PAWL_TRY(ValidateTensors(store, model.config));
  PAWL_ASSIGN(model.config_json, ReadFile(folder / "config.json"));
  if (std::filesystem::exists(folder / "generation_config.json")) {
    PAWL_ASSIGN(model.generation_config_json, ReadFile(folder / "generation_config.json"));
  }
  model.folder = folder;
  model.weights = MakeWeights(model.config, StorageFor(precision, store, model.config));
  for (const Parameter& parameter : Parameters(model.config, model.weights)) {
    PAWL_TRY(ReadParameterFile(store, parameter, pool));
  }
  FinishModel(model, max_positions);
  return model;
}

std::size_t ParameterCount(const ModelConfig& config) {
  std::size_t count = 0;
  for (const ExpectedTensor& tensor : ExpectedTensors(config)) {
    std::size_t elements = 1;
    for (const std::size_t extent : tensor.shape) elements *= extent;
    count += elements;
  }
  return count;
}

}  // namespace pawl
