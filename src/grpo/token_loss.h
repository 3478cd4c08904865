// The policy loss of one token as a function of its ratio and log-probability, before masks,
// weights and aggregation.  With r the ratio, A the advantage, clip(r) in [1 - epsilon,
// 1 + epsilon_high]:
//   grpo, bnpo, dr_grpo, dapo, luspo   -min(min(r, delta) A, clip(r) A)
//   cispo                              -min(r, epsilon_high) A log p, the weight detached
//   sapo                               -(4 / T) sigmoid(T (r - 1)) A
//   vespo                              -phi A log p, phi detached
#pragma once

#include <span>

#include "grpo/loss_config.h"

namespace pawl {

struct TokenTerm {
  double value = 0;
  double dratio = 0;  // derivative with respect to the ratio
  double dlogp = 0;   // derivative where log p appears outside the ratio
};

bool HasClip(LossType type);  // the five losses of the first line

// vespo_weight: VespoWeight of the row; unused by other losses.  At a tie of the minimum both sides
// share the derivative, and a clamp passes it on its bounds, as PyTorch's operations do.
TokenTerm PolicyTerm(const GrpoLossConfig& config, double advantage, double ratio, double log_p,
                     double vespo_weight);

// phi(w) = exp(lambda + k log w - lambda w); log w = the sum of the log-ratios (each within +-20)
// plus the sum of log rho (each from log 1e-8 to 20), then from log 1e-8 to 20.
double VespoWeight(const GrpoLossConfig& config, double advantage,
                   std::span<const double> log_ratios, std::span<const double> sampling_ratios);

}  // namespace pawl
