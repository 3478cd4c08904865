#include "kernels/linear.h"

#include <algorithm>

#include "base/check.h"
#include "base/profile.h"
#include "kernels/kernel_table.h"
#include "kernels/linear_int8.h"
#include "kernels/scratch.h"
#include "kernels/split_grid.h"

namespace pawl {
namespace {

// Rows of x and steps of the reduction that one pass over the panels uses: 96 * 1024 floats stay in
// a second-level cache of 512 KiB or more.
constexpr std::size_t kRowBlock = 96, kStepBlock = 1024;

// y_column: where the first panel's sums go in y.
void ForwardPart(const Compute& compute, MatrixView<const float> x, const PackedMatrix& w,
                 Output output, MatrixView<float> y, std::size_t y_column, IndexRange rows,
                 IndexRange panels) {
  const bool bf16 = w.type() == WeightType::kBf16;
  const std::size_t step = bf16 ? 16 : 32;
  const std::size_t k = w.k();
  // Few rows: each panel is streamed once, whole.
  const std::size_t step_block = rows.size() <= 2 * kRowTile ? k : kStepBlock;
  for (std::size_t r = rows.begin; r < rows.end; r += kRowBlock) {
    for (std::size_t s = 0; s < k; s += step_block) {
      PanelProduct p;
      p.a = x.row(r) + s;
      p.a_row = x.stride();
      p.a_step = 1;
      p.w = bf16 ? static_cast<const void*>(w.PanelBf16(panels.begin) + s * step)
                 : static_cast<const void*>(w.PanelF32(panels.begin) + s * step);
      p.w_step = step;
      p.w_panel = k * step;
      p.c = y.row(r) + y_column;
      p.c_row = y.stride();
      p.rows = std::min(kRowBlock, rows.end - r);
      p.columns = std::min(panels.size() * kPanelColumns, w.n() - panels.begin * kPanelColumns);
      p.steps = std::min(step_block, k - s);
      p.from_zero = output == Output::kWrite && s == 0;
      bf16 ? compute.kernels.product_bf16(p) : compute.kernels.product_f32(p);
    }
  }
}

// Sums of a block of rows and four panels go to scratch, which stays in the first-level cache, and
// join y from there.
void ScaledPart(const Compute& compute, MatrixView<const float> x, const PackedMatrix& w,
                float scale, MatrixView<float> y, IndexRange rows, IndexRange panels) {
  constexpr std::size_t kPanels = 4, kRows = 4 * kRowTile;
  float* sums = ThreadScratch(ScratchSlot::kFirst, kRows * kPanels * kPanelColumns);
  for (std::size_t r = rows.begin; r < rows.end; r += kRows) {
    const std::size_t count = std::min(kRows, rows.end - r);
    for (std::size_t p = panels.begin; p < panels.end; p += kPanels) {
      const std::size_t column = p * kPanelColumns;
      const std::size_t width =
          std::min(std::min(panels.end, p + kPanels) * kPanelColumns, w.n()) - column;
      const MatrixView<float> block(sums, count, kPanels * kPanelColumns);
      ForwardPart(compute, x.Rows(r, count), w, Output::kWrite, block, 0, {0, count},
                  {p, std::min(panels.end, p + kPanels)});
      for (std::size_t i = 0; i < count; ++i) {
        compute.kernels.add_scaled(scale, sums + i * kPanels * kPanelColumns, y.row(r + i) + column,
                                   width);
      }
    }
  }
}

// The columns [k_begin, k_begin + count) of panels `panels`, as rows of 32 floats by n.
void TransposePanels(const Compute& compute, const PackedMatrix& w, IndexRange panels,
                     std::size_t k_begin, std::size_t count, float* out) {
  for (std::size_t p = panels.begin; p < panels.end; ++p, out += kPanelColumns * kPanelColumns) {
    if (w.type() == WeightType::kInt8) {
      compute.kernels.transpose_int8(w.PanelInt8(p), k_begin, count,
                                     w.scales().data() + p * kPanelColumns, out);
    } else if (w.type() == WeightType::kBf16) {
      compute.kernels.transpose_bf16(w.PanelBf16(p), k_begin, count, out);
    } else {
      compute.kernels.transpose_f32(w.PanelF32(p), k_begin, count, out);
    }
  }
}

void BackwardInputPart(const Compute& compute, MatrixView<const float> dy, const PackedMatrix& w,
                       Output output, MatrixView<float> dx, IndexRange rows, IndexRange blocks) {
  constexpr std::size_t kPanels = kStepBlock / kPanelColumns;
  float* scratch = ThreadScratch(ScratchSlot::kFirst, kStepBlock * kPanelColumns);
  for (std::size_t b = blocks.begin; b < blocks.end; ++b) {
    const std::size_t k = b * kPanelColumns, count = std::min(kPanelColumns, w.k() - k);
    for (std::size_t panel = 0; panel < w.panels(); panel += kPanels) {
      const IndexRange panels{panel, std::min(panel + kPanels, w.panels())};
      TransposePanels(compute, w, panels, k, count, scratch);
      PanelProduct p;
      p.a = dy.row(rows.begin) + panel * kPanelColumns;
      p.a_row = dy.stride();
      p.a_step = 1;
      p.w = scratch;
      p.w_step = kPanelColumns;
      p.c = dx.row(rows.begin) + k;
      p.c_row = dx.stride();
      p.rows = rows.size();
      p.columns = count;
      p.steps = std::min(panels.size() * kPanelColumns, w.n() - panel * kPanelColumns);
      p.from_zero = output == Output::kWrite && panel == 0;
      compute.kernels.product_f32(p);
    }
  }
}

// dy's columns of one panel are gathered first: rows of dy lie pages apart.
void BackwardWeightPart(const Compute& compute, MatrixView<const float> dy,
                        MatrixView<const float> x, PackedMatrix& dw, IndexRange ks,
                        IndexRange panels) {
  constexpr std::size_t kTokens = 256;
  float* scratch = ThreadScratch(ScratchSlot::kFirst, kTokens * kPanelColumns);
  for (std::size_t t = 0; t < dy.rows(); t += kTokens) {
    const std::size_t tokens = std::min(kTokens, dy.rows() - t);
    for (std::size_t panel = panels.begin; panel < panels.end; ++panel) {
      const std::size_t n = panel * kPanelColumns, count = std::min(kPanelColumns, dw.n() - n);
      for (std::size_t i = 0; i < tokens; ++i) {
        std::memcpy(scratch + i * kPanelColumns, dy.row(t + i) + n, count * sizeof(float));
      }
      PanelProduct p;
      p.a = x.row(t) + ks.begin;
      p.a_row = 1;
      p.a_step = x.stride();
      p.w = scratch;
      p.w_step = kPanelColumns;
      p.c = dw.data().data() + (panel * dw.k() + ks.begin) * kPanelColumns;
      p.c_row = kPanelColumns;
      p.rows = ks.size();
      p.columns = count;
      p.steps = tokens;
      p.from_zero = false;
      compute.kernels.product_f32(p);
    }
  }
}

}  // namespace

void LinearForward(const Compute& compute, MatrixView<const float> x, const PackedMatrix& w,
                   std::span<const float> bias, Output output, MatrixView<float> y) {
  const ProfileKind timed(Kind::kLinear);
  PAWL_CHECK(x.cols() == w.k() && y.cols() == w.n() && x.rows() == y.rows());
  PAWL_CHECK(bias.empty() || bias.size() == w.n());
  if (x.rows() == 0 || w.n() == 0) return;
  if (w.k() == 0) {  // an empty sum
    for (std::size_t r = 0; r < y.rows() && output == Output::kWrite; ++r) {
      std::fill_n(y.row(r), w.n(), 0.0f);
    }
    AddBias(compute, bias, {0, y.rows()}, {0, w.n()}, y);
    return;
  }
  if (w.type() == WeightType::kInt8) {
    Int8Forward(compute, x, w, bias, output, y);
    return;
  }
  SplitGrid(compute, x.rows(), w.panels(), x.rows() * w.n() * w.k(),
            [&](IndexRange rows, IndexRange panels) {
              ForwardPart(compute, x, w, output, y, panels.begin * kPanelColumns, rows, panels);
              const IndexRange columns{panels.begin * kPanelColumns,
                                       std::min(panels.end * kPanelColumns, w.n())};
              AddBias(compute, bias, rows, columns, y);
            });
}

void LinearForwardScaled(const Compute& compute, MatrixView<const float> x, const PackedMatrix& w,
                         float scale, MatrixView<float> y) {
  const ProfileKind timed(Kind::kLinear);
  PAWL_CHECK(x.cols() == w.k() && y.cols() == w.n() && x.rows() == y.rows());
  PAWL_CHECK(w.type() != WeightType::kInt8);  // adapters are float32
  if (x.rows() == 0 || w.n() == 0 || w.k() == 0) return;
  SplitGrid(compute, x.rows(), w.panels(), x.rows() * w.n() * w.k(),
            [&](IndexRange rows, IndexRange panels) {
              ScaledPart(compute, x, w, scale, y, rows, panels);
            });
}

void LinearBackwardInput(const Compute& compute, MatrixView<const float> dy, const PackedMatrix& w,
                         Output output, MatrixView<float> dx) {
  const ProfileKind timed(Kind::kLinearInputs);
  PAWL_CHECK(dy.cols() == w.n() && dx.cols() == w.k() && dy.rows() == dx.rows());
  if (dy.rows() == 0 || w.k() == 0) return;
  if (w.n() == 0) {
    for (std::size_t r = 0; r < dx.rows() && output == Output::kWrite; ++r) {
      std::fill_n(dx.row(r), w.k(), 0.0f);
    }
    return;
  }
  SplitGrid(compute, dy.rows(), CeilDiv(w.k(), kPanelColumns), dy.rows() * w.n() * w.k(),
            [&](IndexRange rows, IndexRange blocks) {
              BackwardInputPart(compute, dy, w, output, dx, rows, blocks);
            });
}

void LinearBackwardWeight(const Compute& compute, MatrixView<const float> dy,
                          MatrixView<const float> x, PackedMatrix& dw) {
  const ProfileKind timed(Kind::kLinearWeights);
  PAWL_CHECK(dw.type() == WeightType::kF32);
  PAWL_CHECK(dy.cols() == dw.n() && x.cols() == dw.k() && dy.rows() == x.rows());
  if (dy.rows() == 0 || dw.n() == 0 || dw.k() == 0) return;
  SplitGrid(compute, dw.k(), dw.panels(), dy.rows() * dw.n() * dw.k(),
            [&](IndexRange ks, IndexRange panels) {
              BackwardWeightPart(compute, dy, x, dw, ks, panels);
            });
}

void BiasBackward(const Compute& compute, MatrixView<const float> dy, std::span<float> dbias) {
  const ProfileKind timed(Kind::kLinearWeights);
  PAWL_CHECK(dy.cols() == dbias.size());
  const std::size_t grain = std::max<std::size_t>(16, kSerialWork / 16 / (dy.rows() + 1) / 16 * 16);
  compute.pool.For(dbias.size(), grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t r = 0; r < dy.rows(); ++r) {
      compute.kernels.add(dy.row(r) + begin, dbias.data() + begin, end - begin);
    }
  });
}

}  // namespace pawl
