#include "model/lora.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/linear.h"
#include "kernels/swiglu.h"

namespace pawl {
namespace {

struct ModuleRange {
  std::size_t first = 0, last = 0;  // of LinearModule, both included
};

ModuleRange ModulesOf(LoraGroup group) {
  const auto at = [](LinearModule module) { return static_cast<std::size_t>(module); };
  switch (group) {
    case LoraGroup::kQkv:
      return {at(LinearModule::kQ), at(LinearModule::kV)};
    case LoraGroup::kO:
      return {at(LinearModule::kO), at(LinearModule::kO)};
    case LoraGroup::kGateUp:
      return {at(LinearModule::kGate), at(LinearModule::kUp)};
    case LoraGroup::kDown:
      break;
  }
  return {at(LinearModule::kDown), at(LinearModule::kDown)};
}

// Calls visit(pair, module, first column of u, first column of the fused product) for each adapted
// module of the group.
template <class Visit>
void ForEachAdapted(const LoraBranch& branch, Visit&& visit) {
  const ModuleRange range = ModulesOf(branch.group);
  std::size_t u_begin = 0;
  for (std::size_t m = 0; m <= range.last; ++m) {
    const LoraPair& pair = branch.layer->modules[m];
    if (m >= range.first && !pair.a.empty()) visit(pair, m, u_begin, pair.out_begin);
    u_begin += pair.a.n();
  }
}

}  // namespace

bool LoraBranch::active() const {
  if (layer == nullptr) return false;
  const ModuleRange range = ModulesOf(group);
  for (std::size_t m = range.first; m <= range.last; ++m) {
    if (!layer->modules[m].a.empty()) return true;
  }
  return false;
}

std::size_t LoraRank(const AdapterLayer& layer) {
  std::size_t rank = 0;
  for (const LoraPair& pair : layer.modules) rank += pair.a.n();
  return rank;
}

std::size_t LoraRank(const Adapter& adapter) {
  std::size_t rank = 0;
  for (const AdapterLayer& layer : adapter.layers) rank = std::max(rank, LoraRank(layer));
  return rank;
}

std::size_t LoraMaxOutput(const Adapter& adapter) {
  std::size_t width = 0;
  for (const AdapterLayer& layer : adapter.layers) {
    for (const LoraPair& pair : layer.modules) {
      width = std::max(width, pair.out_begin + pair.b.n());
    }
  }
  return width;
}

void LoraForward(const Compute& compute, const LoraBranch& branch, MatrixView<const float> x,
                 MatrixView<float> u, MatrixView<float> t, MatrixView<float> y) {
  if (!branch.active()) return;
  ForEachAdapted(
      branch, [&](const LoraPair& pair, std::size_t, std::size_t u_begin, std::size_t out_begin) {
        const MatrixView<float> module_u = u.Cols(u_begin, pair.a.n());
        const MatrixView<float> module_t = t.Cols(out_begin, pair.b.n());
        LinearForward(compute, x, pair.a, {}, Output::kWrite, module_u);
        LinearForward(compute, module_u, pair.b, {}, Output::kWrite, module_t);
        AddScaledRows(compute, branch.scale, module_t, y.Cols(out_begin, pair.b.n()));
      });
}

void LoraBackward(const Compute& compute, const LoraBranch& branch, MatrixView<const float> dy,
                  MatrixView<const float> x, MatrixView<const float> scaled_u, MatrixView<float> du,
                  MatrixView<float> dx, AdapterLayer* gradient) {
  if (!branch.active()) return;
  ForEachAdapted(branch, [&](const LoraPair& pair, std::size_t module, std::size_t u_begin,
                             std::size_t out_begin) {
    const MatrixView<const float> module_dy = dy.Cols(out_begin, pair.b.n());
    const MatrixView<float> module_du = du.Cols(u_begin, pair.a.n());
    LinearBackwardInput(compute, module_dy, pair.b, Output::kWrite, module_du);
    ScaleRows(compute, branch.scale, module_du);
    LinearBackwardInput(compute, module_du, pair.a, Output::kAdd, dx);
    if (gradient != nullptr) {
      LoraPair& out = gradient->modules[module];
      LinearBackwardWeight(compute, module_dy, scaled_u.Cols(u_begin, pair.a.n()), out.b);
      LinearBackwardWeight(compute, module_du, x, out.a);
    }
  });
}

}  // namespace pawl
