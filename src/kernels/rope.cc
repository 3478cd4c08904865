#include "kernels/rope.h"

#include "kernels/kernel_table.h"
#include "kernels/math.h"
#include "kernels/rows.h"

namespace pawl {

RopeTable MakeRopeTable(std::vector<float> inv_freq, std::size_t positions) {
  RopeTable table;
  const std::size_t half = inv_freq.size();
  table.cos = AlignedBuffer<float>(positions * half);
  table.sin = AlignedBuffer<float>(positions * half);
  table.positions = positions;
  for (std::size_t p = 0; p < positions; ++p) {
    for (std::size_t i = 0; i < half; ++i) {
      const float angle = static_cast<float>(p) * inv_freq[i];
      table.cos[p * half + i] = static_cast<float>(CosD(static_cast<double>(angle)));
      table.sin[p * half + i] = static_cast<float>(SinD(static_cast<double>(angle)));
    }
  }
  table.inv_freq = std::move(inv_freq);
  return table;
}

namespace {

void Rotate(const Compute& compute, const RopeTable& table,
            std::span<const std::uint32_t> positions, std::size_t heads, float sign,
            MatrixView<float> x) {
  const std::size_t half = table.inv_freq.size();
  PAWL_CHECK(x.cols() == heads * 2 * half && positions.size() == x.rows());
  EachRow(compute, x.rows(), x.cols(), [&](std::size_t t) {
    PAWL_CHECK(positions[t] < table.positions);
    const float* cos = table.cos.data() + positions[t] * half;
    const float* sin = table.sin.data() + positions[t] * half;
    for (std::size_t h = 0; h < heads; ++h) {
      compute.kernels.rope_row(cos, sin, half, sign, x.row(t) + h * 2 * half);
    }
  });
}

}  // namespace

void RopeForward(const Compute& compute, const RopeTable& table,
                 std::span<const std::uint32_t> positions, std::size_t heads, MatrixView<float> x) {
  Rotate(compute, table, positions, heads, 1.0f, x);
}

void RopeBackward(const Compute& compute, const RopeTable& table,
                  std::span<const std::uint32_t> positions, std::size_t heads,
                  MatrixView<float> dx) {
  Rotate(compute, table, positions, heads, -1.0f, dx);
}

}  // namespace pawl
