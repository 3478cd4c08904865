#include "pipeline/frozen_policy.h"

#include <fmt/format.h>

#include <algorithm>

namespace pawl {
namespace {

void CopyInto(std::vector<FlatParameter> to, const std::vector<std::vector<float>>& from) {
  PAWL_CHECK(to.size() == from.size());
  for (std::size_t i = 0; i < to.size(); ++i) {
    PAWL_CHECK(to[i].values.size() == from[i].size());
    std::copy(from[i].begin(), from[i].end(), to[i].values.begin());
  }
}

}  // namespace

FrozenPolicy::FrozenPolicy(const TrainState& state, const TrainSnapshot& snapshot) : state_(state) {
  if (state.adapter) {
    adapter_ = Clone(*state.adapter);
    CopyInto(Flatten(*adapter_), snapshot.parameters);
    return;
  }
  model_.emplace();
  model_->config = state.model.config;
  model_->weights = MakeWeights(state.model.config, WeightType::kF32);
  model_->stop_ids = state.model.stop_ids;
  FinishModel(*model_, state.model.max_positions);
  CopyInto(Flatten(model_->weights), snapshot.parameters);
}

Policy FrozenPolicy::policy() const {
  return {model_ ? *model_ : state_.model, adapter_ ? &*adapter_ : nullptr};
}

Status CheckFits(const TrainSnapshot& snapshot, TrainState& state, const std::string& place) {
  const std::vector<FlatParameter> trained = state.Trained();
  bool fits = snapshot.parameters.size() == trained.size();
  for (const auto* moments : {&snapshot.first_moment, &snapshot.second_moment}) {
    fits = fits && (moments->empty() || moments->size() == trained.size());
  }
  for (std::size_t i = 0; fits && i < trained.size(); ++i) {
    const std::size_t size = trained[i].values.size();
    fits = snapshot.parameters[i].size() == size;
    for (const auto* moments : {&snapshot.first_moment, &snapshot.second_moment}) {
      fits = fits && (moments->empty() || (*moments)[i].size() == size);
    }
  }
  if (fits) return {};
  return BadFile(
      fmt::format("{}: the tensors of the checkpoint do not have this model's shapes; "
                  "resume with the model the run began with",
                  place));
}

}  // namespace pawl
