// The forward pass: rows of tokens in, final hidden states out.  All paths (decode, prefill,
// scoring, training) run this one function over the same kernels, so the log-probability of a token
// is the same number everywhere, bit for bit.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "kernels/compute.h"
#include "kernels/softmax.h"
#include "model/kv_cache.h"
#include "model/model.h"

namespace pawl {

// Rows [row_begin, row_begin + row_count) of the batch continue `cache`: they take its next
// positions.
struct SequenceRows {
  std::size_t row_begin = 0, row_count = 0;
  KvSequence* cache = nullptr;
};

// Reusable buffers of the forward pass; grows to the largest batch seen.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  struct Buffers;
  Buffers& buffers() { return *buffers_; }

 private:
  std::unique_ptr<Buffers> buffers_;
};

// What the backward pass needs of one forward pass; see model/backward.h.
class SavedActivations;

// ids [T]; every row belongs to exactly one of `sequences`, rows ascending.  hidden [T, C] written:
// the final norm's output, what the head reads.  saved: null for inference. Positions beyond
// model.max_positions are the caller's mistake (PAWL_CHECK).
void Forward(const Policy& policy, const Compute& compute, std::span<const std::int32_t> ids,
             std::span<const SequenceRows> sequences, Scratch& scratch, SavedActivations* saved,
             MatrixView<float> hidden);

// logits [M, V] of hidden rows [M, C].
void HeadLogits(const Policy& policy, const Compute& compute, MatrixView<const float> hidden,
                MatrixView<float> logits);

// Per row of hidden [M, C]: log p(target), entropy, argmax of softmax(logits / temperature).  Rows
// go through in chunks, so that logits of twice kHeadChunkRows rows are the largest temporary.
// target -1: none (log_prob 0).  Outputs are written when not empty.
inline constexpr std::size_t kHeadChunkRows = 64;
struct HeadScores {
  std::span<float> log_probs, entropies;
  std::span<std::int32_t> argmax;
};
void HeadForward(const Policy& policy, const Compute& compute, MatrixView<const float> hidden,
                 std::span<const std::int32_t> targets, float inverse_temperature, Scratch& scratch,
                 const HeadScores& scores);

}  // namespace pawl
