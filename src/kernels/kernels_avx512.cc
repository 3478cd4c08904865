// The kernels for avx512.  kTileRows x kTileVectors accumulators fill its registers.
#include <immintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/kernel_table.h"

namespace pawl {
namespace {

constexpr int kTileRows = 12;
constexpr int kPeakChains = 12;
constexpr int kTileVectors = 2;

#include "kernels/lanes_avx512.h"

#include "kernels/kernels_impl.h"

}  // namespace

const KernelTable kAvx512Kernels = MakeTable();

}  // namespace pawl
