// Sampling filters as Hugging Face's documentation defines them, written slowly in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include "rollout/generate.h"

namespace pawl {

inline std::vector<double> Softmax(const std::vector<double>& scores) {
  const double max = *std::max_element(scores.begin(), scores.end());
  std::vector<double> p;
  double total = 0;
  for (const double score : scores) {
    p.push_back(std::exp(score - max));
    total += p.back();
  }
  for (double& value : p) value /= total;
  return p;
}

// Probabilities of the filtered distribution; seen: ids of prompt and completion.
inline std::vector<double> ReferenceDistribution(const SamplingConfig& config,
                                                 const std::vector<float>& logits,
                                                 const std::set<std::int32_t>& seen) {
  constexpr double kOut = -std::numeric_limits<double>::infinity();
  std::vector<double> scores(logits.begin(), logits.end());
  for (const std::int32_t id : seen) {
    double& score = scores[static_cast<std::size_t>(id)];
    score = score < 0 ? score * config.repetition_penalty : score / config.repetition_penalty;
  }
  for (double& score : scores) score /= config.temperature;
  if (config.top_k > 0 && static_cast<std::size_t>(config.top_k) < scores.size()) {
    std::vector<double> sorted = scores;
    std::sort(sorted.rbegin(), sorted.rend());
    const double least = sorted[static_cast<std::size_t>(config.top_k) - 1];
    for (double& score : scores) {
      if (score < least) score = kOut;
    }
  }
  if (config.top_p < 1) {
    // Ascending; an id goes while the sum up to and including it is at most 1 - top_p.
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return scores[a] < scores[b]; });
    const std::vector<double> p = Softmax(scores);
    double sum = 0;
    for (std::size_t n = 0; n + 1 < order.size(); ++n) {
      sum += p[order[n]];
      if (sum <= 1 - config.top_p) scores[order[n]] = kOut;
    }
  }
  if (config.min_p > 0) {
    const std::vector<double> p = Softmax(scores);
    const double max = *std::max_element(p.begin(), p.end());
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (p[i] < config.min_p * max) scores[i] = kOut;
    }
  }
  return Softmax(scores);
}

}  // namespace pawl
