#include "train/memory_estimate.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

ModelConfig HalfBillion() {
  ModelConfig config;
  config.vocab_size = 151936;
  config.hidden_size = 896;
  config.intermediate_size = 4864;
  config.num_hidden_layers = 24;
  config.num_attention_heads = 14;
  config.num_key_value_heads = 2;
  config.head_dim = 64;
  config.tie_word_embeddings = true;
  config.attention_bias_qkv = true;
  return config;
}

StageSettings Grpo() {
  StageSettings settings;
  settings.gradient_accumulation_steps = 1;
  return settings;
}

// Measured peaks of one step of 128 + 8 x 256 tokens in that shape: docs/EXPERIMENTS.md.
TEST(MemoryEstimate, IsNearTheMeasuredPeakOfAHalfBillionParameters) {
  const ModelConfig config = HalfBillion();
  const LoraConfig lora;
  const MemoryEstimate bf16 = EstimateMemory(config, WeightType::kBf16, &lora, Grpo());
  EXPECT_GT(bf16.total(), 1.7e9);
  EXPECT_LT(bf16.total(), 2.3e9);
  const MemoryEstimate int8 = EstimateMemory(config, WeightType::kInt8, &lora, Grpo());
  EXPECT_EQ(bf16.total() - int8.total(), ParameterCount(config));
  StageSettings recomputed = Grpo();
  recomputed.gradient_checkpointing = true;
  EXPECT_LT(EstimateMemory(config, WeightType::kInt8, &lora, recomputed).activations,
            int8.activations / 2);
  const MemoryEstimate full = EstimateMemory(config, WeightType::kF32, nullptr, Grpo());
  EXPECT_EQ(full.weights + full.optimizer, ParameterCount(config) * 16);
}

TEST(MemoryEstimate, GrowsWithEverythingThatIsHeld) {
  const ModelConfig config = HalfBillion();
  LoraConfig lora;
  const auto total = [&](const StageSettings& settings) {
    return EstimateMemory(config, WeightType::kBf16, &lora, settings).total();
  };
  const std::size_t before = total(Grpo());
  StageSettings longer = Grpo(), wider = Grpo();
  longer.max_completion_length = 2048;
  wider.per_device_train_batch_size = 4;
  EXPECT_GT(total(longer), before);
  EXPECT_GT(total(wider), before);
  lora.r = 64;
  EXPECT_GT(total(Grpo()), before);
}

}  // namespace
}  // namespace pawl
