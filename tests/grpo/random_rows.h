// Random micro-batches whose values are multiples of 2^-12, so that small shifts are exact in
// float32 and differences can be taken without rounding.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "grpo/loss.h"

namespace pawl {

struct RandomRow {
  std::vector<float> log_probs, old, reference, sampling, entropies;
  double advantage = 0;
};

struct RandomRows {
  std::vector<RandomRow> rows;

  RandomRows(std::uint32_t seed, std::size_t count) {
    std::mt19937 engine(seed);
    const auto grid = [&](double low, double high) {
      const double u = static_cast<double>(engine()) / 4294967296.0;
      return static_cast<float>(std::rint((low + u * (high - low)) * 4096) / 4096);
    };
    for (std::size_t r = 0; r < count; ++r) {
      RandomRow& row = rows.emplace_back();
      row.advantage = static_cast<double>(grid(0.25, 2)) * (r % 2 == 0 ? 1 : -1);
      const std::size_t tokens = 3 + engine() % 7;
      for (std::size_t t = 0; t < tokens; ++t) {
        const float log_p = grid(-4, -0.1);
        row.log_probs.push_back(log_p);
        row.old.push_back(log_p + grid(-0.5, 0.5));
        row.reference.push_back(log_p + grid(-0.7, 0.7));
        row.sampling.push_back(log_p + grid(-0.4, 0.4));
        row.entropies.push_back(grid(0, 3));
      }
    }
  }

  std::vector<LossRow> Views() const {
    std::vector<LossRow> out;
    for (const RandomRow& row : rows) {
      LossRow& view = out.emplace_back();
      view.log_probs = row.log_probs;
      view.old_log_probs = row.old;
      view.ref_log_probs = row.reference;
      view.advantage = row.advantage;
    }
    return out;
  }
  double tokens() const {
    double count = 0;
    for (const RandomRow& row : rows) count += static_cast<double>(row.log_probs.size());
    return count;
  }
  LossScale Scale() const { return {tokens() + 5, 2, 4, 16}; }
};

}  // namespace pawl
