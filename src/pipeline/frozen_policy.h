// A copy of the policy as it was: the reference that a stage's KL term is measured against.
#pragma once

#include <optional>

#include "model/model.h"
#include "train/train_state.h"

namespace pawl {

// With LoRA the state's frozen model with a copy of the adapter; otherwise a copy of all weights.
// `state` outlives it.
class FrozenPolicy {
 public:
  FrozenPolicy(const TrainState& state, const TrainSnapshot& snapshot);
  Policy policy() const;

 private:
  const TrainState& state_;
  std::optional<Adapter> adapter_;
  std::optional<Model> model_;
};

// Whether a snapshot read from a file has the shapes of `state`: kBadFile otherwise.
Status CheckFits(const TrainSnapshot& snapshot, TrainState& state, const std::string& place);

}  // namespace pawl
