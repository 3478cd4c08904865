// Importance ratios between the trainer's old policy and the sampler that drew the tokens.
#pragma once

#include <span>
#include <vector>

#include "grpo/loss.h"

namespace pawl {

// log p_old - log p_sampler of each token that counts; 0 where the sampler's is unknown (NaN).
std::vector<double> SamplingLogDifferences(const LossRow& row);

// rho after truncation or masking: one value a token, one for the row in the sequence modes, none
// for kNone.  A row of no tokens has the sequence ratio of an empty product.
std::vector<double> SamplingRatios(const SamplingCorrection& correction, const LossRow& row);

// 1, or 0 for a row that the off-policy mask drops: negative advantage and
// mean(log p_sampler - log p) above the threshold.
double OffPolicyKeep(const GrpoLossConfig& config, const LossRow& row);

}  // namespace pawl
