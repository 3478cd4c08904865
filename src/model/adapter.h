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

// Modules that read one input share the rows of one A, so that A x is one product.
enum class LoraGroup { kQkv, kO, kGateUp, kDown };
inline constexpr std::size_t kLoraGroups = 4;
LoraGroup GroupOf(LinearModule module);

// One adapted module: B [out, r], and its A [r, in] = rows [a_begin, a_begin + r) of its group's a;
// rank 0: not adapted.  out_begin: the module's first row in the fused weight it belongs to (q, k,
// v in qkv; gate, up in gate_up).
struct LoraModule {
  PackedMatrix b;
  std::size_t rank = 0, a_begin = 0, out_begin = 0;
};
struct AdapterLayer {
  std::array<PackedMatrix, kLoraGroups> a;  // [ranks of the group's modules, in], or empty
  std::array<LoraModule, kLinearModules> modules;
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

// PEFT's adapter_config.json and adapter_model.safetensors.  Which modules are adapted is what the
// tensors say; settings that change the computation and are not supported (use_dora, rank_pattern,
// bias, ...), unknown tensors, wrong shapes and non-finite values are kBadFile.
Result<Adapter> LoadAdapter(const std::filesystem::path& folder, const ModelConfig& config);
// Both files, each complete or not at all; base: what base_model_name_or_path shall say.
Status SaveAdapter(const Adapter& adapter, const ModelConfig& config, const std::string& base,
                   const std::filesystem::path& folder);

// The trained storage, as Flatten of weights gives it: all decayed, as Hugging Face does.
std::vector<FlatParameter> Flatten(Adapter& adapter);
// Tensors by PEFT name ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"), for
// ReadParameter and WriteParameter.
std::vector<Parameter> AdapterTensors(Adapter& adapter);

// W += scale * B A for every adapted module: summed in double, rounded to float32, then to the
// storage type.  kBadFile where the sum is not finite.
Status MergeAdapter(const Adapter& adapter, const ModelConfig& config, Weights& weights);

}  // namespace pawl
