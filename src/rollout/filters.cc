#include "rollout/filters.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "kernels/math.h"

namespace pawl {
namespace {

// Keeps the ids whose score is at least the k-th largest of all scores.
void KeepTopK(std::size_t k, FilterScratch& scratch) {
  if (k >= scratch.kept.size()) return;
  scratch.values = scratch.scores;
  const auto kth = scratch.values.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(scratch.values.begin(), kth, scratch.values.end(), std::greater<>());
  const float threshold = *kth;
  std::erase_if(scratch.kept, [&](std::int32_t id) { return scratch.scores[id] < threshold; });
}

// Keeps the largest scores until their mass is at least top_p: an id stays while the mass of those
// before it is below top_p.  Sorts only as deep as that needs, since a vocabulary has 150,000 ids
// and the set usually has a few.
void KeepTopP(double top_p, float max, FilterScratch& scratch) {
  auto& kept = scratch.kept;
  const auto& scores = scratch.scores;
  double total = 0;
  for (const std::int32_t id : kept) total += ExpF(scores[id] - max);
  const auto before = [&](std::int32_t a, std::int32_t b) {
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
  };
  const double wanted = top_p * total;
  double mass = 0;
  std::size_t sorted = 0, count = 0;
  while (count < kept.size() && (count == 0 || mass < wanted)) {
    if (count == sorted) {
      const auto begin = kept.begin() + static_cast<std::ptrdiff_t>(sorted);
      sorted = std::min(kept.size(), std::max<std::size_t>(256, sorted * 4));
      const auto end = kept.begin() + static_cast<std::ptrdiff_t>(sorted);
      std::nth_element(begin, end, kept.end(), before);
      std::sort(begin, end, before);
    }
    mass += ExpF(scores[kept[count]] - max);
    ++count;
  }
  kept.resize(count);
}

}  // namespace

bool HasFilters(const SamplingConfig& config) {
  return !config.greedy && (config.top_k > 0 || config.top_p < 1.0 || config.min_p > 0.0);
}

void ApplyRepetitionPenalty(float penalty, std::span<const std::int32_t> seen,
                            std::span<float> logits) {
  for (const std::int32_t id : seen) {
    float& logit = logits[static_cast<std::size_t>(id)];
    logit = logit < 0 ? logit * penalty : logit / penalty;
  }
}

void FilterLogits(const SamplingConfig& config, std::span<float> logits, FilterScratch& scratch) {
  const auto inverse_temperature = static_cast<float>(1.0 / config.temperature);
  scratch.scores.resize(logits.size());
  scratch.kept.resize(logits.size());
  float max = -std::numeric_limits<float>::infinity();
  bool nan = false;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const float score = logits[i] * inverse_temperature;
    nan |= score != score;
    max = std::max(max, score);
    scratch.scores[i] = score;
    scratch.kept[i] = static_cast<std::int32_t>(i);
  }
  if (nan) return;

  if (config.top_k > 0) KeepTopK(static_cast<std::size_t>(config.top_k), scratch);
  if (config.top_p < 1.0) KeepTopP(config.top_p, max, scratch);
  if (config.min_p > 0.0) {
    std::erase_if(scratch.kept, [&](std::int32_t id) {
      return static_cast<double>(ExpF(scratch.scores[id] - max)) < config.min_p;
    });
  }
  scratch.values.resize(scratch.kept.size());
  for (std::size_t i = 0; i < scratch.kept.size(); ++i) {
    scratch.values[i] = logits[static_cast<std::size_t>(scratch.kept[i])];
  }
  std::fill(logits.begin(), logits.end(), -std::numeric_limits<float>::infinity());
  for (std::size_t i = 0; i < scratch.kept.size(); ++i) {
    logits[static_cast<std::size_t>(scratch.kept[i])] = scratch.values[i];
  }
}

}  // namespace pawl
