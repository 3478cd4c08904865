// The numbers of a generation batch and of a loss call under the names that TRL 1.16 logs.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "grpo/advantages.h"
#include "grpo/loss.h"

namespace pawl {

// In the order in which TRL logs them; NaN is undefined.
using NamedNumbers = std::vector<std::pair<std::string, double>>;

// What a completion was: its tokens (before any masking), and whether it ended for want of room.
struct CompletionLength {
  std::size_t tokens = 0;
  bool truncated = false;
};

// completions/*, rewards/<name>/mean and /std, reward, reward_std (over the whole batch, not within
// groups), frac_reward_zero_std.  reward_names: one per reward of `input`.
NamedNumbers GenerationMetrics(std::span<const CompletionLength> completions,
                               const AdvantageInput& input,
                               std::span<const std::string> reward_names,
                               const Advantages& advantages);

// sampling/*: |log p_old - log p_sampler| where known, and the ratios as they are used.
NamedNumbers SamplingMetrics(const SamplingCorrection& correction, std::span<const LossRow> rows);

// kl, entropy, clip_ratio/*, cispo_clip_ratio, vespo/phi_seq_mean, policy_loss, entropy_coef: those
// that the configuration has.
NamedNumbers LossMetrics(const GrpoLossConfig& config, const LossOutput& output);

}  // namespace pawl
