#include "kernels/norm.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/profile.h"
#include "kernels/kernel_table.h"

namespace pawl {
namespace {

// Elements below which a second thread does not pay.
constexpr std::size_t kSerialElements = 16384;

std::size_t RowGrain(std::size_t elements_per_row) {
  return std::max<std::size_t>(1, kSerialElements / (elements_per_row + 1));
}

float ReciprocalRms(const Compute& compute, const float* x, std::size_t n, float eps) {
  const float mean = compute.kernels.dot(x, x, n) / static_cast<float>(n);
  return 1.0f / std::sqrt(mean + eps);
}

}  // namespace

void RmsNormForward(const Compute& compute, MatrixView<const float> x,
                    std::span<const float> weight, float eps, MatrixView<float> y,
                    std::span<float> rstd) {
  const ProfileKind timed(Kind::kNorm);
  PAWL_CHECK(x.cols() == weight.size() && y.cols() == x.cols() && y.rows() == x.rows());
  PAWL_CHECK(rstd.empty() || rstd.size() == x.rows());
  compute.pool.For(x.rows(), RowGrain(x.cols()), [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      const float r = ReciprocalRms(compute, x.row(t), x.cols(), eps);
      if (!rstd.empty()) rstd[t] = r;
      compute.kernels.rms_norm(x.row(t), weight.data(), y.row(t), x.cols(), r);
    }
  });
}

void RmsNormBackward(const Compute& compute, MatrixView<const float> dy, MatrixView<const float> x,
                     std::span<const float> weight, std::span<const float> rstd,
                     MatrixView<float> dx, std::span<float> dweight) {
  const ProfileKind timed(Kind::kNorm);
  PAWL_CHECK(dy.rows() == x.rows() && dx.rows() == x.rows() && rstd.size() == x.rows());
  PAWL_CHECK(dy.cols() == x.cols() && dx.cols() == x.cols() && weight.size() == x.cols());
  PAWL_CHECK(dweight.empty() || dweight.size() == x.cols());
  if (!dweight.empty()) {
    const std::size_t grain = (RowGrain(x.rows()) + 15) / 16 * 16;
    compute.pool.For(x.cols(), grain, [&](std::size_t begin, std::size_t end) {
      for (std::size_t t = 0; t < x.rows(); ++t) {
        compute.kernels.rms_norm_weight(dy.row(t) + begin, x.row(t) + begin, dweight.data() + begin,
                                        end - begin, rstd[t]);
      }
    });
  }
  compute.pool.For(x.rows(), RowGrain(x.cols()), [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      compute.kernels.rms_norm_backward(dy.row(t), x.row(t), weight.data(), dx.row(t), x.cols(),
                                        rstd[t], false);
    }
  });
}

void HeadNormForward(const Compute& compute, MatrixView<float> x, std::size_t heads,
                     std::span<const float> weight, float eps, MatrixView<float> rstd) {
  const ProfileKind timed(Kind::kNorm);
  const std::size_t d = weight.size();
  PAWL_CHECK(x.cols() == heads * d);
  PAWL_CHECK(rstd.rows() == 0 || (rstd.rows() == x.rows() && rstd.cols() == heads));
  compute.pool.For(x.rows(), RowGrain(x.cols()), [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      for (std::size_t h = 0; h < heads; ++h) {
        float* head = x.row(t) + h * d;
        const float r = ReciprocalRms(compute, head, d, eps);
        if (rstd.rows() > 0) rstd.row(t)[h] = r;
        compute.kernels.rms_norm(head, weight.data(), head, d, r);
      }
    }
  });
}

void HeadNormBackward(const Compute& compute, MatrixView<float> gradient, MatrixView<const float> x,
                      std::size_t heads, std::span<const float> weight,
                      MatrixView<const float> rstd, std::span<float> dweight) {
  const ProfileKind timed(Kind::kNorm);
  const std::size_t d = weight.size();
  PAWL_CHECK(gradient.rows() == x.rows() && gradient.cols() == x.cols());
  PAWL_CHECK(x.cols() == heads * d && rstd.rows() == x.rows() && rstd.cols() == heads);
  PAWL_CHECK(dweight.empty() || dweight.size() == d);
  if (!dweight.empty()) {  // before `gradient` is overwritten
    const std::size_t grain = (RowGrain(x.rows() * heads) + 15) / 16 * 16;
    compute.pool.For(d, grain, [&](std::size_t begin, std::size_t end) {
      for (std::size_t t = 0; t < x.rows(); ++t) {
        for (std::size_t h = 0; h < heads; ++h) {
          const std::size_t at = h * d + begin;
          compute.kernels.rms_norm_weight(gradient.row(t) + at, x.row(t) + at,
                                          dweight.data() + begin, end - begin, rstd.row(t)[h]);
        }
      }
    });
  }
  compute.pool.For(x.rows(), RowGrain(x.cols()), [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      for (std::size_t h = 0; h < heads; ++h) {
        float* g = gradient.row(t) + h * d;
        compute.kernels.rms_norm_backward(g, x.row(t) + h * d, weight.data(), g, d, rstd.row(t)[h],
                                          true);
      }
    }
  });
}

}  // namespace pawl
