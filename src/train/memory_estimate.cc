#include "train/memory_estimate.h"

#include <algorithm>

#include "train/accumulate.h"

namespace pawl {
namespace {

// Program, libraries, tokenizer, data: 40 to 60 MB measured.
constexpr std::size_t kProgramBytes = std::size_t{60} << 20;
constexpr std::size_t kPassRows = 512;  // rows between products at once

struct Sizes {
  explicit Sizes(const ModelConfig& c)
      : query(c.num_attention_heads * c.head_dim), kv(c.num_key_value_heads * c.head_dim) {
    hidden = c.hidden_size;
    inner = c.intermediate_size;
    layers = c.num_hidden_layers;
    // Rows of low-rank pairs of one layer per unit of rank: in + out of all seven modules.
    lora_per_rank = (hidden + query) + 2 * (hidden + kv) + (query + hidden) + 2 * (hidden + inner) +
                    (inner + hidden);
  }
  std::size_t query, kv, hidden, inner, layers, lora_per_rank;
};

std::size_t BytesPerWeight(WeightType type) {
  return type == WeightType::kF32 ? 4 : type == WeightType::kBf16 ? 2 : 1;
}

}  // namespace

MemoryEstimate EstimateMemory(const ModelConfig& config, WeightType storage,
                              const LoraConfig* adapter, const StageSettings& settings) {
  const Sizes s(config);
  MemoryEstimate out;
  const std::size_t parameters = ParameterCount(config);
  const auto rank = static_cast<std::size_t>(adapter == nullptr ? 0 : std::max(adapter->r, 0));
  out.weights = parameters * BytesPerWeight(storage);
  const std::size_t trained = adapter == nullptr ? parameters : s.layers * rank * s.lora_per_rank;
  out.optimizer = trained * sizeof(float) * (adapter == nullptr ? 3 : 4);

  const Saving saving = settings.gradient_checkpointing ? Saving::kRecompute : Saving::kAll;
  const std::size_t lora_row = (saving == Saving::kAll ? s.layers : 1) * 7 * rank * sizeof(float);
  const std::size_t row = ActivationBytesPerRow(config, nullptr, saving) + lora_row;
  const auto completion = static_cast<std::size_t>(settings.max_completion_length);
  const auto groups = static_cast<std::size_t>(settings.per_device_train_batch_size);
  const auto generations = static_cast<std::size_t>(settings.num_generations);
  const std::size_t slice = std::max(
      completion,
      std::min(std::max<std::size_t>(kSliceBytes / row, 128), groups * generations * completion));
  out.activations = (groups * kEstimatePromptTokens + slice) * row;

  const std::size_t kv_row = s.layers * 2 * s.kv * sizeof(float);
  const auto prompts =
      groups * static_cast<std::size_t>(settings.gradient_accumulation_steps) * generations;
  const std::size_t sequences =
      std::min(prompts, static_cast<std::size_t>(std::max(settings.rollout_batch, 1)));
  out.rollout = sequences * (completion + kEstimatePromptTokens) * kv_row;
  const std::size_t logits = 2 * 64 * config.vocab_size * sizeof(float);
  const std::size_t between =
      kPassRows * (5 * s.inner + 8 * s.hidden + 2 * (s.query + s.kv)) * sizeof(float);
  out.temporaries = kProgramBytes + logits + between;
  return out;
}

}  // namespace pawl
