// From hidden states to tokens: head, recorded log-probabilities, filters, token choice.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/softmax.h"
#include "model/forward.h"
#include "rollout/filters.h"

namespace pawl {

// Owns the largest temporary, the logits of at most kHeadChunkRows rows (twice where filters or a
// penalty need a copy).  One call at a time.
class Sampler {
 public:
  Sampler(const Policy& policy, const Compute& compute, const SamplingConfig& config);

  // For each row of hidden [M, C] its next token and log p(token) of softmax(logits /
  // record_temperature), unfiltered.  seen[m]: the distinct ids of prompt and completion, read only
  // with a repetition penalty (then of length M).
  void Sample(MatrixView<const float> hidden, std::span<const SampleAddress> addresses,
              std::span<const std::span<const std::int32_t>> seen, std::span<std::int32_t> tokens,
              std::span<float> log_probs);

 private:
  void SampleChunk(MatrixView<const float> hidden, std::span<const SampleAddress> addresses,
                   std::span<const std::span<const std::int32_t>> seen,
                   std::span<std::int32_t> tokens, std::span<float> log_probs);
  // Logits after penalty and filters, as a view of `changed_`.
  MatrixView<const float> Change(MatrixView<const float> logits,
                                 std::span<const std::span<const std::int32_t>> seen);
  void Choose(MatrixView<const float> logits, bool changed,
              std::span<const SampleAddress> addresses, std::span<std::int32_t> tokens);

  Policy policy_;
  const Compute& compute_;
  SamplingConfig config_;
  float inverse_temperature_, inverse_record_temperature_;
  std::size_t vocabulary_;
  AlignedBuffer<float> logits_, changed_;
  std::vector<RowStatistics> statistics_, changed_statistics_;
  std::vector<FilterScratch> scratch_;  // one per thread
};

}  // namespace pawl
