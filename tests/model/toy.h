// Small models and batches for the tests of model/.
#pragma once

#include <cstdint>
#include <vector>

#include "base/philox.h"
#include "model/backward.h"
#include "model/forward.h"
#include "model/model.h"

namespace pawl {

enum class ToyKind { kQwen2, kQwen3, kLlama };

// Odd shapes on purpose: 3 query heads on one or three key/value heads, widths off the lane counts.
inline ModelConfig ToyConfig(ToyKind kind, bool tied) {
  ModelConfig config;
  config.vocab_size = 83;
  config.hidden_size = 36;
  config.intermediate_size = 52;
  config.num_hidden_layers = 2;
  config.num_attention_heads = 3;
  config.num_key_value_heads = kind == ToyKind::kLlama ? 3 : 1;
  config.head_dim = kind == ToyKind::kQwen3 ? 20 : 12;
  config.rms_norm_eps = 1e-6f;
  config.rope.theta = 10000;
  config.max_position_embeddings = 512;
  config.tie_word_embeddings = tied;
  config.attention_bias_qkv = kind == ToyKind::kQwen2;
  config.attention_bias_o = kind == ToyKind::kLlama;
  config.qk_norm = kind == ToyKind::kQwen3;
  return config;
}

inline float Noise(RandomStream& stream, float scale) {
  return static_cast<float>(2 * stream.Uniform() - 1) * scale;
}

// Biases and norms get noise too, so that no gradient path is trivially zero or one.
inline Model ToyModel(const ModelConfig& config, Precision precision, ThreadPool& pool,
                      std::uint64_t seed = 5) {
  Model model = MakeRandomModel(config, precision, seed, pool, 512);
  RandomStream stream({seed, RandomPurpose::kTest, 1, 0});
  for (Parameter& parameter : Parameters(config, model.weights)) {
    if (parameter.matrix == nullptr) {
      for (float& value : parameter.vector) value += Noise(stream, 0.2f);
    } else if (parameter.name == "model.embed_tokens.weight") {
      std::vector<float> values = ReadParameter(parameter);  // larger, or logits are all alike
      for (float& value : values) value *= 20;
      WriteParameter(parameter, values);
    }
  }
  return model;
}

inline Adapter ToyAdapter(const ModelConfig& config, const LoraConfig& lora,
                          std::uint64_t seed = 9) {
  Adapter adapter = *MakeAdapter(config, lora, seed);
  RandomStream stream({seed, RandomPurpose::kTest, 2, 0});
  for (const Parameter& tensor : AdapterTensors(adapter)) {
    if (!tensor.name.ends_with("lora_B.weight")) continue;
    std::vector<float> values = ReadParameter(tensor);
    for (float& value : values) value = Noise(stream, 0.3f);
    WriteParameter(tensor, values);
  }
  return adapter;
}

inline std::vector<std::int32_t> RandomIds(const ModelConfig& config, std::size_t count,
                                           std::uint64_t seed) {
  RandomStream stream({seed, RandomPurpose::kTest, 3, 0});
  std::vector<std::int32_t> ids(count);
  for (std::int32_t& id : ids) {
    id = static_cast<std::int32_t>(stream.Below(static_cast<std::uint32_t>(config.vocab_size)));
  }
  return ids;
}

// Hidden states of whole sequences run as one batch.
inline std::vector<std::vector<float>> RunWhole(
    const Policy& policy, const Compute& compute,
    const std::vector<std::vector<std::int32_t>>& sequences) {
  const std::size_t width = policy.model.config.hidden_size;
  KvCache cache(policy.model.config);
  std::vector<KvSequence> caches;
  std::vector<std::int32_t> ids;
  for (const auto& sequence : sequences) {
    caches.emplace_back(cache);
    ids.insert(ids.end(), sequence.begin(), sequence.end());
  }
  std::vector<SequenceRows> rows;
  std::size_t begin = 0;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    rows.push_back({begin, sequences[s].size(), &caches[s]});
    begin += sequences[s].size();
  }
  std::vector<float> hidden(ids.size() * width);
  Scratch scratch;
  Forward(policy, compute, ids, rows, scratch, nullptr, {hidden.data(), ids.size(), width});
  std::vector<std::vector<float>> out;
  begin = 0;
  for (const auto& sequence : sequences) {
    const auto first = hidden.begin() + static_cast<std::ptrdiff_t>(begin * width);
    out.emplace_back(first, first + static_cast<std::ptrdiff_t>(sequence.size() * width));
    begin += sequence.size();
  }
  return out;
}

}  // namespace pawl
