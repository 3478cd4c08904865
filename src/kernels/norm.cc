#include "kernels/norm.h"

#include "kernels/kernel_table.h"
#include "kernels/rows.h"

namespace pawl {

void RmsNormForward(const Compute& compute, MatrixView<const float> x,
                    std::span<const float> weight, float eps, MatrixView<float> y,
                    std::span<float> rstd) {
  PAWL_CHECK(x.cols() == weight.size() && y.cols() == x.cols() && y.rows() == x.rows());
  EachRow(compute, x.rows(), x.cols(), [&](std::size_t t) {
    const float r = compute.kernels.rms_norm_row(x.row(t), weight.data(), eps, x.cols(), y.row(t));
    if (!rstd.empty()) rstd[t] = r;
  });
}

void RmsNormBackward(const Compute& compute, MatrixView<const float> dy, MatrixView<const float> x,
                     std::span<const float> weight, std::span<const float> rstd,
                     MatrixView<float> dx, std::span<float> dweight) {
  PAWL_CHECK(x.cols() == weight.size() && dy.cols() == x.cols() && rstd.size() >= x.rows());
  EachRow(compute, x.rows(), 2 * x.cols(), [&](std::size_t t) {
    compute.kernels.rms_norm_backward_row(dy.row(t), x.row(t), weight.data(), rstd[t], x.cols(),
                                          true, dx.row(t));
  });
  if (dweight.empty()) return;
  EachColumns(compute, x.rows(), x.cols(), [&](std::size_t begin, std::size_t count) {
    for (std::size_t t = 0; t < x.rows(); ++t) {
      compute.kernels.norm_weight_row(dy.row(t) + begin, x.row(t) + begin, rstd[t], count,
                                      dweight.data() + begin);
    }
  });
}

void HeadNormForward(const Compute& compute, MatrixView<float> x, std::size_t heads,
                     std::span<const float> weight, float eps, MatrixView<float> rstd) {
  const std::size_t D = weight.size();
  PAWL_CHECK(x.cols() == heads * D);
  EachRow(compute, x.rows(), x.cols(), [&](std::size_t t) {
    for (std::size_t h = 0; h < heads; ++h) {
      float* head = x.row(t) + h * D;
      const float r = compute.kernels.rms_norm_row(head, weight.data(), eps, D, head);
      if (rstd.rows() > 0) rstd.row(t)[h] = r;
    }
  });
}

void HeadNormBackward(const Compute& compute, MatrixView<float> gradient, MatrixView<const float> x,
                      std::size_t heads, std::span<const float> weight,
                      MatrixView<const float> rstd, std::span<float> dweight) {
  const std::size_t D = weight.size();
  PAWL_CHECK(x.cols() == heads * D && gradient.cols() == x.cols());
  if (!dweight.empty()) {
    EachColumns(compute, x.rows() * heads, D, [&](std::size_t begin, std::size_t count) {
      for (std::size_t t = 0; t < x.rows(); ++t) {
        for (std::size_t h = 0; h < heads; ++h) {
          compute.kernels.norm_weight_row(gradient.row(t) + h * D + begin, x.row(t) + h * D + begin,
                                          rstd.row(t)[h], count, dweight.data() + begin);
        }
      }
    });
  }
  EachRow(compute, x.rows(), 2 * x.cols(), [&](std::size_t t) {
    for (std::size_t h = 0; h < heads; ++h) {
      float* head = gradient.row(t) + h * D;
      compute.kernels.rms_norm_backward_row(head, x.row(t) + h * D, weight.data(), rstd.row(t)[h],
                                            D, false, head);
    }
  });
}

}  // namespace pawl
