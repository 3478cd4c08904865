#include "model/lora.h"

#include <algorithm>

#include "base/check.h"
#include "base/profile.h"
#include "kernels/linear.h"
#include "kernels/swiglu.h"

namespace pawl {
namespace {

const PackedMatrix& GroupA(const LoraBranch& branch) {
  return branch.layer->a[static_cast<std::size_t>(branch.group)];
}

// The group's columns of a [T, R] matrix.
template <class T>
MatrixView<T> GroupColumns(const LoraBranch& branch, MatrixView<T> u) {
  std::size_t begin = 0;
  for (std::size_t g = 0; g < static_cast<std::size_t>(branch.group); ++g) {
    begin += branch.layer->a[g].n();
  }
  return u.Cols(begin, GroupA(branch).n());
}

// Calls visit(module, index) for each adapted module of the group.
template <class Visit>
void ForEachAdapted(const LoraBranch& branch, Visit&& visit) {
  for (std::size_t m = 0; m < kLinearModules; ++m) {
    const LoraModule& module = branch.layer->modules[m];
    if (module.rank > 0 && GroupOf(static_cast<LinearModule>(m)) == branch.group) visit(module, m);
  }
}

}  // namespace

bool LoraBranch::active() const { return layer != nullptr && !GroupA(*this).empty(); }

std::size_t LoraRank(const AdapterLayer& layer) {
  std::size_t rank = 0;
  for (const PackedMatrix& a : layer.a) rank += a.n();
  return rank;
}

std::size_t LoraRank(const Adapter& adapter) {
  std::size_t rank = 0;
  for (const AdapterLayer& layer : adapter.layers) rank = std::max(rank, LoraRank(layer));
  return rank;
}

void LoraForward(const Compute& compute, const LoraBranch& branch, MatrixView<const float> x,
                 MatrixView<float> u, MatrixView<float> y) {
  const ProfileKind timed(Kind::kAdapter);
  if (!branch.active()) return;
  const MatrixView<float> group_u = GroupColumns(branch, u);
  LinearForward(compute, x, GroupA(branch), {}, Output::kWrite, group_u);
  ForEachAdapted(branch, [&](const LoraModule& module, std::size_t) {
    LinearForwardScaled(compute, group_u.Cols(module.a_begin, module.rank), module.b, branch.scale,
                        y.Cols(module.out_begin, module.b.n()));
  });
}

void LoraBackward(const Compute& compute, const LoraBranch& branch, MatrixView<const float> dy,
                  MatrixView<const float> x, MatrixView<const float> scaled_u, MatrixView<float> du,
                  MatrixView<float> dx, AdapterLayer* gradient) {
  const ProfileKind timed(Kind::kAdapter);
  if (!branch.active()) return;
  const MatrixView<float> group_du = GroupColumns(branch, du);
  const MatrixView<const float> group_u = GroupColumns(branch, scaled_u);
  ForEachAdapted(branch, [&](const LoraModule& module, std::size_t m) {
    const MatrixView<const float> module_dy = dy.Cols(module.out_begin, module.b.n());
    LinearBackwardInput(compute, module_dy, module.b, Output::kWrite,
                        group_du.Cols(module.a_begin, module.rank));
    if (gradient != nullptr) {
      LinearBackwardWeight(compute, module_dy, group_u.Cols(module.a_begin, module.rank),
                           gradient->modules[m].b);
    }
  });
  ScaleRows(compute, branch.scale, group_du);
  LinearBackwardInput(compute, group_du, GroupA(branch), Output::kAdd, dx);
  if (gradient != nullptr) {
    LinearBackwardWeight(compute, group_du, x, gradient->a[static_cast<std::size_t>(branch.group)]);
  }
}

}  // namespace pawl
