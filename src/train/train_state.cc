#include "train/train_state.h"

#include <fmt/format.h>

#include <cstring>

#include "checkpoint/safetensors.h"

namespace pawl {

std::vector<FlatParameter> TrainState::Trained() {
  return adapter ? Flatten(*adapter) : Flatten(model.weights);
}

void TrainState::ResetOptimizer() {
  first_moment.clear();
  second_moment.clear();
  optimizer_steps = 0;
}

TrainSnapshot TakeSnapshot(TrainState& state) {
  TrainSnapshot snapshot;
  for (const FlatParameter& parameter : state.Trained()) {
    snapshot.parameters.emplace_back(parameter.values.begin(), parameter.values.end());
  }
  snapshot.first_moment = state.first_moment;
  snapshot.second_moment = state.second_moment;
  snapshot.optimizer_steps = state.optimizer_steps;
  return snapshot;
}

void RestoreSnapshot(const TrainSnapshot& snapshot, TrainState& state) {
  const std::vector<FlatParameter> trained = state.Trained();
  PAWL_CHECK(trained.size() == snapshot.parameters.size());
  for (std::size_t i = 0; i < trained.size(); ++i) {
    PAWL_CHECK(trained[i].values.size() == snapshot.parameters[i].size());
    std::memcpy(trained[i].values.data(), snapshot.parameters[i].data(),
                snapshot.parameters[i].size() * sizeof(float));
  }
  state.first_moment = snapshot.first_moment;
  state.second_moment = snapshot.second_moment;
  state.optimizer_steps = snapshot.optimizer_steps;
}

bool SameParameters(const TrainSnapshot& a, const TrainSnapshot& b) {
  if (a.parameters.size() != b.parameters.size()) return false;
  for (std::size_t i = 0; i < a.parameters.size(); ++i) {
    const auto& x = a.parameters[i];
    const auto& y = b.parameters[i];
    if (x.size() != y.size()) return false;
    if (!x.empty() && std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) != 0) return false;
  }
  return true;
}

}  // namespace pawl
