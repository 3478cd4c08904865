// The kernels for portable.  kTileRows x kTileVectors accumulators fill its registers.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/kernel_table.h"

namespace pawl {
namespace {

constexpr int kTileRows = 4;
constexpr int kPeakChains = 4;
constexpr int kTileVectors = 2;

#include "kernels/lanes_portable.h"

#include "kernels/kernels_impl.h"

}  // namespace

const KernelTable kPortableKernels = MakeTable();

}  // namespace pawl
