// PEFT's adapter folder: adapter_config.json and adapter_model.safetensors.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/check.h"
#include "base/file.h"
#include "base/file_system.h"
#include "base/folder.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "model/adapter.h"
#include "model/adapter_modules.h"

namespace pawl {
namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kWeightsFile = "adapter_model.safetensors";
constexpr const char* kPrefix = "base_model.model.";

// Null, false, 0, "", [] and {} all mean "not used".
bool IsUnset(const Json& value) {
  if (value.is_null()) return true;
  if (value.is_boolean()) return !value.get<bool>();
  return (value.is_array() || value.is_object()) && value.empty();
}

// Keys that change what an adapter computes and are not supported.
Status CheckUnsupported(const Json& json, const std::string& place) {
  for (const char* key :
       {"use_dora", "lora_bias", "fan_in_fan_out", "rank_pattern", "alpha_pattern",
        "layer_replication", "modules_to_save", "trainable_token_indices", "target_parameters",
        "use_qalora", "use_bdlora", "alora_invocation_tokens", "arrow_config", "kasa_config",
        "monteclora_config"}) {
    if (json.contains(key) && !IsUnset(json[key])) {
      return BadFile(place + ": \"" + key + "\" is " + WriteJson(json[key]) +
                     ", which is not supported; expected it unset");
    }
  }
  if (json.contains("bias") && json["bias"] != "none") {
    return BadFile(place + ": \"bias\" is " + WriteJson(json["bias"]) + ", expected \"none\"");
  }
  const Json init = json.value("init_lora_weights", Json(true));
  if (init.is_string()) {
    for (const char* name : {"pissa", "olora", "corda", "loftq"}) {
      if (init.get<std::string>().starts_with(name)) {
        return BadFile(place + ": \"init_lora_weights\" is " + WriteJson(init) +
                       ", which changes the base weights; convert the adapter to plain LoRA");
      }
    }
  }
  return {};
}

// target_modules: a list is kept; anything else ("all-linear", a regular expression, null) leaves
// the choice to the tensors that are there.
Result<std::vector<std::string>> ReadTargets(const Json& json, const std::string& place) {
  std::vector<std::string> targets;
  const Json value = json.value("target_modules", Json());
  if (value.is_null() || value.is_string()) return targets;
  if (!value.is_array()) {
    return BadFile(place + ": \"target_modules\" is " + WriteJson(value) +
                   ", expected a list of names or a string");
  }
  for (const Json& target : value) {
    if (!target.is_string()) {
      return BadFile(place + ": \"target_modules\" holds " + WriteJson(target) +
                     ", expected names");
    }
    targets.push_back(target.get<std::string>());
  }
  std::sort(targets.begin(), targets.end());
  return targets;
}

Result<LoraConfig> ReadLoraConfig(const std::filesystem::path& folder) {
  const std::string place = (folder / kConfigFile).string();
  PAWL_TRY(NeedsFile(folder, kConfigFile));
  PAWL_ASSIGN(const std::string text, ReadFile(folder / kConfigFile));
  PAWL_ASSIGN(const Json json, ParseJson(text, place));
  if (!json.is_object()) return BadFile(place + ": expected a JSON object");
  PAWL_ASSIGN(const std::string type, JsonString(json, "peft_type", place));
  if (type != "LORA") {
    return BadFile(place + ": \"peft_type\" is \"" + type + "\", expected \"LORA\"");
  }
  PAWL_TRY(CheckUnsupported(json, place));
  LoraConfig config;
  PAWL_ASSIGN(const long long rank, JsonInt(json, "r", place));
  if (rank < 1 || rank > 65536) {
    return BadFile(fmt::format("{}: \"r\" is {}, expected 1 to 65536", place, rank));
  }
  config.r = static_cast<int>(rank);
  PAWL_ASSIGN(config.lora_alpha, JsonNumber(json, "lora_alpha", place));
  if (!(config.lora_alpha > 0) || !std::isfinite(config.lora_alpha)) {
    return BadFile(
        fmt::format("{}: \"lora_alpha\" is {}, expected above 0", place, config.lora_alpha));
  }
  if (json.contains("use_rslora")) {
    PAWL_ASSIGN(config.use_rslora, JsonBool(json, "use_rslora", place));
  }
  PAWL_ASSIGN(config.target_modules, ReadTargets(json, place));
  return config;
}

std::string TensorName(const std::string& path, char factor) {
  return kPrefix + path + ".lora_" + factor + ".weight";
}

// Which modules of a layer have both factors; every other tensor is an error.
Result<std::array<bool, kLinearModules>> AdaptedModules(const SafetensorsFile& file,
                                                        std::size_t layer, std::size_t& found) {
  std::array<bool, kLinearModules> adapted{};
  for (std::size_t m = 0; m < kLinearModules; ++m) {
    const std::string path = ModulePath(layer, m);
    const bool a = file.Find(TensorName(path, 'A')) != nullptr;
    const bool b = file.Find(TensorName(path, 'B')) != nullptr;
    if (a != b) {
      return BadFile(file.path().string() + ": " + TensorName(path, a ? 'B' : 'A') +
                     " is missing, expected both factors of " + path);
    }
    adapted[m] = a;
    found += a ? 2 : 0;
  }
  return adapted;
}

Status ReadTensor(const SafetensorsFile& file, const Parameter& parameter) {
  const TensorInfo* info = file.Find(parameter.name);
  if (info->shape != parameter.shape) {
    return BadFile(fmt::format("{}: tensor {} has shape {}, expected {}", file.path().string(),
                               parameter.name, ShapeText(info->shape), ShapeText(parameter.shape)));
  }
  PAWL_ASSIGN(const std::vector<float> values, file.ReadFloats(parameter.name));
  for (const float value : values) {
    if (!std::isfinite(value)) {
      return BadFile(file.path().string() + ": tensor " + parameter.name +
                     " holds NaN or an infinity, expected finite numbers");
    }
  }
  WriteParameter(parameter, values);
  return {};
}

// Names the first tensor that belongs to no linear module of the model.
tl::unexpected<Error> UnknownTensor(const SafetensorsFile& file, Adapter& adapter) {
  const std::vector<Parameter> known = AdapterTensors(adapter);
  for (const TensorInfo& tensor : file.tensors()) {
    if (std::none_of(known.begin(), known.end(),
                     [&](const Parameter& p) { return p.name == tensor.name; })) {
      return BadFile(file.path().string() + ": tensor " + tensor.name +
                     " belongs to no linear module of this model, expected names such as " +
                     TensorName(ModulePath(0, 0), 'A'));
    }
  }
  return BadFile(file.path().string() + ": has no tensors, expected an adapter's");
}

// What adapter_config.json says of the modules that are adapted.
struct Listing {
  std::vector<std::string> targets, excluded;  // names; empty targets: whatever tensors are there
  std::optional<std::vector<long long>> layers;
  // Does the list alone tell which modules have tensors?
  bool whole() const { return !targets.empty() && excluded.empty() && !layers; }
};

// layers_to_transform (a number or a list) and exclude_modules (a list of names).
Result<Listing> ReadListing(const std::filesystem::path& folder,
                            const std::vector<std::string>& targets) {
  const std::string place = (folder / kConfigFile).string();
  PAWL_ASSIGN(const std::string text, ReadFile(folder / kConfigFile));
  PAWL_ASSIGN(const Json json, ParseJson(text, place));
  Listing listing;
  listing.targets = targets;
  const auto wrong = [&](const char* key, const char* expected) {
    return BadFile(
        fmt::format("{}: \"{}\" is {}, expected {}", place, key, WriteJson(json[key]), expected));
  };
  const auto items = [](const Json& value) { return value.is_array() ? value : Json{value}; };
  if (json.contains("layers_to_transform") && !json["layers_to_transform"].is_null()) {
    listing.layers.emplace();
    for (const Json& layer : items(json["layers_to_transform"])) {
      if (!layer.is_number_integer()) return wrong("layers_to_transform", "layer numbers");
      listing.layers->push_back(layer.get<long long>());
    }
  }
  if (json.contains("exclude_modules") && !IsUnset(json["exclude_modules"])) {
    for (const Json& name : items(json["exclude_modules"])) {
      if (!name.is_string() || !json["exclude_modules"].is_array()) {
        return wrong("exclude_modules", "a list of names");
      }
      listing.excluded.push_back(name.get<std::string>());
    }
  }
  return listing;
}

// The configuration and the tensors must speak of the same modules.
Status CheckListed(const Listing& listing, const Adapter& adapter,
                   const std::filesystem::path& folder) {
  const std::string place = (folder / kConfigFile).string();
  for (std::size_t i = 0; i < adapter.layers.size(); ++i) {
    for (std::size_t m = 0; m < kLinearModules; ++m) {
      const std::string path = ModulePath(i, m);
      const auto in = [&](const std::vector<std::string>& names) {
        return std::any_of(names.begin(), names.end(),
                           [&](const std::string& target) { return MatchesTarget(path, target); });
      };
      const bool named = in(listing.targets);
      if (adapter.layers[i].modules[m].rank == 0) {
        if (!named || !listing.whole()) continue;
        return BadFile((folder / kWeightsFile).string() + ": " + TensorName(path, 'A') +
                       " is missing; \"target_modules\" in " + kConfigFile + " names its module");
      }
      const auto layer = static_cast<long long>(i);
      const char* against =
          !named && !listing.targets.empty() ? "\"target_modules\" does not name "
          : in(listing.excluded)             ? "\"exclude_modules\" names "
          : listing.layers && std::count(listing.layers->begin(), listing.layers->end(), layer) == 0
              ? "\"layers_to_transform\" leaves out "
              : nullptr;
      if (against == nullptr) continue;
      return BadFile(place + ": " + against + path + ", which " + kWeightsFile +
                     " adapts; the files do not belong together");
    }
  }
  return {};
}

std::string ConfigText(const LoraConfig& lora, const std::string& base) {
  Json targets = Json::array();
  const bool all = std::find(lora.target_modules.begin(), lora.target_modules.end(),
                             "all-linear") != lora.target_modules.end();
  if (all) {
    for (std::size_t m = 0; m < kLinearModules; ++m) {
      targets.push_back(LinearModuleName(static_cast<LinearModule>(m)));
    }
  } else {
    targets = lora.target_modules;
  }
  // The keys that every release of PEFT knows; older ones fail on others.
  const Json json = {{"alpha_pattern", Json::object()},
                     {"auto_mapping", nullptr},
                     {"base_model_name_or_path", base},
                     {"bias", "none"},
                     {"fan_in_fan_out", false},
                     {"inference_mode", true},
                     {"init_lora_weights", true},
                     {"layers_pattern", nullptr},
                     {"layers_to_transform", nullptr},
                     {"lora_alpha", lora.lora_alpha},
                     {"lora_dropout", 0.0},
                     {"modules_to_save", nullptr},
                     {"peft_type", "LORA"},
                     {"r", lora.r},
                     {"rank_pattern", Json::object()},
                     {"revision", nullptr},
                     {"target_modules", targets},
                     {"task_type", "CAUSAL_LM"},
                     {"use_dora", false},
                     {"use_rslora", lora.use_rslora}};
  return WriteJsonPretty(json);
}

}  // namespace

Result<Adapter> LoadAdapter(const std::filesystem::path& folder, const ModelConfig& config) {
  Adapter adapter;
  PAWL_ASSIGN(adapter.config, ReadLoraConfig(folder));
  adapter.scale = static_cast<float>(adapter.config.scale());
  PAWL_TRY(NeedsFile(folder, kWeightsFile));
  PAWL_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(folder / kWeightsFile));
  std::size_t found = 0;
  for (std::size_t i = 0; i < config.num_hidden_layers; ++i) {
    PAWL_ASSIGN(const auto adapted, AdaptedModules(file, i, found));
    // Before anything of rank r is allocated, the file has shown a tensor of that rank.
    for (std::size_t m = 0; m < kLinearModules; ++m) {
      const TensorInfo* a = adapted[m] ? file.Find(TensorName(ModulePath(i, m), 'A')) : nullptr;
      if (a == nullptr) continue;
      if (a->shape.size() != 2 || a->shape[0] != static_cast<std::size_t>(adapter.config.r)) {
        return BadFile(fmt::format("{}: tensor {} has shape {}, expected \"r\" = {} rows",
                                   file.path().string(), a->name, ShapeText(a->shape),
                                   adapter.config.r));
      }
    }
    adapter.layers.push_back(
        MakeAdapterLayer(config, static_cast<std::size_t>(adapter.config.r), adapted));
  }
  if (found == 0 || found != file.tensors().size()) return UnknownTensor(file, adapter);
  std::vector<std::string> paths;
  for (const Parameter& parameter : AdapterTensors(adapter)) {
    PAWL_TRY(ReadTensor(file, parameter));
    const std::string& name = parameter.name;
    if (name.ends_with(".lora_A.weight")) {
      const std::size_t prefix = std::string(kPrefix).size();
      paths.push_back(
          name.substr(prefix, name.size() - prefix - std::string(".lora_A.weight").size()));
    }
  }
  PAWL_ASSIGN(const Listing listing, ReadListing(folder, adapter.config.target_modules));
  PAWL_TRY(CheckListed(listing, adapter, folder));
  // Saved again it is the list alone that tells the modules.
  if (!listing.whole()) adapter.config.target_modules = paths;
  return adapter;
}

Status SaveAdapter(const Adapter& adapter, const ModelConfig& config, const std::string& base,
                   const std::filesystem::path& folder) {
  PAWL_CHECK(adapter.layers.size() == config.num_hidden_layers);
  PAWL_TRY(MakeDirectories(folder));
  std::vector<FloatTensor> tensors;
  // Parameters only point into the factors; nothing is written through them here.
  for (const Parameter& parameter : AdapterTensors(const_cast<Adapter&>(adapter))) {
    tensors.push_back({parameter.name, parameter.shape, ReadParameter(parameter)});
  }
  PAWL_TRY(WriteSafetensors(folder / kWeightsFile, std::move(tensors)));
  return WriteFileAtomic(folder / kConfigFile, ConfigText(adapter.config, base));
}

}  // namespace pawl
