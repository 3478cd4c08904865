#include "train/trainer_impl.h"

namespace pawl {

Result<StepOutcome> Trainer::SftStep(std::span<const SftDocument> documents, int step,
                                     const StepHooks& hooks) {
  Impl& impl = *impl_;
  StepOutcome outcome;
  const double start = Now();
  double total = 0;
  for (const SftDocument& document : documents) {
    for (const float weight : document.weights) total += static_cast<double>(weight);
  }
  if (total <= 0) return outcome;
  // A document is a group of one: what comes before the first target is its prompt.
  std::vector<std::vector<float>> coefficients(documents.size()), log_probs(documents.size());
  std::vector<GroupTask> groups;
  for (std::size_t d = 0; d < documents.size(); ++d) {
    const SftDocument& document = documents[d];
    PAWL_CHECK(document.ids.size() == document.weights.size());
    std::size_t first = 1;
    while (first < document.ids.size() && document.weights[first] == 0) ++first;
    if (first >= document.ids.size()) continue;
    for (std::size_t k = first; k < document.ids.size(); ++k) {
      coefficients[d].push_back(
          static_cast<float>(-static_cast<double>(document.weights[k]) / total));
    }
    log_probs[d].resize(coefficients[d].size());
    const std::span<const std::int32_t> ids(document.ids);
    groups.push_back({ids.first(first), {{ids.subspan(first), coefficients[d], log_probs[d], {}}}});
    outcome.trained_tokens += document.ids.size();
  }
  impl.accumulate.cancelled = hooks.cancelled;
  if (!AccumulateGradients(impl.state.policy(), impl.compute, groups, impl.accumulate,
                           *impl.buffers, impl.updater.gradients())) {
    outcome.cancelled = true;
    impl.updater.Clear();
    return outcome;
  }
  double loss = 0;
  for (std::size_t d = 0; d < documents.size(); ++d) {
    for (std::size_t k = 0; k < coefficients[d].size(); ++k) {
      loss += static_cast<double>(coefficients[d][k]) * static_cast<double>(log_probs[d][k]);
    }
  }
  outcome.metrics["loss"] = loss;
  PAWL_TRY(impl.Update(step, hooks, outcome));
  outcome.metrics["num_tokens"] = outcome.trained_tokens;
  outcome.train_seconds = Now() - start;
  return outcome;
}

}  // namespace pawl
