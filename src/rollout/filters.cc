#include "rollout/filters.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "kernels/math.h"

namespace pawl {
namespace {
constexpr float kDropped = -std::numeric_limits<float>::infinity();
}

bool IsPlain(const SamplingConfig& config) {
  return config.repetition_penalty == 1.0 &&
         (config.greedy || (config.top_k == 0 && config.top_p >= 1.0 && config.min_p <= 0.0));
}

void LogitsFilter::Apply(const SamplingConfig& config, std::span<const std::int32_t> prompt,
                         std::span<const std::int32_t> completion, std::span<float> logits) {
  if (config.repetition_penalty != 1.0) {
    seen_.assign(logits.size(), 0);
    Penalise(config.repetition_penalty, prompt, logits);
    Penalise(config.repetition_penalty, completion, logits);
  }
  if (config.greedy) return;
  const auto inverse = static_cast<float>(1.0 / config.temperature);
  for (float& logit : logits) logit *= inverse;
  if (config.top_k > 0) KeepTopK(config.top_k, logits);
  if (config.top_p < 1.0) KeepTopP(config.top_p, logits);
  if (config.min_p > 0.0) KeepMinP(config.min_p, logits);
}

void LogitsFilter::Penalise(double penalty, std::span<const std::int32_t> ids,
                            std::span<float> logits) {
  const auto factor = static_cast<float>(penalty);
  for (const std::int32_t id : ids) {
    const auto i = static_cast<std::size_t>(id);
    if (seen_[i] != 0) continue;
    seen_[i] = 1;
    logits[i] = logits[i] < 0 ? logits[i] * factor : logits[i] / factor;
  }
}

// Logits strictly below the k-th largest are dropped: ties at the boundary stay.
void LogitsFilter::KeepTopK(int k, std::span<float> logits) {
  const auto keep = static_cast<std::size_t>(k);
  if (keep >= logits.size()) return;
  sorted_.assign(logits.begin(), logits.end());
  std::nth_element(sorted_.begin(), sorted_.begin() + k - 1, sorted_.end(), std::greater<>());
  const float boundary = sorted_[keep - 1];
  for (float& logit : logits) {
    if (logit < boundary) logit = kDropped;
  }
}

// The smallest set of the likeliest tokens with mass >= p stays; at least one.  Sorted by logit,
// then by descending id, so that equal logits are dropped in a fixed order (ascending ids go
// first).
void LogitsFilter::KeepTopP(double p, std::span<float> logits) {
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < logits.size(); ++i) {
    if (logits[i] != kDropped) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return logits[a] != logits[b] ? logits[a] < logits[b] : a < b;
  });
  const float max = logits[order.back()];
  double total = 0;
  for (const std::uint32_t i : order) total += ExpF(logits[i] - max);
  double mass = 0;
  for (std::size_t n = 0; n + 1 < order.size(); ++n) {
    mass += ExpF(logits[order[n]] - max);
    if (mass / total > 1.0 - p) break;
    logits[order[n]] = kDropped;
  }
}

void LogitsFilter::KeepMinP(double p, std::span<float> logits) {
  const float max = *std::max_element(logits.begin(), logits.end());
  for (float& logit : logits) {
    if (static_cast<double>(ExpF(logit - max)) < p) logit = kDropped;
  }
}

}  // namespace pawl
