// Memory that training will need, from shapes alone, before a weight is read.
#pragma once

#include "model/model.h"
#include "train/settings.h"

namespace pawl {

// Bytes by purpose.  Activations assume prompts of kEstimatePromptTokens.
inline constexpr std::size_t kEstimatePromptTokens = 256;
struct MemoryEstimate {
  std::size_t weights = 0;      // as stored in memory
  std::size_t optimizer = 0;    // trained values in float32, gradients, two moments
  std::size_t activations = 0;  // of a micro-batch's prompts and one slice of completions
  std::size_t rollout = 0;      // keys and values of the sequences decoded together
  std::size_t temporaries = 0;  // logits of a chunk, rows between products, program and libraries
  std::size_t total() const { return weights + optimizer + activations + rollout + temporaries; }
};

// storage: of the matrices; adapter: null for full training, whose matrices are kF32.
MemoryEstimate EstimateMemory(const ModelConfig& config, WeightType storage,
                              const LoraConfig* adapter, const StageSettings& settings);

}  // namespace pawl
