#include "checkpoint/model_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"

namespace pawl {
namespace {

// What an architecture's code fixes that config.json does not say.
struct Architecture {
  const char* name;
  const char* model_type;
  bool qkv_bias;          // always present
  bool bias_from_config;  // attention_bias switches q, k, v and o
  bool qk_norm;
  double default_theta;
  std::size_t default_head_dim;  // 0: hidden_size / num_attention_heads
};
constexpr std::array kArchitectures = {
    Architecture{"Qwen2ForCausalLM", "qwen2", true, false, false, 10000, 0},
    Architecture{"Qwen3ForCausalLM", "qwen3", false, true, true, 10000, 128},
    Architecture{"LlamaForCausalLM", "llama", false, true, false, 10000, 0}};

// Larger than any model this is for; keeps every product of two sizes far from overflow.
constexpr std::size_t kMaxSize = std::size_t{1} << 24;
constexpr std::size_t kMaxLayers = 1024;

// Reads one config.json; the first problem stops it.
class Reader {
 public:
  Reader(const Json& json, const std::string& place) : json_(json), place_(place) {}

  bool Has(const char* key) const { return json_.contains(key) && !json_.at(key).is_null(); }
  const Json& at(const char* key) const { return json_.at(key); }
  tl::unexpected<Error> Bad(const char* key, const std::string& expected) const {
    return BadFile(fmt::format("{}: \"{}\" is {}, expected {}", place_, key,
                               Has(key) ? WriteJson(json_.at(key)).substr(0, 200) : "missing",
                               expected));
  }
  Result<std::size_t> Count(const char* key, std::optional<std::size_t> fallback,
                            std::size_t limit = kMaxSize) const {
    if (!Has(key) && fallback) return *fallback;
    if (!Has(key) || !at(key).is_number_integer() || at(key).get<double>() < 1 ||
        at(key).get<double>() > static_cast<double>(limit)) {
      return Bad(key, fmt::format("a whole number from 1 to {}", limit));
    }
    return at(key).get<std::size_t>();
  }
  Result<double> Positive(const char* key, double fallback) const {
    if (!Has(key)) return fallback;
    if (!at(key).is_number() || !(at(key).get<double>() > 0) ||
        !std::isfinite(at(key).get<double>())) {
      return Bad(key, "a number above 0");
    }
    return at(key).get<double>();
  }
  Result<bool> Flag(const char* key, bool fallback) const {
    if (!Has(key)) return fallback;
    if (!at(key).is_boolean()) return Bad(key, "true or false");
    return at(key).get<bool>();
  }
  // A key whose only supported value is the given text or its absence.
  Status Only(const char* key, const char* value) const {
    if (Has(key) && at(key) != Json(value)) return Bad(key, fmt::format("\"{}\"", value));
    return {};
  }
  Status MustBeOff(const char* key) const {
    if (Has(key) && at(key) != Json(false)) return Bad(key, "false: this is not supported");
    return {};
  }
  Status WholeRotation() const {
    const char* key = "partial_rotary_factor";
    if (Has(key) && at(key) != Json(1)) return Bad(key, "1: part rotations are not supported");
    return {};
  }
  const std::string& place() const { return place_; }

 private:
  const Json& json_;
  const std::string& place_;
};

Result<const Architecture*> FindArchitecture(const Reader& reader) {
  const std::string known = "Qwen2ForCausalLM, Qwen3ForCausalLM or LlamaForCausalLM";
  std::string name;
  if (reader.Has("architectures")) {
    const Json& list = reader.at("architectures");
    if (!list.is_array() || list.empty() || !list[0].is_string()) {
      return reader.Bad("architectures", "a list with one of " + known);
    }
    name = list[0].get<std::string>();
    for (const Architecture& architecture : kArchitectures) {
      if (name == architecture.name) return &architecture;
    }
    return reader.Bad("architectures", known);
  }
  for (const Architecture& architecture : kArchitectures) {
    if (reader.Has("model_type") && reader.at("model_type") == Json(architecture.model_type)) {
      return &architecture;
    }
  }
  return reader.Bad("model_type", "\"architectures\" with one of " + known);
}

Result<RopeConfig> ParseRope(const Reader& reader, double default_theta) {
  RopeConfig rope;
  PAWL_ASSIGN(rope.theta, reader.Positive("rope_theta", default_theta));
  const char* key = reader.Has("rope_parameters") ? "rope_parameters" : "rope_scaling";
  if (!reader.Has(key)) return rope;
  const Json& json = reader.at(key);
  if (!json.is_object()) return reader.Bad(key, "an object");
  const std::string place = fmt::format("{}: \"{}\"", reader.place(), key);
  const Reader scaling(json, place);
  PAWL_TRY(scaling.WholeRotation());
  PAWL_ASSIGN(rope.theta, scaling.Positive("rope_theta", rope.theta));
  const char* type_key = scaling.Has("rope_type") ? "rope_type" : "type";
  if (!scaling.Has(type_key)) {
    if (std::string(key) == "rope_parameters") return rope;
    return scaling.Bad("rope_type", "\"default\", \"linear\" or \"llama3\"");
  }
  const Json& type = scaling.at(type_key);
  if (type == Json("default")) return rope;
  if (type == Json("linear")) {
    rope.type = RopeType::kLinear;
    if (!scaling.Has("factor")) return scaling.Bad("factor", "a number above 0");
    PAWL_ASSIGN(rope.factor, scaling.Positive("factor", 1));
    return rope;
  }
  if (type != Json("llama3")) {
    return scaling.Bad(type_key, "\"default\", \"linear\" or \"llama3\"");
  }
  rope.type = RopeType::kLlama3;
  for (const char* needed : {"factor", "low_freq_factor", "high_freq_factor"}) {
    if (!scaling.Has(needed)) return scaling.Bad(needed, "a number above 0");
  }
  PAWL_ASSIGN(rope.factor, scaling.Positive("factor", 1));
  PAWL_ASSIGN(rope.low_freq_factor, scaling.Positive("low_freq_factor", 1));
  PAWL_ASSIGN(rope.high_freq_factor, scaling.Positive("high_freq_factor", 4));
  PAWL_ASSIGN(rope.original_max_position_embeddings,
              scaling.Count("original_max_position_embeddings", std::nullopt));
  if (!(rope.high_freq_factor > rope.low_freq_factor)) {
    return scaling.Bad("high_freq_factor", "more than low_freq_factor");
  }
  return rope;
}

Result<std::vector<std::int32_t>> ParseEos(const Reader& reader, std::size_t vocab) {
  std::vector<std::int32_t> ids;
  if (!reader.Has("eos_token_id")) return ids;
  const Json& eos = reader.at("eos_token_id");
  const std::string expected = fmt::format("token ids below {}", vocab);
  for (const Json& id : eos.is_array() ? eos : Json::array({eos})) {
    if (!id.is_number_integer() || id.get<double>() < 0 ||
        id.get<double>() >= static_cast<double>(vocab)) {
      return reader.Bad("eos_token_id", expected);
    }
    ids.push_back(id.get<std::int32_t>());
  }
  return ids;
}

std::int32_t OptionalId(const Reader& reader, const char* key) {
  return reader.Has(key) && reader.at(key).is_number_unsigned() ? reader.at(key).get<std::int32_t>()
                                                                : -1;
}

Status CheckUnsupported(const Reader& reader) {
  PAWL_TRY(reader.Only("hidden_act", "silu"));
  PAWL_TRY(reader.MustBeOff("use_sliding_window"));
  PAWL_TRY(reader.MustBeOff("mlp_bias"));
  PAWL_TRY(reader.MustBeOff("use_mrope"));
  PAWL_TRY(reader.MustBeOff("rope_interleaved"));
  PAWL_TRY(reader.WholeRotation());
  if (reader.Has("quantization_config")) {
    return reader.Bad("quantization_config", "absent: quantised checkpoints are not supported");
  }
  if (reader.Has("layer_types")) {
    for (const Json& type : reader.at("layer_types")) {
      if (type != Json("full_attention"))
        return reader.Bad("layer_types", "\"full_attention\" only");
    }
  }
  return {};
}

Status ParseSizes(const Reader& reader, std::size_t default_head_dim, ModelConfig& c) {
  PAWL_ASSIGN(c.vocab_size, reader.Count("vocab_size", std::nullopt));
  PAWL_ASSIGN(c.hidden_size, reader.Count("hidden_size", std::nullopt));
  PAWL_ASSIGN(c.intermediate_size, reader.Count("intermediate_size", std::nullopt));
  PAWL_ASSIGN(c.num_hidden_layers, reader.Count("num_hidden_layers", std::nullopt, kMaxLayers));
  PAWL_ASSIGN(c.num_attention_heads, reader.Count("num_attention_heads", std::nullopt));
  PAWL_ASSIGN(c.num_key_value_heads, reader.Count("num_key_value_heads", c.num_attention_heads));
  const bool divides = c.hidden_size % c.num_attention_heads == 0;
  if (!reader.Has("head_dim") && default_head_dim == 0 && !divides) {
    return reader.Bad("num_attention_heads",
                      fmt::format("a divisor of hidden_size {}", c.hidden_size));
  }
  const std::size_t head_dim =
      default_head_dim > 0 ? default_head_dim : c.hidden_size / c.num_attention_heads;
  PAWL_ASSIGN(c.head_dim, reader.Count("head_dim", std::max<std::size_t>(1, head_dim)));
  PAWL_ASSIGN(c.max_position_embeddings, reader.Count("max_position_embeddings", 32768));
  if (c.num_attention_heads % c.num_key_value_heads != 0) {
    return reader.Bad("num_key_value_heads",
                      fmt::format("a divisor of num_attention_heads {}", c.num_attention_heads));
  }
  if (c.head_dim % 2 != 0) return reader.Bad("head_dim", "an even number");
  if (c.head_dim * c.num_attention_heads > kMaxSize) {
    return reader.Bad("head_dim", fmt::format("heads x head_dim of at most {}", kMaxSize));
  }
  return {};
}

}  // namespace

Result<ModelConfig> ParseModelConfig(const std::string& text, const std::string& place) {
  PAWL_ASSIGN(const Json json, ParseJson(text, place));
  if (!json.is_object()) return BadFile(place + ": is not a JSON object");
  const Reader reader(json, place);
  PAWL_ASSIGN(const Architecture* architecture, FindArchitecture(reader));
  ModelConfig c;
  c.architecture = architecture->name;
  c.model_type = architecture->model_type;
  PAWL_TRY(CheckUnsupported(reader));
  PAWL_TRY(ParseSizes(reader, architecture->default_head_dim, c));
  PAWL_ASSIGN(const double eps, reader.Positive("rms_norm_eps", 1e-6));
  c.rms_norm_eps = static_cast<float>(eps);
  PAWL_ASSIGN(c.rope, ParseRope(reader, architecture->default_theta));
  PAWL_ASSIGN(c.tie_word_embeddings, reader.Flag("tie_word_embeddings", false));
  PAWL_ASSIGN(const bool bias, reader.Flag("attention_bias", false));
  c.attention_bias_qkv = architecture->qkv_bias || (architecture->bias_from_config && bias);
  c.attention_bias_o = architecture->bias_from_config && bias;
  c.qk_norm = architecture->qk_norm;
  PAWL_ASSIGN(c.eos_token_ids, ParseEos(reader, c.vocab_size));
  c.bos_token_id = OptionalId(reader, "bos_token_id");
  c.pad_token_id = OptionalId(reader, "pad_token_id");
  for (const char* key : {"torch_dtype", "dtype"}) {
    if (reader.Has(key) && reader.at(key).is_string()) c.dtype = reader.at(key).get<std::string>();
  }
  return c;
}

Result<ModelConfig> LoadModelConfig(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "config.json";
  PAWL_TRY(NeedsFile(folder, "config.json"));
  PAWL_ASSIGN(const std::string text, ReadFile(file, std::size_t{16} << 20));
  return ParseModelConfig(text, file.string());
}

std::string WriteModelConfig(const ModelConfig& c) {
  Json json;
  json["architectures"] = {c.architecture};
  json["attention_dropout"] = 0.0;
  if (c.model_type != "qwen2") json["attention_bias"] = c.attention_bias_qkv;
  if (c.bos_token_id >= 0) json["bos_token_id"] = c.bos_token_id;
  if (c.eos_token_ids.size() == 1) {
    json["eos_token_id"] = c.eos_token_ids[0];
  } else if (!c.eos_token_ids.empty()) {
    json["eos_token_id"] = c.eos_token_ids;
  }
  json["head_dim"] = c.head_dim;
  json["hidden_act"] = "silu";
  json["hidden_size"] = c.hidden_size;
  json["initializer_range"] = 0.02;
  json["intermediate_size"] = c.intermediate_size;
  json["max_position_embeddings"] = c.max_position_embeddings;
  json["model_type"] = c.model_type;
  json["num_attention_heads"] = c.num_attention_heads;
  json["num_hidden_layers"] = c.num_hidden_layers;
  json["num_key_value_heads"] = c.num_key_value_heads;
  if (c.pad_token_id >= 0) json["pad_token_id"] = c.pad_token_id;
  // The shortest decimal that reads back as this float, so that 1e-06 stays 1e-06.
  json["rms_norm_eps"] = std::strtod(fmt::format("{}", c.rms_norm_eps).c_str(), nullptr);
  if (c.rope.type == RopeType::kDefault) {
    json["rope_scaling"] = nullptr;
  } else {
    Json scaling{{"rope_type", c.rope.type == RopeType::kLinear ? "linear" : "llama3"},
                 {"factor", c.rope.factor}};
    if (c.rope.type == RopeType::kLlama3) {
      scaling["low_freq_factor"] = c.rope.low_freq_factor;
      scaling["high_freq_factor"] = c.rope.high_freq_factor;
      scaling["original_max_position_embeddings"] = c.rope.original_max_position_embeddings;
    }
    json["rope_scaling"] = scaling;
  }
  json["rope_theta"] = c.rope.theta;
  if (c.model_type != "llama") json["use_sliding_window"] = false;
  json["tie_word_embeddings"] = c.tie_word_embeddings;
  json["torch_dtype"] = c.dtype;
  json["use_cache"] = true;
  json["vocab_size"] = c.vocab_size;
  return WriteJsonPretty(json);
}

Result<std::vector<std::int32_t>> LoadStopIds(const std::filesystem::path& folder) {
  PAWL_ASSIGN(const ModelConfig config, LoadModelConfig(folder));
  std::vector<std::int32_t> ids = config.eos_token_ids;
  const std::filesystem::path file = folder / "generation_config.json";
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored)) {
    PAWL_ASSIGN(const std::string text, ReadFile(file, std::size_t{16} << 20));
    PAWL_ASSIGN(const Json json, ParseJson(text, file.string()));
    if (!json.is_object()) return BadFile(file.string() + ": is not a JSON object");
    const std::string place = file.string();
    PAWL_ASSIGN(const auto more, ParseEos(Reader(json, place), config.vocab_size));
    ids.insert(ids.end(), more.begin(), more.end());
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& c) {
  std::vector<ExpectedTensor> tensors{{"model.embed_tokens.weight", {c.vocab_size, c.hidden_size}}};
  const std::size_t q = c.num_attention_heads * c.head_dim;
  const std::size_t kv = c.num_key_value_heads * c.head_dim;
  for (std::size_t i = 0; i < c.num_hidden_layers; ++i) {
    const std::string layer = fmt::format("model.layers.{}.", i);
    const auto add = [&](const char* name, std::vector<std::size_t> shape) {
      tensors.push_back({layer + name, std::move(shape)});
    };
    add("input_layernorm.weight", {c.hidden_size});
    add("self_attn.q_proj.weight", {q, c.hidden_size});
    add("self_attn.k_proj.weight", {kv, c.hidden_size});
    add("self_attn.v_proj.weight", {kv, c.hidden_size});
    if (c.attention_bias_qkv) {
      add("self_attn.q_proj.bias", {q});
      add("self_attn.k_proj.bias", {kv});
      add("self_attn.v_proj.bias", {kv});
    }
    if (c.qk_norm) {
      add("self_attn.q_norm.weight", {c.head_dim});
      add("self_attn.k_norm.weight", {c.head_dim});
    }
    add("self_attn.o_proj.weight", {c.hidden_size, q});
    if (c.attention_bias_o) add("self_attn.o_proj.bias", {c.hidden_size});
    add("post_attention_layernorm.weight", {c.hidden_size});
    add("mlp.gate_proj.weight", {c.intermediate_size, c.hidden_size});
    add("mlp.up_proj.weight", {c.intermediate_size, c.hidden_size});
    add("mlp.down_proj.weight", {c.hidden_size, c.intermediate_size});
  }
  tensors.push_back({"model.norm.weight", {c.hidden_size}});
  if (!c.tie_word_embeddings) tensors.push_back({"lm_head.weight", {c.vocab_size, c.hidden_size}});
  return tensors;
}

}  // namespace pawl
