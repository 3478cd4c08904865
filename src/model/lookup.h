// Adding rows to an embedding's gradient.  Private to model/.
#pragma once

#include <cstdint>
#include <span>

#include "base/views.h"
#include "kernels/compute.h"
#include "kernels/packed_matrix.h"

namespace pawl {

// embed[ids[t]] += dx[t], t ascending.  embed is kF32 [V, C], dx [T, C].
void AddLookups(const Compute& compute, std::span<const std::int32_t> ids,
                MatrixView<const float> dx, PackedMatrix& embed);

}  // namespace pawl
