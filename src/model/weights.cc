#include "model/weights.h"

#include <algorithm>

#include "base/check.h"

namespace pawl {
namespace {

std::string LayerName(std::size_t layer, const char* rest) {
  return "model.layers." + std::to_string(layer) + "." + rest;
}

// Collects the parameters of one layer in the order of the computation.
void AppendLayer(const ModelConfig& config, std::size_t index, LayerWeights& layer,
                 std::vector<Parameter>& out) {
  const std::size_t hidden = config.hidden_size, inner = config.intermediate_size;
  const std::size_t q_rows = config.num_attention_heads * config.head_dim;
  const std::size_t kv_rows = config.num_key_value_heads * config.head_dim;
  const auto vector = [&](const char* name, std::span<float> values) {
    if (!values.empty()) {
      out.push_back({LayerName(index, name), {values.size()}, nullptr, 0, values});
    }
  };
  const auto rows = [&](const char* name, PackedMatrix& matrix, std::size_t begin,
                        std::size_t count) {
    out.push_back({LayerName(index, name), {count, matrix.k()}, &matrix, begin, {}});
  };
  const auto bias = [&](const char* name, std::size_t begin, std::size_t count) {
    if (!layer.qkv_bias.empty()) vector(name, layer.qkv_bias.span().subspan(begin, count));
  };
  PAWL_CHECK(layer.qkv.k() == hidden && layer.gate_up.n() == 2 * inner);
  vector("input_layernorm.weight", layer.input_norm.span());
  rows("self_attn.q_proj.weight", layer.qkv, 0, q_rows);
  bias("self_attn.q_proj.bias", 0, q_rows);
  rows("self_attn.k_proj.weight", layer.qkv, q_rows, kv_rows);
  bias("self_attn.k_proj.bias", q_rows, kv_rows);
  rows("self_attn.v_proj.weight", layer.qkv, q_rows + kv_rows, kv_rows);
  bias("self_attn.v_proj.bias", q_rows + kv_rows, kv_rows);
  vector("self_attn.q_norm.weight", layer.q_norm.span());
  vector("self_attn.k_norm.weight", layer.k_norm.span());
  rows("self_attn.o_proj.weight", layer.o, 0, hidden);
  vector("self_attn.o_proj.bias", layer.o_bias.span());
  vector("post_attention_layernorm.weight", layer.post_attention_norm.span());
  rows("mlp.gate_proj.weight", layer.gate_up, 0, inner);
  rows("mlp.up_proj.weight", layer.gate_up, inner, inner);
  rows("mlp.down_proj.weight", layer.down, 0, hidden);
}

}  // namespace

std::size_t Weights::bytes() const {
  std::size_t vectors = final_norm.size();
  std::size_t total = embed.bytes() + lm_head.bytes();
  for (const LayerWeights& layer : layers) {
    total += layer.qkv.bytes() + layer.o.bytes() + layer.gate_up.bytes() + layer.down.bytes();
    vectors += layer.input_norm.size() + layer.post_attention_norm.size() + layer.qkv_bias.size() +
               layer.q_norm.size() + layer.k_norm.size() + layer.o_bias.size();
  }
  return total + vectors * sizeof(float);
}

Weights MakeWeights(const ModelConfig& config, WeightType matrices) {
  const std::size_t hidden = config.hidden_size, inner = config.intermediate_size;
  const std::size_t q_rows = config.num_attention_heads * config.head_dim;
  const std::size_t qkv_rows = q_rows + 2 * config.num_key_value_heads * config.head_dim;
  Weights weights;
  weights.embed = PackedMatrix(matrices, config.vocab_size, hidden);
  weights.layers.resize(config.num_hidden_layers);
  for (LayerWeights& layer : weights.layers) {
    layer.input_norm = AlignedBuffer<float>(hidden);
    layer.post_attention_norm = AlignedBuffer<float>(hidden);
    layer.qkv = PackedMatrix(matrices, qkv_rows, hidden);
    if (config.attention_bias_qkv) layer.qkv_bias = AlignedBuffer<float>(qkv_rows);
    if (config.qk_norm) {
      layer.q_norm = AlignedBuffer<float>(config.head_dim);
      layer.k_norm = AlignedBuffer<float>(config.head_dim);
    }
    layer.o = PackedMatrix(matrices, hidden, q_rows);
    if (config.attention_bias_o) layer.o_bias = AlignedBuffer<float>(hidden);
    layer.gate_up = PackedMatrix(matrices, 2 * inner, hidden);
    layer.down = PackedMatrix(matrices, hidden, inner);
  }
  weights.final_norm = AlignedBuffer<float>(hidden);
  if (!config.tie_word_embeddings) {
    weights.lm_head = PackedMatrix(matrices, config.vocab_size, hidden);
  }
  return weights;
}

std::vector<Parameter> Parameters(const ModelConfig& config, Weights& weights) {
  std::vector<Parameter> out;
  const auto whole = [&out](const char* name, PackedMatrix& matrix) {
    out.push_back({name, {matrix.n(), matrix.k()}, &matrix, 0, {}});
  };
  whole("model.embed_tokens.weight", weights.embed);
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    AppendLayer(config, i, weights.layers[i], out);
  }
  out.push_back(
      {"model.norm.weight", {weights.final_norm.size()}, nullptr, 0, weights.final_norm.span()});
  if (!weights.lm_head.empty()) whole("lm_head.weight", weights.lm_head);
  return out;
}

std::vector<float> ReadParameter(const Parameter& parameter) {
  if (parameter.matrix == nullptr) return {parameter.vector.begin(), parameter.vector.end()};
  const std::size_t rows = parameter.shape[0], cols = parameter.shape[1];
  std::vector<float> values(rows * cols);
  parameter.matrix->GetRows(parameter.row_begin, {values.data(), rows, cols});
  return values;
}

void WriteParameter(const Parameter& parameter, std::span<const float> values) {
  if (parameter.matrix == nullptr) {
    PAWL_CHECK(values.size() == parameter.vector.size());
    std::copy(values.begin(), values.end(), parameter.vector.begin());
    return;
  }
  const std::size_t rows = parameter.shape[0], cols = parameter.shape[1];
  PAWL_CHECK(values.size() == rows * cols);
  parameter.matrix->SetRows(parameter.row_begin, {values.data(), rows, cols});
}

std::vector<FlatParameter> Flatten(Weights& weights) {
  std::vector<FlatParameter> out;
  const auto matrix = [&out](const std::string& name, PackedMatrix& values) {
    PAWL_CHECK(values.empty() || values.type() == WeightType::kF32);
    if (!values.empty()) out.push_back({name, values.data(), true});
  };
  const auto vector = [&out](const std::string& name, AlignedBuffer<float>& values) {
    if (!values.empty()) out.push_back({name, values.span(), false});
  };
  matrix("model.embed_tokens.weight", weights.embed);
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    LayerWeights& layer = weights.layers[i];
    vector(LayerName(i, "input_layernorm.weight"), layer.input_norm);
    matrix(LayerName(i, "self_attn.qkv.weight"), layer.qkv);
    vector(LayerName(i, "self_attn.qkv.bias"), layer.qkv_bias);
    vector(LayerName(i, "self_attn.q_norm.weight"), layer.q_norm);
    vector(LayerName(i, "self_attn.k_norm.weight"), layer.k_norm);
    matrix(LayerName(i, "self_attn.o_proj.weight"), layer.o);
    vector(LayerName(i, "self_attn.o_proj.bias"), layer.o_bias);
    vector(LayerName(i, "post_attention_layernorm.weight"), layer.post_attention_norm);
    matrix(LayerName(i, "mlp.gate_up.weight"), layer.gate_up);
    matrix(LayerName(i, "mlp.down_proj.weight"), layer.down);
  }
  vector("model.norm.weight", weights.final_norm);
  matrix("lm_head.weight", weights.lm_head);
  return out;
}

}  // namespace pawl
