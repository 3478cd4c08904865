#include "checkpoint/model_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/file.h"
#include "base/json.h"

namespace pawl {
namespace fs = std::filesystem;

namespace {

// Shard file names of an index and, per file, the tensors it must hold.
Result<std::map<std::string, std::set<std::string>>> ReadIndex(const fs::path& file) {
  PAWL_ASSIGN(const std::string text, ReadFile(file, std::size_t{64} << 20));
  PAWL_ASSIGN(const Json json, ParseJson(text, file.string()));
  if (!json.is_object() || !json.contains("weight_map") || !json.at("weight_map").is_object()) {
    return BadFile(file.string() + ": expected an object \"weight_map\"");
  }
  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [tensor, shard] : json.at("weight_map").items()) {
    const std::string name = shard.is_string() ? shard.get<std::string>() : "";
    if (name.empty() || name.find_first_of("/\\") != std::string::npos || name == ".." ||
        name == ".") {
      return BadFile(fmt::format("{}: tensor '{}' is in {}, expected a plain file name",
                                 file.string(), tensor, WriteJson(shard)));
    }
    shards[name].insert(tensor);
  }
  return shards;
}

bool Ignored(const std::string& name, const ModelConfig& config) {
  return name.ends_with("rotary_emb.inv_freq") ||
         (config.tie_word_embeddings && name == "lm_head.weight");
}

// The one file with the tensors, or the folder of several.
std::string Name(const TensorStore& store) {
  return (store.files().size() == 1 ? store.files()[0].path() : store.folder()).string();
}

}  // namespace

Result<TensorStore> TensorStore::Open(const fs::path& folder) {
  TensorStore store;
  store.folder_ = folder;
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    return Usage(
        fmt::format("{}: is not a folder; expected a Hugging Face model folder", folder.string()));
  }
  const fs::path index = folder / "model.safetensors.index.json";
  std::map<std::string, std::set<std::string>> shards;
  if (fs::exists(folder / "model.safetensors", ignored)) {
    shards["model.safetensors"] = {};
  } else if (fs::exists(index, ignored)) {
    PAWL_ASSIGN(shards, ReadIndex(index));
  } else {
    return BadFile(fmt::format("{}: has neither model.safetensors nor model.safetensors.index.json",
                               folder.string()));
  }
  for (const auto& [name, tensors] : shards) {
    auto file = SafetensorsFile::Open(folder / name);
    if (!file && file.error().code == ErrorCode::kUsage) {
      return BadFile(
          fmt::format("{}: the shard is missing; the index names it", (folder / name).string()));
    }
    if (!file) return tl::unexpected<Error>(file.error());
    for (const std::string& tensor : tensors) {
      if (file->Find(tensor) == nullptr) {
        return BadFile(fmt::format("{}: tensor '{}' is missing; the index says it is here",
                                   (folder / name).string(), tensor));
      }
    }
    store.files_.push_back(std::move(*file));
  }
  for (std::size_t f = 0; f < store.files_.size(); ++f) {
    const auto& tensors = store.files_[f].tensors();
    for (std::size_t t = 0; t < tensors.size(); ++t) {
      if (!store.places_.emplace(tensors[t].name, std::pair(f, t)).second) {
        return BadFile(
            fmt::format("{}: tensor '{}' is in two shards", folder.string(), tensors[t].name));
      }
    }
  }
  return store;
}

TensorStore::Entry TensorStore::Find(const std::string& name) const {
  const auto place = places_.find(name);
  if (place == places_.end()) return {nullptr, nullptr};
  const SafetensorsFile& file = files_[place->second.first];
  return {&file, &file.tensors()[place->second.second]};
}

Status ValidateTensors(const TensorStore& store, const ModelConfig& config) {
  std::vector<std::string> problems;
  std::set<std::string> expected;
  // Of 16-bit types a model has one: a tensor of the other would be read as quite other numbers.
  // The first of them says which.
  std::optional<DType> half;
  for (const ExpectedTensor& tensor : ExpectedTensors(config)) {
    expected.insert(tensor.name);
    const TensorStore::Entry entry = store.Find(tensor.name);
    if (entry.tensor == nullptr) {
      problems.push_back(
          fmt::format("tensor '{}' {} is missing", tensor.name, ShapeText(tensor.shape)));
    } else if (entry.tensor->shape != tensor.shape) {
      problems.push_back(fmt::format("tensor '{}' has shape {}, config.json needs {}", tensor.name,
                                     ShapeText(entry.tensor->shape), ShapeText(tensor.shape)));
    } else if (entry.tensor->dtype != DType::kF32 && entry.tensor->dtype != DType::kF16 &&
               entry.tensor->dtype != DType::kBF16) {
      problems.push_back(fmt::format("tensor '{}' is {}, supported are F32, F16 and BF16",
                                     tensor.name, DTypeName(entry.tensor->dtype)));
    } else if (entry.tensor->dtype != DType::kF32) {
      if (!half) half = entry.tensor->dtype;
      if (*half != entry.tensor->dtype) {
        problems.push_back(fmt::format("tensor '{}' is {}, tensors before it are {}", tensor.name,
                                       DTypeName(entry.tensor->dtype), DTypeName(*half)));
      }
    }
  }
  for (const SafetensorsFile& file : store.files()) {
    for (const TensorInfo& tensor : file.tensors()) {
      if (!expected.contains(tensor.name) && !Ignored(tensor.name, config)) {
        problems.push_back(fmt::format("tensor '{}' {} is not part of {}", tensor.name,
                                       ShapeText(tensor.shape), config.architecture));
      }
    }
  }
  if (problems.empty()) return {};
  std::string text = Name(store) + ": ";
  for (std::size_t i = 0; i < std::min<std::size_t>(problems.size(), 10); ++i) {
    text += (i > 0 ? "; " : "") + problems[i];
  }
  if (problems.size() > 10) text += fmt::format("; and {} more", problems.size() - 10);
  return BadFile(text);
}

}  // namespace pawl
