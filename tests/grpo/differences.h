// Derivatives of a loss by differences.
#pragma once

#include "grpo/random_rows.h"

namespace pawl {

// The derivative of loss(rows) by entry t of a column of row r.  With `together` the old
// log-probability moves too, so that the ratio stays what it is (the detached weights of cispo and
// vespo).  Central differences at h and h/2, extrapolated: an error of order h^4.
template <class Loss>
double Derivative(const Loss& loss, const RandomRows& rows, std::size_t r, std::size_t t,
                  std::vector<float> RandomRow::*column, bool together) {
  const auto difference = [&](float h) {
    double sides[2];
    for (int side = 0; side < 2; ++side) {
      RandomRows moved = rows;
      const float step = side == 0 ? h : -h;
      (moved.rows[r].*column)[t] += step;
      if (together) moved.rows[r].old[t] += step;
      sides[side] = loss(moved);
    }
    return (sides[0] - sides[1]) / (2 * static_cast<double>(h));
  };
  const double coarse = difference(0x1p-9f), fine = difference(0x1p-10f);
  return fine + (fine - coarse) / 3;
}

// A row whose ratio lies within a step of a kink of the loss has no derivative to compare.
inline bool NearKink(const GrpoLossConfig& c, const RandomRow& row, std::size_t t) {
  double log_ratio = 0;
  const auto at = [&](std::size_t i) {
    return static_cast<double>(row.log_probs[i]) - static_cast<double>(row.old[i]);
  };
  if (c.importance_sampling_level == ImportanceLevel::kToken) {
    log_ratio = at(t);
  } else {
    for (std::size_t i = 0; i < row.old.size(); ++i) {
      log_ratio += at(i) / static_cast<double>(row.old.size());
    }
  }
  for (const double kink : {1 - c.epsilon, 1 + c.epsilon_high, c.delta}) {
    if (kink > 0 && std::fabs(log_ratio - std::log(kink)) < 0x1p-8) return true;
  }
  return false;
}

}  // namespace pawl
