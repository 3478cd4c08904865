// Numbers for comparison with a reference: what the verbs `score`, `debug logits` and `debug
// gradients` print.  Callers have checked that ids lie in the vocabulary, that sequences are not
// empty and that they fit model.max_positions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/backward.h"

namespace pawl {

struct SequenceScores {
  std::vector<float> log_probs;      // [n-1] of ids[t+1] given ids[..t], temperature 1
  std::vector<float> entropies;      // [n-1] of the distribution after ids[..t], nats
  std::vector<std::int32_t> argmax;  // [n]
};
SequenceScores ScoreSequence(const Policy& policy, const Compute& compute,
                             std::span<const std::int32_t> ids, Scratch& scratch);

struct SequenceLogits {
  std::vector<float> logits;        // [n, V]
  std::vector<float> final_hidden;  // [n, C]
};
SequenceLogits LogitsOf(const Policy& policy, const Compute& compute,
                        std::span<const std::int32_t> ids, Scratch& scratch);

// mask[j] = 1: ids[j] is a target, read from position j-1; mask[0] is ignored.  Lengths are equal.
struct MaskedSequence {
  std::vector<std::int32_t> ids;
  std::vector<int> mask;
};
struct NamedTensor {
  std::string name;
  std::vector<std::size_t> shape;
  std::vector<float> values;
};
struct LossGradients {
  double loss = 0;                     // sum over all lines and targets of -log p
  std::vector<NamedTensor> gradients;  // by parameter name; with an adapter only the adapter's
};
// The parameters' gradients are float32 sums in the order of lines and positions.
LossGradients MaskedLossGradients(const Policy& policy, const Compute& compute,
                                  std::span<const MaskedSequence> lines, Scratch& scratch);

}  // namespace pawl
