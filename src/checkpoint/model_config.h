// config.json of a model folder as named features.  Architectures differ in data, not in code:
// adding one is a row in the table in model_config.cc.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace pawl {

enum class RopeType {
  kDefault,
  kLinear,  // inverse frequencies divided by `factor`
  kLlama3,  // Llama 3.1's piecewise scaling
};

struct RopeConfig {
  double theta = 10000;
  RopeType type = RopeType::kDefault;
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  std::size_t original_max_position_embeddings = 0;
};

struct ModelConfig {
  std::string architecture;  // "Qwen2ForCausalLM"
  std::string model_type;    // "qwen2"
  std::size_t vocab_size = 0, hidden_size = 0, intermediate_size = 0, num_hidden_layers = 0;
  std::size_t num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0;
  float rms_norm_eps = 1e-6f;
  RopeConfig rope;
  std::size_t max_position_embeddings = 0;
  bool tie_word_embeddings = false;
  bool attention_bias_qkv = false, attention_bias_o = false;
  bool qk_norm = false;                               // Qwen3's q_norm and k_norm
  std::vector<std::int32_t> eos_token_ids;            // of config.json alone; see LoadStopIds
  std::int32_t bos_token_id = -1, pad_token_id = -1;  // -1: none
  std::string dtype = "float32";                      // as stored, by Hugging Face's name
};

// Both config dialects (rope_theta and rope_scaling, or rope_parameters; torch_dtype or dtype).
// Anything that would change the computation and is not supported is kBadFile naming the key, what
// it says and what is supported.  place: the file's name for messages.
Result<ModelConfig> ParseModelConfig(const std::string& text, const std::string& place);
Result<ModelConfig> LoadModelConfig(const std::filesystem::path& folder);

// config.json that Hugging Face reads, for models made here.
std::string WriteModelConfig(const ModelConfig& config);

// Stop ids: the end-of-sequence ids of config.json and generation_config.json together, ascending.
Result<std::vector<std::int32_t>> LoadStopIds(const std::filesystem::path& folder);

// Every tensor a checkpoint of this config must have.
struct ExpectedTensor {
  std::string name;
  std::vector<std::size_t> shape;
};
std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config);

}  // namespace pawl
