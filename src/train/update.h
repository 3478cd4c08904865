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

  // Global L2 norm of the gradients gathered so far.
  double Norm();

  struct Outcome {
    double learning_rate = 0;
    bool healthy = true;  // false: the norm or a weight after the update is not finite
  };
  // Clips by `norm` = Norm(), applies AdamW with the schedule's rate at `step`, clears the
  // gradients. A norm that is not finite changes nothing.
  Result<Outcome> Apply(int step, double norm);

  // L2-SP: with settings.l2_sp each update also decays the weights towards these, which outlive the
  // updater.  Null: none.
  void PullTowards(const std::vector<std::vector<float>>* start) { start_ = start; }

 private:
  std::vector<FlatParameter> GradientSpans();
  void AllocateMoments();

  TrainState& state_;
  const OptimizerSettings& settings_;
  int total_steps_;
  const Compute& compute_;
  std::optional<Weights> weight_gradients_;
  std::optional<Adapter> adapter_gradients_;
  const std::vector<std::vector<float>>* start_ = nullptr;  // flat, in the order of Trained()
  std::optional<LookupGradient> lookups_;  // with weight_gradients_, folded into embed by Apply
};

}  // namespace pawl
