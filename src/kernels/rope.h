// Rotary position embedding, rotate-half form: element i pairs with i + D/2 (Su et al. 2021,
// arXiv:2104.09864, as Hugging Face stores checkpoints).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/views.h"
#include "kernels/compute.h"

namespace pawl {

// cos and sin of position * inv_freq[i], i < D/2: angles are float32 products, the functions are
// evaluated in double and rounded once.  cos/sin [positions, D/2].
struct RopeTable {
  std::vector<float> inv_freq;    // [D/2]
  AlignedBuffer<float> cos, sin;  // [positions, D/2]
  std::size_t positions = 0;
};
RopeTable MakeRopeTable(std::vector<float> inv_freq, std::size_t positions);

// In place on x [T, heads * D]; positions [T].
void RopeForward(const Compute& compute, const RopeTable& table,
                 std::span<const std::uint32_t> positions, std::size_t heads, MatrixView<float> x);
// The transposed rotation, in place on the gradient.
void RopeBackward(const Compute& compute, const RopeTable& table,
                  std::span<const std::uint32_t> positions, std::size_t heads,
                  MatrixView<float> dx);

}  // namespace pawl
