// The reference implementation: runs on any machine, and says what every other one must give.
#include "kernels/lanes_portable.h"
#include "kernels/quantize_row.h"
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

void ProductInt8(const Int8Product& p) {
  for (std::size_t r = 0; r < p.rows; ++r) {
    for (std::size_t n = 0; n < p.columns; ++n) {
      const std::uint8_t* a = p.a + r * p.a_row;
      const std::int8_t* w = p.w + n / 32 * p.w_panel + n % 32 * 4;
      std::int32_t sum = 0;
      for (std::size_t g = 0; g < p.groups; ++g) {
        for (std::size_t b = 0; b < 4; ++b) sum += a[4 * g + b] * w[128 * g + b];
      }
      const float scale = p.row_scale[r] * p.column_scale[n];
      const float y = static_cast<float>(sum - p.offset[n]) * scale;
      float* c = p.c + r * p.c_row + n;
      *c = p.add ? *c + y : y;
    }
  }
}

float Quantize(const float* x, std::size_t n, std::uint8_t* out) {
  const RowScale scale = ScaleOf(LargestMagnitude(x, n));
  QuantizeTail(x, n, scale.inverse, out);
  return scale.scale;
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

void TransposeInt8(const std::int8_t* panel, std::size_t k_begin, std::size_t count,
                   const float* scales, float* out) {
  TransposePanel(count, out, [=](std::size_t i, std::size_t j) {
    const std::size_t k = k_begin + i;
    return static_cast<float>(panel[k / 4 * 128 + j * 4 + k % 4]) * scales[j];
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
  table.transpose_int8 = TransposeInt8;
  table.product_int8 = ProductInt8;
  table.quantize = Quantize;
  table.transpose = Transpose;
  table.fma_burst = FmaBurst;
  table.burst_flops = 2.0 * 8;
  return table;
}

}  // namespace

constinit const KernelTable kPortableKernels = MakeTable();

}  // namespace pawl
