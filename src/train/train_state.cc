#include "train/train_state.h"

#include <fmt/format.h>

#include <cstring>

#include "base/sha256.h"
#include "checkpoint/safetensors.h"

namespace pawl {

std::vector<FlatParameter> TrainState::Trained() {
  return adapter ? Flatten(*adapter) : Flatten(model.weights);
}

std::string TrainState::Fingerprint() const {
  Sha256 hash;
  // The spans of Trained() are written by optimizers; here they are only read.
  for (const FlatParameter& parameter : const_cast<TrainState*>(this)->Trained()) {
    hash.Add(
        {reinterpret_cast<const char*>(parameter.values.data()), parameter.values.size_bytes()});
  }
  return hash.Hex().substr(0, 16);
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

namespace {

// Names of a snapshot's tensors: "parameter.3", "first_moment.3", "second_moment.3".
void AddTensors(const char* kind, const std::vector<std::vector<float>>& from,
                std::vector<FloatTensor>& tensors) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    tensors.push_back({fmt::format("{}.{}", kind, i), {from[i].size()}, from[i]});
  }
}

Result<std::vector<std::vector<float>>> ReadTensors(const SafetensorsFile& file, const char* kind) {
  std::vector<std::vector<float>> all;
  for (std::size_t i = 0; file.Find(fmt::format("{}.{}", kind, i)) != nullptr; ++i) {
    PAWL_ASSIGN(auto values, file.ReadFloats(fmt::format("{}.{}", kind, i)));
    all.push_back(std::move(values));
  }
  return all;
}

}  // namespace

Status SaveSnapshot(const TrainSnapshot& snapshot, const std::filesystem::path& file) {
  std::vector<FloatTensor> tensors;
  AddTensors("parameter", snapshot.parameters, tensors);
  AddTensors("first_moment", snapshot.first_moment, tensors);
  AddTensors("second_moment", snapshot.second_moment, tensors);
  // 64-bit step count as two exact float halves.
  const auto steps = static_cast<std::uint64_t>(snapshot.optimizer_steps);
  tensors.push_back({"optimizer_steps",
                     {2},
                     {static_cast<float>(steps >> 20), static_cast<float>(steps & 0xfffff)}});
  return WriteSafetensors(file, std::move(tensors));
}

Result<TrainSnapshot> LoadSnapshot(const std::filesystem::path& file) {
  PAWL_ASSIGN(const SafetensorsFile tensors, SafetensorsFile::Open(file));
  TrainSnapshot snapshot;
  PAWL_ASSIGN(snapshot.parameters, ReadTensors(tensors, "parameter"));
  PAWL_ASSIGN(snapshot.first_moment, ReadTensors(tensors, "first_moment"));
  PAWL_ASSIGN(snapshot.second_moment, ReadTensors(tensors, "second_moment"));
  PAWL_ASSIGN(const std::vector<float> steps, tensors.ReadFloats("optimizer_steps"));
  if (steps.size() != 2) return BadFile(file.string() + ": optimizer_steps has the wrong shape");
  snapshot.optimizer_steps =
      (static_cast<std::int64_t>(steps[0]) << 20) + static_cast<std::int64_t>(steps[1]);
  return snapshot;
}

}  // namespace pawl
