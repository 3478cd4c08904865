// Causal attention over a paged key/value cache, grouped queries, float32 throughout.
//
// A page holds 64 positions of one layer: keys [K][D][64] (d-major, so that keys lie in lanes),
// then values [K][64][D].  Page p of a sequence holds positions 64p .. 64p+63.  Unwritten slots are
// zero. H query heads, K key/value heads, D head width; query head h reads key/value head h / (H /
// K).
//
// Order (the same for a decode step, a prefill tile and a training tile): scores q.k over d
// ascending, then times 1/sqrt(D); running maximum and sum over pages from position 0, a page's sum
// in 16 lanes and a fixed tree; value sums over keys ascending.
#pragma once

#include <span>

#include "base/views.h"
#include "kernels/compute.h"

namespace pawl {

inline constexpr std::size_t kPagePositions = 64;

struct AttentionShape {
  std::size_t heads = 0, kv_heads = 0, head_dim = 0;
  std::size_t page_floats() const { return 2 * kv_heads * head_dim * kPagePositions; }
};

// Some rows of the batch that belong to one sequence: rows row_begin + i are its positions
// position_begin + i.  pages: the sequence's pages of the layer at hand, covering all positions
// up to the last row's.
struct AttentionRows {
  std::size_t row_begin = 0, row_count = 0, position_begin = 0;
  std::span<float* const> pages;
};

// Writes the rows' keys and values [T, K*D] into the pages.
void StoreKeysValues(const Compute& compute, const AttentionShape& shape,
                     std::span<const AttentionRows> sequences, MatrixView<const float> keys,
                     MatrixView<const float> values);

// out [T, H*D] from queries [T, H*D]; row at position p attends to positions 0..p.
// softmax [T, 2H] is written when it is not empty: each head's largest score, then each head's sum
// of exp(score - largest).  AttentionBackward divides by the sum as the forward pass did; one
// log-sum-exp instead would lose the last bits of probabilities that must sum to 1.
void AttentionForward(const Compute& compute, const AttentionShape& shape,
                      std::span<const AttentionRows> sequences, MatrixView<const float> queries,
                      MatrixView<float> out, MatrixView<float> softmax);

// Gradients of a sequence whose first prefix_positions keys belong to somebody else (the prompt of
// its group): those go, ADDED in the order of `sequences`, to dprefix_keys / dprefix_values
// [prefix_positions, K*D]; its own keys' gradients are WRITTEN to the rows of dkeys / dvalues.
// Sequences that share a prefix buffer are added one after another: the bits do not depend on
// threads or on how sequences are spread over calls.
struct AttentionGradientRows {
  AttentionRows rows;
  MatrixView<float> dprefix_keys, dprefix_values;  // empty when position_begin is 0
};
// dqueries [T, H*D], dkeys, dvalues [T, K*D] written for the rows named.
void AttentionBackward(const Compute& compute, const AttentionShape& shape,
                       std::span<const AttentionGradientRows> sequences,
                       MatrixView<const float> queries, MatrixView<const float> out,
                       MatrixView<const float> softmax, MatrixView<const float> dout,
                       MatrixView<float> dqueries, MatrixView<float> dkeys,
                       MatrixView<float> dvalues);

}  // namespace pawl
