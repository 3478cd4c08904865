// The kernels for AVX2, without and with VNNI.
#include "kernels/quantize_x86.h"
#include "kernels/register_avx2.h"
#include "kernels/transpose_x86.h"

namespace pawl {
namespace {

// 6 x 2 accumulators, 2 weights and a broadcast value fit the 16 registers.
constexpr int kTileRows = 6;

// maddubs adds two neighbouring products in 16 bits: at most 2 * 127 * 127, which fits.
struct Dot {
  using I = __m256i;
  static constexpr int kTileRows = 4;
  static I Zero() { return _mm256_setzero_si256(); }
  static I Load(const std::int8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static I Broadcast4(const std::uint8_t* p) {
    std::int32_t four = 0;
    __builtin_memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
  }
  static I MulAdd(I acc, I a, I w) {
    const I pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(a, w), _mm256_set1_epi16(1));
    return _mm256_add_epi32(acc, pairs);
  }
  static __m256 ToFloat(I acc, const std::int32_t* offset) {
    const I less = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(offset));
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(acc, less));
  }
};

}  // namespace
}  // namespace pawl

#include "kernels/int8_x86.h"
#include "kernels/products_x86.h"

namespace pawl {
namespace {

constexpr KernelTable MakeTable(const char* name, void (*product_int8)(const Int8Product&)) {
  KernelTable table = RowKernels();
  table.name = name;
  table.product_f32 = ProductF32;
  table.product_bf16 = ProductBf16;
  table.transpose_f32 = TransposeF32;
  table.transpose_bf16 = TransposeBf16;
  table.transpose_int8 = TransposeInt8;
  table.product_int8 = product_int8;
  table.quantize = Quantize;
  table.transpose = Transpose;
  table.fma_burst = FmaBurst;
  table.burst_flops = 2.0 * kPeakChains * kLanes;
  return table;
}

}  // namespace

constinit const KernelTable kAvx2Kernels = MakeTable("avx2", ProductInt8);
constinit const KernelTable kAvxVnniKernels = MakeTable("avxvnni", Int8ProductAvxVnni);

}  // namespace pawl
