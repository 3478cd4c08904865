// The kernels for avx2.  kTileRows x kTileVectors accumulators fill its registers.
#include <immintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/kernel_table.h"

namespace pawl {
namespace {

constexpr int kTileRows = 6;
constexpr int kPeakChains = 6;
constexpr int kTileVectors = 1;

#include "kernels/lanes_avx2.h"

#include "kernels/kernels_impl.h"

}  // namespace

const KernelTable kAvx2Kernels = MakeTable();

}  // namespace pawl
