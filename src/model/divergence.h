// How far one policy's next-token distributions lie from another's: what int8 weights cost.
#pragma once

#include <span>
#include <vector>

#include "model/forward.h"

namespace pawl {

struct Divergence {
  std::size_t positions = 0;            // distributions compared: one after every given id
  double mean_kl = 0, max_kl = 0;       // KL(reference || other) over the whole vocabulary, nats
  double greedy_agreement = 0;          // share of positions with the same most likely token
  double mean_log_prob_difference = 0;  // mean |log p - log q| of the ids that follow
};

// Temperature 1.  Both policies share a vocabulary; ids lie in it, lines are not empty and fit both
// models' positions.
Divergence MeasureDivergence(const Policy& reference, const Policy& other, const Compute& compute,
                             std::span<const std::vector<std::int32_t>> lines);

}  // namespace pawl
