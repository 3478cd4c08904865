// What this machine allows at best: the larger of bytes over measured bandwidth and necessary
// arithmetic over the measured FMA peak.
#pragma once

#include <cstddef>

#include "checkpoint/model_config.h"
#include "kernels/machine.h"

namespace pawl {

enum class SpeedWork { kLoad, kPrefill, kDecode, kTrain, kFullTrain, kGrpoStep };
const char* SpeedWorkName(SpeedWork work);  // "load", "prefill", ...

// The size of one measured piece of work.  tokens: as tokens_per_second counts them.
struct SpeedShape {
  std::size_t batch = 1;  // sequences decoded together; completions of a group in training
  std::size_t prompt_tokens = 0;
  std::size_t new_tokens = 0;
};

// Tokens that tokens_per_second counts: the prompt (prefill), all new tokens (decode), or every
// prompt token once per group and every completion token once (train, grpo_step).
std::size_t SpeedTokens(SpeedWork work, const SpeedShape& shape);

// Seconds that the work takes at the ceiling; 0 when the work has none (load).
//   FLOPs of a token at context c: 2 x matrix weights + 4 x layers x heads x head_dim x c; the head
//   only where it is read.  A backward pass through frozen weights costs as much as the forward;
//   with weight gradients twice as much. Bytes of a decode step: all matrix weights as stored, and
//   the float32 keys and values of the batch.
//   With one byte a weight (int8) the forward products count against the int8 peak; attention and
//   backward products remain float32.
double CeilingSeconds(SpeedWork work, const SpeedShape& shape, const ModelConfig& config,
                      std::size_t bytes_per_weight, const MachinePeaks& peaks);

}  // namespace pawl
