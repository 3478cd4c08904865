// The kernels for AVX2.
#include "kernels/lanes_avx2.h"
#include "kernels/transpose_x86.h"

namespace pawl {
namespace {

struct Register {
  using F = __m256;
  static constexpr int kLanes = 8;
  static F Zero() { return _mm256_setzero_ps(); }
  static F Load(const float* p) { return _mm256_loadu_ps(p); }
  static void Store(float* p, F x) { _mm256_storeu_ps(p, x); }
  static F LoadN(const float* p, std::size_t n) { return _mm256_maskload_ps(p, Lanes::Mask8(n)); }
  static void StoreN(float* p, F x, std::size_t n) { _mm256_maskstore_ps(p, Lanes::Mask8(n), x); }
  static F Broadcast(const float* p) { return _mm256_set1_ps(*p); }
  static F Fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F Low(const std::uint32_t* p) {
    const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
  }
  static F High(const std::uint32_t* p) {
    const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i mask = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    return _mm256_castsi256_ps(_mm256_and_si256(words, mask));
  }
};

// 6 x 2 accumulators, 2 weights and a broadcast value fit the 16 registers.
constexpr int kTileRows = 6;

}  // namespace
}  // namespace pawl

#include "kernels/products_x86.h"

namespace pawl {
namespace {

constexpr KernelTable MakeTable() {
  KernelTable table = RowKernels();
  table.name = "avx2";
  table.product_f32 = ProductF32;
  table.product_bf16 = ProductBf16;
  table.transpose_f32 = TransposeF32;
  table.transpose_bf16 = TransposeBf16;
  table.transpose = Transpose;
  table.fma_burst = FmaBurst;
  table.burst_flops = 2.0 * kPeakChains * kLanes;
  return table;
}

}  // namespace

constinit const KernelTable kAvx2Kernels = MakeTable();

}  // namespace pawl
