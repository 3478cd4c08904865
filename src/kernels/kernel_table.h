// What an instruction set provides: loops over plain memory, one thread's share of an operation.
// The functions of kernels/*.h check shapes, spread the work and call these.  Every implementation
// gives the same bits; the portable one is the reference.  Private to kernels/.
//
// No std templates and no inline functions here or in what this file includes: the *_avx2.cc and
// *_avx512.cc files include it, and a shared inline function compiled there could be chosen by the
// linker for the whole program.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pawl {

// c[r, n] = (0 or c[r, n]) + sum_s a[r * a_row + s * a_step] * w(s, n), s ascending, one
// accumulator, for r < rows and n < columns.  Column n lies in panel n / 32, lane j = n % 32:
//   float32  w(s, n) = w[panel * w_panel + s * w_step + j]
//   bf16     word w[panel * w_panel + s * w_step + j % 16], its low half for j < 16, else its high
// float32 lanes at and beyond `columns` are neither read nor written.
struct PanelProduct {
  const float* a = nullptr;
  std::size_t a_row = 0, a_step = 0;
  const void* w = nullptr;  // float or uint32
  std::size_t w_step = 0, w_panel = 0;
  float* c = nullptr;
  std::size_t c_row = 0;
  std::size_t rows = 0, columns = 0, steps = 0;
  bool from_zero = true;
};

// c[r, n] = (0 or c[r, n]) + float(sum_k a[r, k] w[n, k] - offset[n]) * (row_scale[r] *
// column_scale[n]), the sum exact in int32.  a holds bytes from 1 to 127, w bytes from -127 to 127,
// so that two neighbouring products fit 16 bits.  Line g of a panel: 4 bytes (k = 4g .. 4g + 3) for
// each of 32 columns.  column_scale and offset are readable up to a multiple of 32.
struct Int8Product {
  const std::uint8_t* a = nullptr;
  std::size_t a_row = 0;  // bytes
  const std::int8_t* w = nullptr;
  std::size_t w_panel = 0;  // bytes
  float* c = nullptr;
  std::size_t c_row = 0;
  std::size_t rows = 0, columns = 0, groups = 0;  // groups of four k
  const float* row_scale = nullptr;
  const float* column_scale = nullptr;
  const std::int32_t* offset = nullptr;
  bool add = false;
};

// One page of attention scores for `rows` rows of 64 in place; row r attends to its first counts[r]
// keys (0 < counts[r] <= 64).  Scores become weights exp(score * scale - max), 0 beyond counts;
// max, sum and correction (what earlier sums must be multiplied by) are updated.
struct AttentionPage {
  float* scores = nullptr;  // [rows][64]
  const std::uint32_t* counts = nullptr;
  std::size_t rows = 0;
  float scale = 1;
  float* max = nullptr;
  float* sum = nullptr;
  float* correction = nullptr;
};

// Backward of one page: scores [rows][64] become weights p = exp(score * scale - max) / sum,
// dweights [rows][64] become dscores = p * (dweights - delta) * scale; both 0 beyond counts.
struct AttentionPageGradient {
  float* scores = nullptr;
  float* dweights = nullptr;
  const std::uint32_t* counts = nullptr;  // here 0 is allowed
  std::size_t rows = 0;
  float scale = 1;
  const float* max = nullptr;
  const float* sum = nullptr;
  const float* delta = nullptr;
};

// Sums over one chunk of logits: of exp(z - max) and of exp(z - max) * (z - max).
struct ChunkSums {
  float sum = 0, weighted = 0;
};

struct LogitGradient {
  float inverse_temperature = 1, max = 0, sum = 1, log_sum = 0, entropy = 0;
  float dlogp = 0, dentropy = 0;
};

struct Best {
  float score = 0;
  std::int32_t index = -1;  // -1: nothing above -inf
};

struct KernelTable {
  const char* name;

  void (*product_f32)(const PanelProduct&);
  void (*product_bf16)(const PanelProduct&);
  // Columns [k_begin, k_begin + count) (count <= 32) of one packed panel [k][32], transposed:
  // out[j * 32 + i] = W[j, k_begin + i] for j < 32; i >= count is zero.
  void (*transpose_f32)(const float* panel, std::size_t k_begin, std::size_t count, float* out);
  void (*transpose_bf16)(const std::uint32_t* panel, std::size_t k_begin, std::size_t count,
                         float* out);
  // The same of a panel of bytes, times scales[j]; k_begin is a multiple of 32, bytes up to a
  // multiple of 4 are readable and those beyond the matrix are zero.
  void (*transpose_int8)(const std::int8_t* panel, std::size_t k_begin, std::size_t count,
                         const float* scales, float* out);
  void (*product_int8)(const Int8Product&);
  // x[n] -> bytes out[n] and, returned, their scale: kernels/quantize_row.h.
  float (*quantize)(const float* x, std::size_t n, std::uint8_t* out);
  // out[c * out_row + r] = in[r * in_row + c].
  void (*transpose)(const float* in, std::size_t in_row, std::size_t rows, std::size_t columns,
                    float* out, std::size_t out_row);

  void (*add)(const float* x, float* y, std::size_t n);                      // y += x
  void (*add_scaled)(float scale, const float* x, float* y, std::size_t n);  // y = fma(s, x, y)
  void (*scale)(float scale, float* x, std::size_t n);                       // x *= scale
  void (*divide)(float divisor, float* x, std::size_t n);                    // x /= divisor
  float (*dot)(const float* x, const float* y, std::size_t n);               // 16 lanes, a tree

  void (*rms_norm)(const float* x, const float* weight, float* y, std::size_t n, float rstd);
  // dx = (0 or dx) + rstd * dy * weight - x * coefficient
  void (*rms_norm_backward)(const float* dy, const float* x, const float* weight, float* dx,
                            std::size_t n, float rstd, bool from_zero);
  // dweight[c] += dy[c] * (x[c] * rstd)
  void (*rms_norm_weight)(const float* dy, const float* x, float* dweight, std::size_t n,
                          float rstd);
  // One head: pairs (i, i + half); sign -1 turns back.
  void (*rope)(float* x, const float* cos, const float* sin, std::size_t half, float sign);
  void (*swiglu)(const float* gate, const float* up, float* y, std::size_t n);
  void (*swiglu_backward)(const float* gate, const float* up, const float* dy, float* dgate,
                          float* dup, std::size_t n);
  void (*attention_page)(const AttentionPage&);
  void (*attention_page_gradient)(const AttentionPageGradient&);

  // Largest z = logits * inverse_temperature and its lowest index.
  Best (*largest)(const float* logits, std::size_t n, float inverse_temperature);
  ChunkSums (*chunk_sums)(const float* logits, std::size_t n, float inverse_temperature, float max);
  void (*logit_gradient)(float* logits, std::size_t n, const LogitGradient&);
  // Numbers first .. first + n of the stream; first is a multiple of 64.  logits: those of the
  // first number on.  `best` is the best so far.
  void (*gumbel)(const float* logits, std::size_t first, std::size_t n, float inverse_temperature,
                 const std::uint32_t stream[4], Best& best);

  void (*exp)(const float* x, float* y, std::size_t n);
  void (*log)(const float* x, float* y, std::size_t n);

  // For kernels/machine.h: iterations of burst_flops operations (an fma is two) in registers.
  void (*fma_burst)(std::size_t iterations, float* result);
  double burst_flops;
  // Reads n floats, n a multiple of 64.
  void (*read_burst)(const float* data, std::size_t n, float* result);
};

extern const KernelTable kPortableKernels, kAvx2Kernels, kAvxVnniKernels, kAvx512Kernels,
    kAvx512VnniKernels;

// Compiled apart for their instructions; the tables of those names hold them.
void Int8ProductAvxVnni(const Int8Product& p);
void Int8ProductAvx512Vnni(const Int8Product& p);

}  // namespace pawl
