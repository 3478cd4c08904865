// The reference implementation: runs on any machine, and says what every other one must give.
#include "kernels/lanes_portable.h"
#include "kernels/row_kernels.h"

namespace pawl {
namespace {

float Widen(std::uint32_t word, std::size_t j) {
  return std::bit_cast<float>(j < 16 ? word << 16 : word & 0xffff0000u);
}

template <class Weight>
void Product(const PanelProduct& p, const Weight& weight) {
  for (std::size_t r = 0; r < p.rows; ++r) {
    for (std::size_t n = 0; n < p.columns; ++n) {
      const std::size_t panel = n / 32 * p.w_panel, j = n % 32;
      float* c = p.c + r * p.c_row + n;
      float sum = p.from_zero ? 0.0f : *c;
      for (std::size_t s = 0; s < p.steps; ++s) {
        sum = std::fma(p.a[r * p.a_row + s * p.a_step], weight(panel + s * p.w_step, j), sum);
      }
      *c = sum;
    }
  }
}

void ProductF32(const PanelProduct& p) {
  const auto* w = static_cast<const float*>(p.w);
  Product(p, [w](std::size_t at, std::size_t j) { return w[at + j]; });
}

void ProductBf16(const PanelProduct& p) {
  const auto* w = static_cast<const std::uint32_t*>(p.w);
  Product(p, [w](std::size_t at, std::size_t j) { return Widen(w[at + j % 16], j); });
}

template <class Weight>
void TransposePanel(std::size_t count, float* out, const Weight& weight) {
  for (std::size_t j = 0; j < 32; ++j) {
    for (std::size_t i = 0; i < 32; ++i) out[j * 32 + i] = i < count ? weight(i, j) : 0.0f;
  }
}

void TransposeF32(const float* panel, std::size_t k_begin, std::size_t count, float* out) {
  panel += k_begin * 32;
  TransposePanel(count, out, [panel](std::size_t k, std::size_t j) { return panel[k * 32 + j]; });
}

void TransposeBf16(const std::uint32_t* panel, std::size_t k_begin, std::size_t count, float* out) {
  panel += k_begin * 16;
  TransposePanel(count, out, [panel](std::size_t k, std::size_t j) {
    return Widen(panel[k * 16 + j % 16], j);
  });
}

void Transpose(const float* in, std::size_t in_row, std::size_t rows, std::size_t columns,
               float* out, std::size_t out_row) {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) out[c * out_row + r] = in[r * in_row + c];
  }
}

void FmaBurst(std::size_t iterations, float* result) {
  float sums[8] = {};
  for (std::size_t i = 0; i < iterations; ++i) {
    for (float& sum : sums) sum = std::fma(sum, 0.999999f, 1e-6f);
  }
  for (const float sum : sums) *result += sum;
}

constexpr KernelTable MakeTable() {
  KernelTable table = RowKernels();
  table.name = "portable";
  table.product_f32 = ProductF32;
  table.product_bf16 = ProductBf16;
  table.transpose_f32 = TransposeF32;
  table.transpose_bf16 = TransposeBf16;
  table.transpose = Transpose;
  table.fma_burst = FmaBurst;
  table.burst_flops = 2.0 * 8;
  return table;
}

}  // namespace

constinit const KernelTable kPortableKernels = MakeTable();

}  // namespace pawl
