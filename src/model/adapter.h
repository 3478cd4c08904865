// A LoRA adapter (Hu et al. 2021, arXiv:2106.09685): y = W x + b + scale * B (A x), scale = alpha /
// r, or alpha / sqrt(r) with rslora (Kalajdzievski 2023, arXiv:2312.03732).  Always float32.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/model_config.h"
#include "model/weights.h"

namespace pawl {

enum class LinearModule { kQ, kK, kV, kO, kGate, kUp, kDown };
inline constexpr std::size_t kLinearModules = 7;
const char* LinearModuleName(LinearModule module);  // "q_proj", ...

struct LoraConfig {
  int r = 16;
  double lora_alpha = 32;
  bool use_rslora = false;
  std::vector<std::string> target_modules = {"all-linear"};  // suffixes or full module paths
  double scale() const;
};

// One adapted module: A [r, in], B [out, r]; empty where the module is not adapted.  out_begin: the
// module's first row in the fused matrix it belongs to (q, k, v in qkv; gate, up in gate_up).
struct LoraPair {
  PackedMatrix a, b;
  std::size_t out_begin = 0;
};
struct AdapterLayer {
  std::array<LoraPair, kLinearModules> modules;
};

struct Adapter {
  LoraConfig config;
  float scale = 0;
  std::vector<AdapterLayer> layers;
};

// B zero, A uniform in +-1/sqrt(in) (PEFT's default, kaiming-uniform with a = sqrt 5), drawn from
// the Philox stream of (seed, kLora, tensor).  An unknown target module is kUsage, with the valid
// ones.
Result<Adapter> MakeAdapter(const ModelConfig& config, const LoraConfig& lora, std::uint64_t seed);
Adapter ZerosLike(const Adapter& adapter);  // for gradients and moments
Adapter Clone(const Adapter& adapter);

Result<Adapter> LoadAdapter(const std::filesystem::path& folder, const ModelConfig& config);
// PEFT's files; base: what base_model_name_or_path shall say.
Status SaveAdapter(const Adapter& adapter, const ModelConfig& config, const std::string& base,
                   const std::filesystem::path& folder);

std::vector<FlatParameter> Flatten(Adapter& adapter);
// Row-major tensors by PEFT name
// ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight").
struct AdapterTensor {
  std::string name;
  PackedMatrix* matrix;
};
std::vector<AdapterTensor> AdapterTensors(Adapter& adapter);

// W += scale * B A for every adapted module: summed in double, rounded to float32, then to the
// storage type.  kBadFile where the sum is not finite.
Status MergeAdapter(const Adapter& adapter, const ModelConfig& config, Weights& weights);

}  // namespace pawl
