// Gradients and the optimizer update of whatever a state trains: the adapter, or all weights.
#pragma once

#include <optional>

#include "train/settings.h"
#include "train/train_state.h"

namespace pawl {

class Updater {
 public:
  Updater(TrainState& state, const OptimizerSettings& settings, int total_steps,
          const Compute& compute);

  // Where backward passes add; zero after construction and after Apply or Clear.
  Gradients gradients();
  void Clear();

  struct Outcome {
    double learning_rate = 0, grad_norm = 0;
    bool healthy =
        true;  // false: the norm or a weight after the update is not finite; nothing changed
  };
  // Clips, applies AdamW with the schedule's rate at `step`, clears the gradients.
  Result<Outcome> Apply(int step);

 private:
  std::vector<FlatParameter> GradientSpans();
  void AllocateMoments();

  TrainState& state_;
  const OptimizerSettings& settings_;
  int total_steps_;
  const Compute& compute_;
  std::optional<Weights> weight_gradients_;
  std::optional<Adapter> adapter_gradients_;
  std::optional<LookupGradient> lookups_;  // with weight_gradients_, folded into embed by Apply
};

}  // namespace pawl
