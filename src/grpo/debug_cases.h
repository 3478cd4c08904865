// Cases in the form of a reference's export: a JSON object with the settings, tables of
// [batch, width] with a mask.  The same code that training uses is run on them, for whoever
// compares pawl with another implementation or adds a loss.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "grpo/advantages.h"
#include "grpo/loss.h"

namespace pawl {

struct GrpoCase {
  std::string name;
  std::size_t batch = 0, width = 0;
  bool old_log_probs_given = true;
  GrpoLossConfig loss;
  ScaleRewards scale_rewards = ScaleRewards::kGroup;
  RewardAggregation aggregation = RewardAggregation::kSumThenNormalize;
  std::vector<double> reward_weights;
  std::size_t num_generations = 1;
  LossScale scale;
  std::vector<std::pair<std::size_t, std::size_t>> micro_batches;  // rows [begin, end)
  std::vector<std::size_t> completion_lengths;
  std::vector<bool> truncated;
};
// kBadFile naming the case, the key and what it should be.
Result<GrpoCase> ParseGrpoCase(const Json& json, const std::string& place);

// [batch, width]; values where the mask is 0 are never read.  Empty: not given.
struct GrpoTables {
  std::vector<std::int32_t> mask;  // after mask_truncated_completions
  std::vector<float> log_probs, old_log_probs, ref_log_probs, sampling_log_probs, entropies;
  std::vector<float> rewards;  // [batch, rewards]
};

struct GrpoCaseOutput {
  std::vector<double> advantages;      // [batch]
  std::vector<double> losses;          // per micro-batch
  std::vector<double> grad_log_probs;  // [batch, width], of the sum of the losses; 0 off the mask
  std::vector<double> grad_entropies;  // the same; empty without an entropy bonus
  Json metrics, generation_metrics;    // list of objects, object
};
// kBadFile for tables that are missing, of the wrong size or not finite within the mask.
Result<GrpoCaseOutput> RunGrpoCase(const GrpoCase& c, const GrpoTables& tables);

}  // namespace pawl
