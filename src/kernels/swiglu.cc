#include "kernels/swiglu.h"

#include "kernels/kernel_table.h"
#include "kernels/rows.h"

namespace pawl {

void SwigluForward(const Compute& compute, MatrixView<const float> gate_up, MatrixView<float> y) {
  const std::size_t F = y.cols();
  PAWL_CHECK(gate_up.cols() == 2 * F && gate_up.rows() == y.rows());
  EachRow(compute, y.rows(), 4 * F, [&](std::size_t t) {
    compute.kernels.swiglu_row(gate_up.row(t), gate_up.row(t) + F, F, y.row(t));
  });
}

void SwigluBackward(const Compute& compute, MatrixView<const float> gate_up,
                    MatrixView<const float> dy, MatrixView<float> dgate_up) {
  const std::size_t F = dy.cols();
  PAWL_CHECK(gate_up.cols() == 2 * F && dgate_up.cols() == 2 * F);
  EachRow(compute, dy.rows(), 4 * F, [&](std::size_t t) {
    compute.kernels.swiglu_backward_row(gate_up.row(t), gate_up.row(t) + F, dy.row(t), F,
                                        dgate_up.row(t), dgate_up.row(t) + F);
  });
}

void AddRows(const Compute& compute, MatrixView<const float> x, MatrixView<float> y) {
  PAWL_CHECK(x.cols() == y.cols() && x.rows() == y.rows());
  EachRow(compute, x.rows(), x.cols(),
          [&](std::size_t t) { compute.kernels.add_row(x.row(t), x.cols(), y.row(t)); });
}

void AddScaledRows(const Compute& compute, float scale, MatrixView<const float> x,
                   MatrixView<float> y) {
  PAWL_CHECK(x.cols() == y.cols() && x.rows() == y.rows());
  EachRow(compute, x.rows(), x.cols(), [&](std::size_t t) {
    compute.kernels.add_scaled_row(scale, x.row(t), x.cols(), y.row(t));
  });
}

void ScaleRows(const Compute& compute, float scale, MatrixView<float> x) {
  EachRow(compute, x.rows(), x.cols(),
          [&](std::size_t t) { compute.kernels.scale_row(scale, x.cols(), x.row(t)); });
}

}  // namespace pawl
