#include "train/update.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/profile.h"

namespace pawl {
namespace {
// Elements of one piece of work: long enough to amortise a wake-up, short enough to spread.
constexpr std::size_t kGrain = 8192;
}  // namespace

Updater::Updater(TrainState& state, const OptimizerSettings& settings, int total_steps,
                 const Compute& compute)
    : state_(state), settings_(settings), total_steps_(total_steps), compute_(compute) {
  if (state.adapter) {
    adapter_gradients_ = ZerosLike(*state.adapter);
  } else {
    weight_gradients_ = MakeWeights(state.model.config, WeightType::kF32);
    lookups_.emplace(state.model.config);
  }
}

Gradients Updater::gradients() {
  return {weight_gradients_ ? &*weight_gradients_ : nullptr,
          adapter_gradients_ ? &*adapter_gradients_ : nullptr, lookups_ ? &*lookups_ : nullptr};
}

std::vector<FlatParameter> Updater::GradientSpans() {
  return adapter_gradients_ ? Flatten(*adapter_gradients_) : Flatten(*weight_gradients_);
}

void Updater::Clear() {
  if (lookups_) lookups_->FoldInto(compute_, weight_gradients_->embed);
  for (const FlatParameter& gradient : GradientSpans()) {
    std::memset(gradient.values.data(), 0, gradient.values.size() * sizeof(float));
  }
}

void Updater::AllocateMoments() {
  if (!state_.first_moment.empty()) return;
  for (const FlatParameter& parameter : state_.Trained()) {
    state_.first_moment.emplace_back(parameter.values.size());
    state_.second_moment.emplace_back(parameter.values.size());
  }
}

double Updater::Norm() {
  if (lookups_) lookups_->FoldInto(compute_, weight_gradients_->embed);
  double squares = 0;
  for (const FlatParameter& gradient : GradientSpans()) {
    squares += SumOfSquares(gradient.values, compute_.pool);
  }
  return std::sqrt(squares);
}

Result<Updater::Outcome> Updater::Apply(int step, double norm) {
  const ProfilePart part(Part::kOptimizer);
  Outcome outcome;
  PAWL_ASSIGN(outcome.learning_rate,
              LearningRate(settings_.schedule, settings_.learning_rate, step, total_steps_));
  if (!std::isfinite(norm)) {
    outcome.healthy = false;
    Clear();
    return outcome;
  }
  AllocateMoments();
  // With finite gradients a weight stays finite unless the rate is absurd; that is found by the
  // norm of the weights after the update, and the caller then returns to its last snapshot.
  const auto scale = static_cast<float>(ClipFactor(norm, settings_.max_grad_norm));
  const auto pull = static_cast<float>(outcome.learning_rate * settings_.l2_sp);
  auto gradients = GradientSpans();
  const AdamWStep scalars =
      MakeAdamWStep(settings_.adamw, outcome.learning_rate, state_.optimizer_steps + 1);
  auto parameters = state_.Trained();
  double weight_squares = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::span<float> values = parameters[i].values;
    compute_.pool.For(values.size(), kGrain, [&](std::size_t begin, std::size_t end) {
      const std::size_t n = end - begin;
      AdamWUpdate(scalars, parameters[i].decay, scale, values.subspan(begin, n),
                  gradients[i].values.subspan(begin, n),
                  std::span(state_.first_moment[i]).subspan(begin, n),
                  std::span(state_.second_moment[i]).subspan(begin, n));
      std::memset(gradients[i].values.data() + begin, 0, n * sizeof(float));
      if (start_ != nullptr && pull > 0) {
        DecayTowards(pull, std::span((*start_)[i]).subspan(begin, n), values.subspan(begin, n));
      }
    });
    weight_squares += SumOfSquares(values, compute_.pool);
  }
  ++state_.optimizer_steps;
  outcome.healthy = std::isfinite(weight_squares);
  return outcome;
}

}  // namespace pawl
