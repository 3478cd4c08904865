// The tensors of a model folder: model.safetensors, or shards named by
// model.safetensors.index.json.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/model_config.h"
#include "checkpoint/safetensors.h"

namespace pawl {

class TensorStore {
 public:
  // A folder that does not exist is kUsage; one without weights or with a broken index is kBadFile.
  static Result<TensorStore> Open(const std::filesystem::path& folder);

  struct Entry {
    const SafetensorsFile* file;
    const TensorInfo* tensor;
  };
  // Null file where there is none.
  Entry Find(const std::string& name) const;
  const std::vector<SafetensorsFile>& files() const { return files_; }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, std::pair<std::size_t, std::size_t>> places_;  // file, tensor
};

// Every tensor of the config is there with its shape and a dtype of F32, F16 or BF16 (F16 and BF16
// not in one model), and nothing else is. Every problem is named, up to ten.  A tied model's extra
// lm_head.weight and rotary_emb.inv_freq buffers are ignored.
Status ValidateTensors(const TensorStore& store, const ModelConfig& config);

}  // namespace pawl
