#include "kernels/linear_int8.h"

#include "base/check.h"
#include "kernels/kernel_table.h"
#include "kernels/scratch.h"
#include "kernels/split_grid.h"

namespace pawl {
namespace {

// Fewer rows than this are quantised by the caller: about 1 us a row of 5000.
constexpr std::size_t kQuantizeGrain = 8;

}  // namespace

void Int8Forward(const Compute& compute, MatrixView<const float> x, const PackedMatrix& w,
                 std::span<const float> bias, Output output, MatrixView<float> y) {
  const std::size_t groups = CeilDiv(w.k(), 4), line = CeilDiv(w.k(), 64) * 64;
  float* scales = ThreadScratch(ScratchSlot::kScales, x.rows());
  auto* bytes = reinterpret_cast<std::uint8_t*>(
      ThreadScratch(ScratchSlot::kBytes, x.rows() * line / sizeof(float)));
  compute.pool.For(x.rows(), kQuantizeGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = begin; r < end; ++r) {
      std::uint8_t* row = bytes + r * line;
      scales[r] = compute.kernels.quantize(x.row(r), w.k(), row);
      for (std::size_t k = w.k(); k < 4 * groups; ++k) row[k] = 0;  // meets zero weights
    }
  });
  SplitGrid(compute, x.rows(), w.panels(), x.rows() * w.n() * w.k() / 4,
            [&](IndexRange rows, IndexRange panels) {
              const std::size_t first = panels.begin * kPanelColumns;
              Int8Product p;
              p.a = bytes + rows.begin * line;
              p.a_row = line;
              p.w = w.PanelInt8(panels.begin);
              p.w_panel = w.PanelBytes();
              p.c = y.row(rows.begin) + first;
              p.c_row = y.stride();
              p.rows = rows.size();
              p.columns = std::min(panels.end * kPanelColumns, w.n()) - first;
              p.groups = groups;
              p.row_scale = scales + rows.begin;
              p.column_scale = w.scales().data() + first;
              p.offset = w.offsets().data() + first;
              p.add = output == Output::kAdd;
              compute.kernels.product_int8(p);
              AddBias(compute, bias, rows, {first, first + p.columns}, y);
            });
}

}  // namespace pawl
