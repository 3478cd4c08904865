#include "kernels/rope.h"

#include <algorithm>

#include "base/check.h"
#include "base/profile.h"
#include "kernels/kernel_table.h"
#include "kernels/math.h"

namespace pawl {
namespace {

void Rotate(const Compute& compute, const RopeTable& table,
            std::span<const std::uint32_t> positions, std::size_t heads, float sign,
            MatrixView<float> x) {
  const std::size_t half = table.inv_freq.size();
  PAWL_CHECK(positions.size() == x.rows() && x.cols() == heads * 2 * half);
  const std::size_t grain = std::max<std::size_t>(1, 16384 / (x.cols() + 1));
  compute.pool.For(x.rows(), grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      PAWL_CHECK(positions[t] < table.positions);
      const float* cos = table.cos.data() + positions[t] * half;
      const float* sin = table.sin.data() + positions[t] * half;
      for (std::size_t h = 0; h < heads; ++h) {
        compute.kernels.rope(x.row(t) + h * 2 * half, cos, sin, half, sign);
      }
    }
  });
}

}  // namespace

RopeTable MakeRopeTable(std::vector<float> inv_freq, std::size_t positions) {
  RopeTable table;
  const std::size_t half = inv_freq.size();
  table.cos = AlignedBuffer<float>(positions * half);
  table.sin = AlignedBuffer<float>(positions * half);
  for (std::size_t p = 0; p < positions; ++p) {
    for (std::size_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(p) * inv_freq[i];
      table.cos[p * half + i] = static_cast<float>(CosD(angle));
      table.sin[p * half + i] = static_cast<float>(SinD(angle));
    }
  }
  table.inv_freq = std::move(inv_freq);
  table.positions = positions;
  return table;
}

void RopeForward(const Compute& compute, const RopeTable& table,
                 std::span<const std::uint32_t> positions, std::size_t heads, MatrixView<float> x) {
  const ProfileKind timed(Kind::kRope);
  Rotate(compute, table, positions, heads, 1.0f, x);
}

void RopeBackward(const Compute& compute, const RopeTable& table,
                  std::span<const std::uint32_t> positions, std::size_t heads,
                  MatrixView<float> dx) {
  const ProfileKind timed(Kind::kRope);
  Rotate(compute, table, positions, heads, -1.0f, dx);
}

}  // namespace pawl
