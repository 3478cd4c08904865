// The single-threaded kernels of one instruction set, as function pointers.  Private to kernels/:
// the public headers split work over threads and call these.  Every table gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/compute.h"
#include "kernels/packed_matrix.h"
#include "kernels/softmax.h"

namespace pawl {

inline constexpr std::size_t kChunk = 4096;  // logits of a chunk of the vocabulary

// What one chunk of a row of logits gives: see SoftmaxStatistics.
struct ChunkSums {
  float sum = 0;     // sum of e = exp(z - max)
  float moment = 0;  // sum of e * (z - max)
};

// The arguments of attention for one row and one key/value head.
struct AttentionTask {
  const float* queries;  // the group's first head; heads are head_dim apart
  std::size_t group;     // query heads of this key/value head
  std::size_t head_dim;
  float* const* pages;
  std::size_t key_offset;  // floats from a page's start to this head's keys
  std::size_t value_offset;
  std::size_t position;  // attends to 0..position
  float scale;
  float* out;          // as queries
  float* softmax_max;  // [group] or null
  float* softmax_sum;  // [group]
};

// One sequence and one key/value head, backward.
struct AttentionBackwardTask {
  std::size_t rows, position_begin, group, head_dim;
  const float *queries, *out, *dout;  // first row; row strides below
  const float *softmax_max, *softmax_sum;
  std::size_t query_stride, out_stride, dout_stride, dquery_stride, softmax_stride;
  float* const* pages;
  std::size_t key_offset, value_offset;
  float scale;
  float* dqueries;  // written
  float *dkeys,
      *dvalues;    // [position_begin + rows rounded up to 64][head_dim], zeroed by the caller
  float* scratch;  // 2 * 64 * head_dim floats
};

struct KernelTable {
  std::size_t tile_rows;  // rows of a full register tile
  // y[r][0..31] = (0 or y) + sum_k a[k * rows + r] * panel[k][..]; rows <= tile_rows, a packed
  // [k][rows].
  void (*tile_f32)(const float* a, std::size_t rows, const float* panel, std::size_t panel_stride,
                   std::size_t k, bool carry, float* y, std::size_t y_stride);
  void (*tile_bf16)(const float* a, std::size_t rows, const std::uint32_t* panel, std::size_t k,
                    bool carry, float* y, std::size_t y_stride);
  // One row and `panels` (1 to 4) consecutive panels of k x 32: independent chains for a single
  // row.
  void (*row_f32)(const float* a, const float* panel, std::size_t k, std::size_t panels, bool carry,
                  float* y);
  void (*row_bf16)(const float* a, const std::uint32_t* panel, std::size_t k, std::size_t panels,
                   bool carry, float* y);
  // 32 k-rows of a panel ([32][32] float or bf16 words) transposed to out[n][32 k], n = 0..31.
  void (*transpose_f32)(const float* block, std::size_t k_rows, float* out);
  void (*transpose_bf16)(const std::uint32_t* block, std::size_t k_rows, float* out);

  float (*rms_norm_row)(const float* x, const float* weight, float eps, std::size_t n, float* y);
  void (*rms_norm_backward_row)(const float* dy, const float* x, const float* weight, float rstd,
                                std::size_t n, bool add, float* dx);
  void (*norm_weight_row)(const float* dy, const float* x, float rstd, std::size_t n,
                          float* dweight);
  void (*rope_row)(const float* cos, const float* sin, std::size_t half, float sign, float* x);
  void (*swiglu_row)(const float* gate, const float* up, std::size_t n, float* y);
  void (*swiglu_backward_row)(const float* gate, const float* up, const float* dy, std::size_t n,
                              float* dgate, float* dup);
  void (*add_row)(const float* x, std::size_t n, float* y);
  void (*add_scaled_row)(float scale, const float* x, std::size_t n, float* y);
  void (*scale_row)(float scale, std::size_t n, float* x);

  void (*attention)(const AttentionTask& task);
  void (*attention_backward)(const AttentionBackwardTask& task);

  float (*max_row)(const float* x, std::size_t n, std::size_t* index);  // first of equals
  ChunkSums (*chunk_sums)(const float* logits, std::size_t n, float inverse_temperature, float max);
  void (*log_prob_backward)(float* logits, std::size_t n, float inverse_temperature,
                            const RowStatistics& row, float dlogp, float dentropy);
  // Largest of z[v] + gumbel[v] over v in [begin, end), begin a multiple of 64; the first of
  // equals.
  void (*gumbel_argmax)(const float* logits, std::size_t begin, std::size_t end,
                        float inverse_temperature, const SampleAddress& address, float* best,
                        std::size_t* index);

  // For measuring the machine: see machine.cc.
  int peak_chains;
  void (*fma_burst)(std::size_t iterations, float* result);
  void (*read_burst)(const float* data, std::size_t n, float* result);
};

extern const KernelTable kPortableKernels, kAvx2Kernels, kAvx512Kernels;

}  // namespace pawl
