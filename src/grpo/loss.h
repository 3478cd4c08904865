// The GRPO family of losses and their derivatives: pure maths on arrays.  Conventions are those of
// TRL 1.16 (docs/MATH.md); everything is computed in double from float32 log-probabilities.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace pawl {

enum class LossType {
  kGrpo,    // mean over rows of the row's token mean (DeepSeekMath, arXiv:2402.03300)
  kBnpo,    // masked sum / masked count of the micro-batch (TRL)
  kDrGrpo,  // masked sum / (rows x max_completion_length) (Dr. GRPO, arXiv:2503.20783)
  kDapo,    // masked sum / tokens of the accumulated batch (DAPO, arXiv:2503.14476)
  kCispo,   // clipped importance weight times log p (MiniMax-M1, arXiv:2506.13585)
  kSapo,    // soft sigmoid gate in place of the clip (arXiv:2511.20347)
  kLuspo,   // mean over rows of the row's token sum (arXiv:2602.05261)
  kVespo,   // variational sequence weight (arXiv:2602.10693)
};
Result<LossType> ParseLossType(const std::string& name);  // TRL's names
const char* LossTypeName(LossType type);
std::vector<std::string> LossTypeNames();

enum class ImportanceLevel {
  kToken,     // a ratio a token
  kSequence,  // exp(masked mean of the log-ratio), one a row (GSPO, arXiv:2507.18071)
};
Result<ImportanceLevel> ParseImportanceLevel(const std::string& name);  // "token", "sequence"
const char* ImportanceLevelName(ImportanceLevel level);

struct GrpoLossConfig {
  LossType loss_type = LossType::kDapo;
  ImportanceLevel importance_sampling_level = ImportanceLevel::kToken;
  double epsilon = 0.2;       // ratio clipped below at 1 - epsilon
  double epsilon_high = 0.2;  // and above at 1 + epsilon_high; for cispo the cap itself
  double delta = 0;  // > 0: upper cap of the unclipped ratio (two-sided clip, arXiv:2505.07291)
  double beta = 0;   // weight of KL(policy || reference); 0: no reference is needed
  bool use_bias_correction_kl = true;       // the KL estimate times the ratio
  bool mask_truncated_completions = false;  // truncated rows lose their whole mask (DAPO)
  double sapo_temperature_pos = 1.0, sapo_temperature_neg = 1.05;
  double vespo_k_pos = 2.0, vespo_lambda_pos = 3.0, vespo_k_neg = 3.0, vespo_lambda_neg = 2.0;
};

// One completion.  A row whose mask is off counts as a row but none of its tokens do.
struct LossRow {
  std::span<const float> log_probs;      // of the policy being trained
  std::span<const float> old_log_probs;  // of the policy that sampled; empty: the same, detached
  std::span<const float> ref_log_probs;  // of the reference; needed when beta > 0
  double advantage = 0;
  bool masked = false;  // truncated, with mask_truncated_completions
};

struct LossScale {
  double num_items_in_batch = 0;  // unmasked completion tokens of the whole optimizer step
  double gradient_accumulation_steps = 1;
  double steps_per_generation = 1;
  double max_completion_length = 0;  // for dr_grpo
};

struct LossOutput {
  double loss = 0;
  std::vector<std::vector<double>> dloss_dlogp;  // [row][token]
  double clip_low = 0, clip_high = 0;  // mean over tokens (rows at sequence level) of being clipped
  double kl = 0;                       // masked mean of the estimate, 0 without reference
};

LossOutput GrpoLoss(const GrpoLossConfig& config, std::span<const LossRow> rows,
                    const LossScale& scale);

}  // namespace pawl
