// Hugging Face's logits processors, in its order: repetition penalty (also when greedy), then
// temperature, top_k, top_p, min_p.  Works on one row of logits; float32 scores, ExpF for
// probabilities, sums in double in ascending order of the token id.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rollout/generate.h"

namespace pawl {

// Buffers reused from row to row; one per thread.
struct FilterScratch {
  std::vector<float> scores, values;
  std::vector<std::int32_t> kept;
};

inline bool HasPenalty(const SamplingConfig& config) { return config.repetition_penalty != 1.0; }
// top_k, top_p or min_p; never when greedy.
bool HasFilters(const SamplingConfig& config);

// logits[id] of each id of `seen` (every id once): divided by the penalty when positive, multiplied
// when negative (Keskar et al. 2019, arXiv:1909.05858).
void ApplyRepetitionPenalty(float penalty, std::span<const std::int32_t> seen,
                            std::span<float> logits);

// Sets the logits that top_k, top_p and min_p drop to -inf; the others keep their value.  At least
// one stays.  Equal scores at the edge of top_p: the lower id stays.  A row with a NaN is left as
// it is.
void FilterLogits(const SamplingConfig& config, std::span<float> logits, FilterScratch& scratch);

}  // namespace pawl
