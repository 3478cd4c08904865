#include "model/adapter.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/philox.h"
#include "model/adapter_modules.h"

namespace pawl {
namespace {

constexpr std::array<const char*, kLinearModules> kNames = {
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};

// Where a module's weight lies: rows [out_begin, out_begin + out) of a matrix of the layer.
struct ModuleShape {
  std::size_t out = 0, in = 0, out_begin = 0;
};

ModuleShape ShapeOf(const ModelConfig& config, LinearModule module) {
  const std::size_t hidden = config.hidden_size, inner = config.intermediate_size;
  const std::size_t query = config.num_attention_heads * config.head_dim;
  const std::size_t kv = config.num_key_value_heads * config.head_dim;
  switch (module) {
    case LinearModule::kQ:
      return {query, hidden, 0};
    case LinearModule::kK:
      return {kv, hidden, query};
    case LinearModule::kV:
      return {kv, hidden, query + kv};
    case LinearModule::kO:
      return {hidden, query, 0};
    case LinearModule::kGate:
      return {inner, hidden, 0};
    case LinearModule::kUp:
      return {inner, hidden, inner};
    case LinearModule::kDown:
      break;
  }
  return {hidden, inner, 0};
}

PackedMatrix& MatrixOf(LayerWeights& layer, LinearModule module) {
  if (module <= LinearModule::kV) return layer.qkv;
  if (module == LinearModule::kO) return layer.o;
  return module == LinearModule::kDown ? layer.down : layer.gate_up;
}

// Fills rows [begin, begin + count) of A.
void FillUniform(PackedMatrix& a, std::size_t begin, std::size_t count,
                 const RandomAddress& address) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(a.k()));
  RandomStream stream(address);
  std::vector<float> row(a.k());
  for (std::size_t r = 0; r < count; ++r) {
    for (float& value : row) value = static_cast<float>((2.0 * stream.Uniform() - 1.0) * bound);
    a.SetRows(begin + r, {row.data(), 1, row.size()});
  }
}

// The same modules and shapes; values copied or zero.
Adapter Shaped(const Adapter& adapter, bool copy) {
  const auto shaped = [copy](const PackedMatrix& from) {
    if (from.empty()) return PackedMatrix();
    return copy ? from.Clone() : PackedMatrix(WeightType::kF32, from.n(), from.k());
  };
  Adapter out;
  out.config = adapter.config;
  out.scale = adapter.scale;
  out.layers.resize(adapter.layers.size());
  for (std::size_t i = 0; i < adapter.layers.size(); ++i) {
    const AdapterLayer& from = adapter.layers[i];
    AdapterLayer& to = out.layers[i];
    for (std::size_t g = 0; g < kLoraGroups; ++g) to.a[g] = shaped(from.a[g]);
    for (std::size_t m = 0; m < kLinearModules; ++m) {
      const LoraModule& module = from.modules[m];
      to.modules[m] = {shaped(module.b), module.rank, module.a_begin, module.out_begin};
    }
  }
  return out;
}

// Sums in double: exact products, one rounding to float32 at the end.  False: not finite.
bool MergeModule(const PackedMatrix& group_a, const LoraModule& module, double scale,
                 PackedMatrix& matrix) {
  const std::size_t rank = module.rank, in = group_a.k();
  std::vector<float> a(rank * in), b(rank), row(in);
  std::vector<double> delta(in);
  group_a.GetRows(module.a_begin, {a.data(), rank, in});
  bool finite = true;
  for (std::size_t n = 0; n < module.b.n(); ++n) {
    module.b.GetRow(n, b);
    matrix.GetRow(module.out_begin + n, row);
    std::fill(delta.begin(), delta.end(), 0.0);
    for (std::size_t r = 0; r < rank; ++r) {
      const double factor = b[r];
      for (std::size_t k = 0; k < in; ++k) delta[k] += factor * a[r * in + k];
    }
    for (std::size_t k = 0; k < in; ++k) {
      row[k] = static_cast<float>(row[k] + scale * delta[k]);
      finite = finite && std::isfinite(row[k]);
    }
    matrix.SetRows(module.out_begin + n, {row.data(), 1, in});
  }
  return finite;
}

Status CheckTargets(const ModelConfig& config, const LoraConfig& lora) {
  std::string valid = "\"all-linear\"";
  for (const char* name : kNames) valid += std::string(", \"") + name + "\"";
  if (lora.r < 1) {
    return Usage("lora.r: " + std::to_string(lora.r) + ", expected at least 1");
  }
  if (!(lora.lora_alpha > 0)) {
    return Usage("lora.lora_alpha: " + std::to_string(lora.lora_alpha) + ", expected above 0");
  }
  if (lora.target_modules.empty()) {
    return Usage("lora.target_modules: empty, expected some of " + valid);
  }
  for (const std::string& target : lora.target_modules) {
    bool found = false;
    for (std::size_t i = 0; i < config.num_hidden_layers && !found; ++i) {
      for (std::size_t m = 0; m < kLinearModules && !found; ++m) {
        found = MatchesTarget(ModulePath(i, m), target);
      }
    }
    if (!found) {
      return Usage("lora.target_modules: \"" + target + "\" names no linear module, expected " +
                   valid + " or a full path such as \"" + ModulePath(0, 0) + "\"");
    }
  }
  return {};
}

}  // namespace

std::string ModulePath(std::size_t layer, std::size_t module) {
  const char* block = module <= static_cast<std::size_t>(LinearModule::kO) ? "self_attn" : "mlp";
  return "model.layers." + std::to_string(layer) + "." + block + "." + kNames[module];
}

bool MatchesTarget(const std::string& path, const std::string& target) {
  if (target == "all-linear" || path == target) return true;
  return path.size() > target.size() && path.ends_with(target) &&
         path[path.size() - target.size() - 1] == '.';
}

AdapterLayer MakeAdapterLayer(const ModelConfig& config, std::size_t rank,
                              const std::array<bool, kLinearModules>& adapted) {
  AdapterLayer layer;
  std::array<std::size_t, kLoraGroups> ranks{}, inputs{};
  for (std::size_t m = 0; m < kLinearModules; ++m) {
    if (!adapted[m]) continue;
    const ModuleShape shape = ShapeOf(config, static_cast<LinearModule>(m));
    const auto group = static_cast<std::size_t>(GroupOf(static_cast<LinearModule>(m)));
    layer.modules[m] = {PackedMatrix(WeightType::kF32, shape.out, rank), rank, ranks[group],
                        shape.out_begin};
    ranks[group] += rank;
    inputs[group] = shape.in;
  }
  for (std::size_t g = 0; g < kLoraGroups; ++g) {
    if (ranks[g] > 0) layer.a[g] = PackedMatrix(WeightType::kF32, ranks[g], inputs[g]);
  }
  return layer;
}

LoraGroup GroupOf(LinearModule module) {
  if (module <= LinearModule::kV) return LoraGroup::kQkv;
  if (module == LinearModule::kO) return LoraGroup::kO;
  return module == LinearModule::kDown ? LoraGroup::kDown : LoraGroup::kGateUp;
}

const char* LinearModuleName(LinearModule module) {
  return kNames[static_cast<std::size_t>(module)];
}

double LoraConfig::scale() const {
  return use_rslora ? lora_alpha / std::sqrt(static_cast<double>(r)) : lora_alpha / r;
}

Result<Adapter> MakeAdapter(const ModelConfig& config, const LoraConfig& lora, std::uint64_t seed) {
  PAWL_TRY(CheckTargets(config, lora));
  Adapter adapter;
  adapter.config = lora;
  adapter.scale = static_cast<float>(lora.scale());
  adapter.layers.resize(config.num_hidden_layers);
  const auto rank = static_cast<std::size_t>(lora.r);
  for (std::size_t i = 0; i < adapter.layers.size(); ++i) {
    std::array<bool, kLinearModules> adapted{};
    for (std::size_t m = 0; m < kLinearModules; ++m) {
      const std::string path = ModulePath(i, m);
      adapted[m] =
          std::any_of(lora.target_modules.begin(), lora.target_modules.end(),
                      [&path](const std::string& target) { return MatchesTarget(path, target); });
    }
    adapter.layers[i] = MakeAdapterLayer(config, rank, adapted);
    for (std::size_t m = 0; m < kLinearModules; ++m) {
      if (!adapted[m]) continue;
      const auto group = static_cast<std::size_t>(GroupOf(static_cast<LinearModule>(m)));
      FillUniform(adapter.layers[i].a[group], adapter.layers[i].modules[m].a_begin, rank,
                  {seed, RandomPurpose::kLora, i * kLinearModules + m, 0});
    }
  }
  return adapter;
}

Adapter ZerosLike(const Adapter& adapter) { return Shaped(adapter, false); }
Adapter Clone(const Adapter& adapter) { return Shaped(adapter, true); }

std::vector<Parameter> AdapterTensors(Adapter& adapter) {
  std::vector<Parameter> out;
  for (std::size_t i = 0; i < adapter.layers.size(); ++i) {
    AdapterLayer& layer = adapter.layers[i];
    for (std::size_t m = 0; m < kLinearModules; ++m) {
      LoraModule& module = layer.modules[m];
      if (module.rank == 0) continue;
      const std::string name = "base_model.model." + ModulePath(i, m);
      PackedMatrix& a = layer.a[static_cast<std::size_t>(GroupOf(static_cast<LinearModule>(m)))];
      out.push_back({name + ".lora_A.weight", {module.rank, a.k()}, &a, module.a_begin, {}});
      out.push_back({name + ".lora_B.weight", {module.b.n(), module.rank}, &module.b, 0, {}});
    }
  }
  return out;
}

std::vector<FlatParameter> Flatten(Adapter& adapter) {
  static constexpr std::array<const char*, kLoraGroups> kGroupNames = {"qkv", "o", "gate_up",
                                                                       "down"};
  std::vector<FlatParameter> out;
  for (std::size_t i = 0; i < adapter.layers.size(); ++i) {
    const std::string layer = "layers." + std::to_string(i) + ".";
    for (std::size_t g = 0; g < kLoraGroups; ++g) {
      PackedMatrix& a = adapter.layers[i].a[g];
      if (!a.empty()) out.push_back({layer + kGroupNames[g] + ".lora_A", a.data(), true});
    }
    for (std::size_t m = 0; m < kLinearModules; ++m) {
      PackedMatrix& b = adapter.layers[i].modules[m].b;
      if (!b.empty()) out.push_back({layer + kNames[m] + ".lora_B", b.data(), true});
    }
  }
  return out;
}

Status MergeAdapter(const Adapter& adapter, const ModelConfig& config, Weights& weights) {
  PAWL_CHECK(adapter.layers.size() == config.num_hidden_layers);
  for (std::size_t i = 0; i < adapter.layers.size(); ++i) {
    const AdapterLayer& layer = adapter.layers[i];
    for (std::size_t m = 0; m < kLinearModules; ++m) {
      if (layer.modules[m].rank == 0) continue;
      const auto module = static_cast<LinearModule>(m);
      if (!MergeModule(layer.a[static_cast<std::size_t>(GroupOf(module))], layer.modules[m],
                       adapter.config.scale(), MatrixOf(weights.layers[i], module))) {
        return BadFile(
            ModulePath(i, m) +
            ": the merged weight is not finite, expected finite numbers; the adapter and "
            "this base do not belong together");
      }
    }
  }
  return {};
}

}  // namespace pawl
