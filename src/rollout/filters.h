// The sampling filters of Hugging Face's generate, on one row of logits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rollout/generate.h"

namespace pawl {

// True when sampling is by temperature alone, so that logits can be used where they lie.
bool IsPlain(const SamplingConfig& config);

// logits [V] in place, in this order: repetition_penalty on the ids of `seen` (each once, however
// often it occurs), division by the temperature, top_k, top_p, min_p.  Dropped tokens become
// -infinity.  What is left is sampled at temperature 1.  Greedy: only the penalty is applied.
class LogitsFilter {
 public:
  void Apply(const SamplingConfig& config, std::span<const std::int32_t> prompt,
             std::span<const std::int32_t> completion, std::span<float> logits);

 private:
  void Penalise(double penalty, std::span<const std::int32_t> ids, std::span<float> logits);
  void KeepTopK(int k, std::span<float> logits);
  void KeepTopP(double p, std::span<float> logits);
  static void KeepMinP(double p, std::span<float> logits);

  std::vector<std::uint8_t> seen_;
  std::vector<float> sorted_;
};

}  // namespace pawl
