// What a loss of the GRPO family is made of.  Names and meanings are those of TRL 1.16; every
// convention is written down in docs/MATH.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace pawl {

enum class LossType {
  kGrpo,    // mean over rows of the row's token mean (DeepSeekMath, arXiv:2402.03300)
  kBnpo,    // masked sum / masked count of the micro-batch (TRL)
  kDrGrpo,  // masked sum / (rows x max_completion_length) (Dr. GRPO, arXiv:2503.20783)
  kDapo,    // masked sum / tokens of the accumulated batch (DAPO, arXiv:2503.14476)
  kCispo,   // capped importance weight times log p (MiniMax-M1, arXiv:2506.13585)
  kSapo,    // soft sigmoid gate in place of the clip (arXiv:2511.20347)
  kLuspo,   // mean over rows of the row's token sum (arXiv:2602.05261)
  kVespo,   // variational sequence weight times log p (arXiv:2602.10693)
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

// What is done about tokens that another distribution than the trainer's sampled: the loss times
// rho = p_old / p_sampler of the token, or of the whole row (product over its tokens).
enum class SamplingCorrectionMode {
  kNone,           // sampler and trainer are one
  kTokenTruncate,  // rho clamped to [clip_min, clip_max] (TIS, fengyao.notion.site/off-policy-rl)
  kTokenMask,      // 0 where rho leaves [clip_min, clip_max] (IcePop, arXiv:2510.18855)
  kSequenceTruncate,  // the same for the row's rho
  kSequenceMask,
};
// "token_truncate", "token_mask", "sequence_truncate", "sequence_mask".
Result<SamplingCorrectionMode> ParseSamplingCorrectionMode(const std::string& name);
const char* SamplingCorrectionModeName(SamplingCorrectionMode mode);  // "none" for kNone

struct SamplingCorrection {
  SamplingCorrectionMode mode = SamplingCorrectionMode::kNone;
  std::optional<double> clip_min, clip_max;  // absent: no bound on that side
};

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
  double top_entropy_quantile = 1.0;  // below 1: only this share of tokens, those of the highest
                                      // entropy, keeps its policy loss (arXiv:2506.01939)
  double entropy_coef = 0;            // the loss minus this times the mean entropy
  // Rows of negative advantage whose mean(log p_sampler - log p) is above this lose their policy
  // loss (DeepSeek-V3.2, arXiv:2512.02556).
  std::optional<double> off_policy_mask_threshold;
  SamplingCorrection sampling_correction;
};

// kUsage naming the key and its range.
Status CheckLossConfig(const GrpoLossConfig& config);

}  // namespace pawl
