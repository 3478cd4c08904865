// Log-softmax over the vocabulary, token choice, and the loss gradient of a row of logits.
// A row is cut into fixed chunks of 4096 logits; a chunk's sum is 16 lanes and a fixed tree, chunks
// are combined in order.
#pragma once

#include <cstdint>
#include <span>

#include "base/philox.h"
#include "base/views.h"
#include "kernels/compute.h"

namespace pawl {

struct RowStatistics {
  float max = 0;            // of z = logits * inverse_temperature
  float sum = 0;            // of exp(z - max)
  float log_sum = 0;        // its logarithm; log sum exp z = max + log_sum, never added up
  float entropy = 0;        // of softmax(z), in nats
  std::int32_t argmax = 0;  // lowest index of the largest logit
};

// For each row of logits [M, V].  inverse_temperature = float(1 / temperature); 1 leaves logits as
// they are.  log p(token) = (z[token] - max) - log_sum (LogProb): the large parts cancel first, so
// that a likely token's log p keeps all its bits.
void SoftmaxStatistics(const Compute& compute, MatrixView<const float> logits,
                       float inverse_temperature, std::span<RowStatistics> statistics);

inline float LogProb(float logit, float inverse_temperature, const RowStatistics& row) {
  return (logit * inverse_temperature - row.max) - row.log_sum;
}

// Turns logits into the gradient of the loss, in place: with c = dloss_dlogp[m],
//   dlogits[m,v] = c * ((v == target[m]) - softmax(z)[m,v]) * inverse_temperature
// and, with an entropy coefficient e = dloss_dentropy[m] (may be empty),
//   + e * -p (log p + H) * inverse_temperature.
void LogProbBackward(const Compute& compute, std::span<const std::int32_t> targets,
                     std::span<const RowStatistics> statistics, float inverse_temperature,
                     std::span<const float> dloss_dlogp, std::span<const float> dloss_dentropy,
                     MatrixView<float> logits);

// Gumbel-max sampling (Gumbel 1954; Maddison et al. 2014): the index of the largest
//   z[v] - log(E_v),  E_v = -log1p(-u_v),  u_v = (x_v + 0.5) / 2^32,
// x_v = number v of a Philox stream that block `position` of the stream (seed, kSampling, item,
// sample) names (counters: see softmax.cc).  logits of -inf are never chosen; -1 when there is no
// other.  z is read with inverse_temperature; ties go to the lowest index.
struct SampleAddress {
  std::uint64_t seed = 0;
  std::uint64_t item = 0;      // prompt
  std::uint32_t sample = 0;    // completion
  std::uint32_t position = 0;  // of the new token within the completion, from 0
};
std::int32_t GumbelArgmax(const Compute& compute, std::span<const float> logits,
                          float inverse_temperature, const SampleAddress& address);
// The same for many rows, spread over the threads.
void GumbelArgmaxRows(const Compute& compute, MatrixView<const float> logits,
                      float inverse_temperature, std::span<const SampleAddress> addresses,
                      std::span<std::int32_t> tokens);

}  // namespace pawl
