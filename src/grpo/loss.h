// The GRPO family of losses and their derivatives: pure maths on arrays.  Conventions are those of
// TRL 1.16 (docs/MATH.md).  Inputs are float32 log-probabilities; everything is computed in double
// with kernels/math.h and sums in the order of the tokens, so that the bits are the same
// everywhere.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "grpo/loss_config.h"

namespace pawl {

// One completion: the tokens that the loss counts, without padding.  Rows may differ in length.
struct LossRow {
  std::span<const float> log_probs;      // of the policy being trained
  std::span<const float> old_log_probs;  // of the policy that sampled; empty: the same, detached
  std::span<const float> ref_log_probs;  // of the reference; needed with beta
  double advantage = 0;
  bool masked = false;  // truncated, with mask_truncated_completions: counts as a row of no tokens
  // What the sampler itself reported, NaN where unknown; needed with sampling_correction, and what
  // the off-policy mask compares with in place of old_log_probs.
  std::span<const float> sampling_log_probs = {};
  std::span<const float> entropies = {};  // needed with top_entropy_quantile and entropy_coef

  std::size_t size() const { return masked ? 0 : log_probs.size(); }  // tokens that count
};

struct LossScale {
  double num_items_in_batch = 0;  // unmasked completion tokens of the whole generation batch
  double gradient_accumulation_steps = 1;
  double steps_per_generation = 1;
  double max_completion_length = 0;  // for dr_grpo
};

// Means are over tokens; over rows where the quantity is one a row (ratio at sequence level, phi).
// NaN: undefined, or not of this loss type.
struct LossOutput {
  static constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

  double loss = 0;
  double policy_loss = 0;  // without entropy bonus, before the division by accumulation steps
  std::vector<std::vector<double>> dloss_dlogp;     // [row][token], zeros in a masked row
  std::vector<std::vector<double>> dloss_dentropy;  // the same; empty without entropy_coef
  double clip_low = 0, clip_high = 0;               // share clipped below (A < 0) and above (A > 0)
  double clip_low_min = kUndefined, clip_high_max = kUndefined;  // least and largest row mean
  double cispo_clip = 0;                                         // share above the cap with A > 0
  double vespo_phi = kUndefined;                                 // mean weight
  double kl = 0;                // mean of the estimate, 0 without reference
  double entropy = kUndefined;  // mean, where rows have entropies
};

// The configuration must have passed CheckLossConfig; spans of a row that are not empty have its
// length.
LossOutput GrpoLoss(const GrpoLossConfig& config, std::span<const LossRow> rows,
                    const LossScale& scale);

}  // namespace pawl
