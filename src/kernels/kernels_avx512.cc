// The kernels for AVX-512.
#include "kernels/lanes_avx512.h"
#include "kernels/transpose_x86.h"

namespace pawl {
namespace {

struct Register {
  using F = __m512;
  static constexpr int kLanes = 16;
  static F Zero() { return _mm512_setzero_ps(); }
  static F Load(const float* p) { return _mm512_loadu_ps(p); }
  static void Store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static F LoadN(const float* p, std::size_t n) { return Lanes::LoadN(p, n); }
  static void StoreN(float* p, F x, std::size_t n) { Lanes::StoreN(p, x, n); }
  static F Broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static F Fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F Low(const std::uint32_t* p) { return Lanes::LowHalves(p); }
  static F High(const std::uint32_t* p) { return Lanes::HighHalves(p); }
};

// 12 x 2 accumulators, 2 weights and a broadcast value fit the 32 registers.
constexpr int kTileRows = 12;

}  // namespace
}  // namespace pawl

#include "kernels/products_x86.h"

namespace pawl {
namespace {

constexpr KernelTable MakeTable() {
  KernelTable table = RowKernels();
  table.name = "avx512";
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

constinit const KernelTable kAvx512Kernels = MakeTable();

}  // namespace pawl
