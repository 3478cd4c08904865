#include "model/debug.h"

#include <optional>

#include "base/check.h"

namespace pawl {
namespace {

std::vector<float> HiddenOf(const Policy& policy, const Compute& compute,
                            std::span<const std::int32_t> ids, Scratch& scratch) {
  const std::size_t width = policy.model.config.hidden_size;
  std::vector<float> hidden(ids.size() * width);
  KvCache cache(policy.model.config);
  KvSequence sequence(cache);
  const SequenceRows rows{0, ids.size(), &sequence};
  Forward(policy, compute, ids, {&rows, 1}, scratch, nullptr, {hidden.data(), ids.size(), width});
  return hidden;
}

// The loss of one line; adds its gradients.
double AddLine(const Policy& policy, const Compute& compute, const MaskedSequence& line,
               Scratch& scratch, SavedActivations& saved, const Gradients& gradients) {
  const std::size_t n = line.ids.size(), width = policy.model.config.hidden_size;
  PAWL_CHECK(line.mask.size() == n);
  std::vector<std::int32_t> targets(n, -1);
  std::vector<float> coefficients(n, 0.0f), log_probs(n, 0.0f);
  for (std::size_t j = 1; j < n; ++j) {
    if (line.mask[j] == 0) continue;
    targets[j - 1] = line.ids[j];
    coefficients[j - 1] = -1.0f;
  }
  KvCache cache(policy.model.config);
  KvSequence sequence(cache);
  AlignedBuffer<float> hidden(n * width), dhidden(n * width);
  const MatrixView<float> hidden_rows{hidden.data(), n, width},
      dhidden_rows{dhidden.data(), n, width};
  const SequenceRows rows{0, n, &sequence};
  Forward(policy, compute, line.ids, {&rows, 1}, scratch, &saved, hidden_rows);
  HeadForwardBackward(policy, compute, hidden_rows, targets, 1.0f, coefficients, {}, scratch,
                      {log_probs, {}, {}}, dhidden_rows, gradients);
  const BackwardRows backward{rows, nullptr, nullptr};
  Backward(policy, compute, line.ids, {&backward, 1}, saved, scratch, dhidden_rows, gradients);
  double loss = 0;
  for (std::size_t j = 0; j < n; ++j) {
    if (targets[j] >= 0) loss -= static_cast<double>(log_probs[j]);
  }
  return loss;
}

}  // namespace

SequenceScores ScoreSequence(const Policy& policy, const Compute& compute,
                             std::span<const std::int32_t> ids, Scratch& scratch) {
  const std::size_t n = ids.size();
  const std::vector<float> hidden = HiddenOf(policy, compute, ids, scratch);
  SequenceScores scores{std::vector<float>(n), std::vector<float>(n), std::vector<std::int32_t>(n)};
  std::vector<std::int32_t> targets(ids.begin() + 1, ids.end());
  targets.push_back(-1);
  HeadForward(policy, compute, {hidden.data(), n, policy.model.config.hidden_size}, targets, 1.0f,
              scratch, {scores.log_probs, scores.entropies, scores.argmax});
  scores.log_probs.pop_back();
  scores.entropies.pop_back();
  return scores;
}

SequenceLogits LogitsOf(const Policy& policy, const Compute& compute,
                        std::span<const std::int32_t> ids, Scratch& scratch) {
  const ModelConfig& config = policy.model.config;
  SequenceLogits out;
  out.final_hidden = HiddenOf(policy, compute, ids, scratch);
  out.logits.resize(ids.size() * config.vocab_size);
  HeadLogits(policy, compute, {out.final_hidden.data(), ids.size(), config.hidden_size},
             {out.logits.data(), ids.size(), config.vocab_size});
  return out;
}

LossGradients MaskedLossGradients(const Policy& policy, const Compute& compute,
                                  std::span<const MaskedSequence> lines, Scratch& scratch) {
  const ModelConfig& config = policy.model.config;
  std::optional<Weights> weights;
  std::optional<Adapter> adapter;
  LookupGradient lookup(config);
  Gradients gradients;
  if (policy.adapter != nullptr) {
    adapter = ZerosLike(*policy.adapter);
    gradients.adapter = &*adapter;
  } else {
    weights = MakeWeights(config, WeightType::kF32);
    gradients.weights = &*weights;
    gradients.lookup = &lookup;
  }
  SavedActivations saved;
  LossGradients out;
  for (const MaskedSequence& line : lines) {
    out.loss += AddLine(policy, compute, line, scratch, saved, gradients);
  }
  if (weights) lookup.FoldInto(compute, weights->embed);
  for (const Parameter& parameter :
       adapter ? AdapterTensors(*adapter) : Parameters(config, *weights)) {
    out.gradients.push_back({parameter.name, parameter.shape, ReadParameter(parameter)});
  }
  return out;
}

}  // namespace pawl
