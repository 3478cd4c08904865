#include "kernels/swiglu.h"

#include <algorithm>

#include "base/check.h"
#include "base/profile.h"
#include "kernels/kernel_table.h"

namespace pawl {
namespace {

// Elements below which a second thread does not pay: an exp costs about eight additions.
constexpr std::size_t kSerialAdditions = 32768, kSerialExps = 4096;

template <class Work>
void ForRows(const Compute& compute, std::size_t rows, std::size_t columns, std::size_t serial,
             const Work& work) {
  const std::size_t grain = std::max<std::size_t>(1, serial / (columns + 1));
  compute.pool.For(rows, grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) work(t);
  });
}

}  // namespace

void SwigluForward(const Compute& compute, MatrixView<const float> gate_up, MatrixView<float> y) {
  const ProfileKind timed(Kind::kSwiglu);
  const std::size_t f = y.cols();
  PAWL_CHECK(gate_up.cols() == 2 * f && gate_up.rows() == y.rows());
  ForRows(compute, y.rows(), f, kSerialExps, [&](std::size_t t) {
    compute.kernels.swiglu(gate_up.row(t), gate_up.row(t) + f, y.row(t), f);
  });
}

void SwigluBackward(const Compute& compute, MatrixView<const float> gate_up,
                    MatrixView<const float> dy, MatrixView<float> dgate_up) {
  const ProfileKind timed(Kind::kSwiglu);
  const std::size_t f = dy.cols();
  PAWL_CHECK(gate_up.cols() == 2 * f && dgate_up.cols() == 2 * f);
  PAWL_CHECK(gate_up.rows() == dy.rows() && dgate_up.rows() == dy.rows());
  ForRows(compute, dy.rows(), f, kSerialExps, [&](std::size_t t) {
    compute.kernels.swiglu_backward(gate_up.row(t), gate_up.row(t) + f, dy.row(t), dgate_up.row(t),
                                    dgate_up.row(t) + f, f);
  });
}

void AddRows(const Compute& compute, MatrixView<const float> x, MatrixView<float> y) {
  PAWL_CHECK(x.rows() == y.rows() && x.cols() == y.cols());
  ForRows(compute, y.rows(), y.cols(), kSerialAdditions,
          [&](std::size_t t) { compute.kernels.add(x.row(t), y.row(t), y.cols()); });
}

void AddScaledRows(const Compute& compute, float scale, MatrixView<const float> x,
                   MatrixView<float> y) {
  PAWL_CHECK(x.rows() == y.rows() && x.cols() == y.cols());
  ForRows(compute, y.rows(), y.cols(), kSerialAdditions,
          [&](std::size_t t) { compute.kernels.add_scaled(scale, x.row(t), y.row(t), y.cols()); });
}

void ScaleRows(const Compute& compute, float scale, MatrixView<float> x) {
  ForRows(compute, x.rows(), x.cols(), kSerialAdditions,
          [&](std::size_t t) { compute.kernels.scale(scale, x.row(t), x.cols()); });
}

}  // namespace pawl
