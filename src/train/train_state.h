// The policy under training with its optimizer: the value that checkpoints save and rollbacks
// restore.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "base/error.h"
#include "model/backward.h"
#include "model/model.h"

namespace pawl {

struct TrainState {
  Model model;                     // full training: float32 weights; LoRA: frozen, as stored
  std::optional<Adapter> adapter;  // present: LoRA, only it is trained
  // AdamW moments of the trained parameters, flat in the order of Trained(); allocated at the first
  // step.
  std::vector<std::vector<float>> first_moment, second_moment;
  std::int64_t optimizer_steps = 0;  // since the moments were last reset

  Policy policy() const { return {model, adapter ? &*adapter : nullptr}; }
  std::vector<FlatParameter> Trained();
  void ResetOptimizer();
  // SHA-256 of the trained parameters, 16 hexadecimal digits: what a journal knows a policy by.
  std::string Fingerprint() const;
};

// A copy of the trained parameters and optimizer in memory: the anchor that a rollback returns to.
struct TrainSnapshot {
  std::vector<std::vector<float>> parameters, first_moment, second_moment;
  std::int64_t optimizer_steps = 0;
};
TrainSnapshot TakeSnapshot(TrainState& state);
void RestoreSnapshot(const TrainSnapshot& snapshot, TrainState& state);
// Parameters only: float32 values equal bit for bit.
bool SameParameters(const TrainSnapshot& a, const TrainSnapshot& b);

// One file, trained parameters and moments bit for bit; written through the caller's temporary
// folder.
Status SaveSnapshot(const TrainSnapshot& snapshot, const std::filesystem::path& file);
Result<TrainSnapshot> LoadSnapshot(const std::filesystem::path& file);

}  // namespace pawl
