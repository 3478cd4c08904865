#include "pipeline/config_keys.h"

namespace pawl {

const std::vector<ConfigKey<ModelSection>>& ModelKeys() {
  static const std::vector<ConfigKey<ModelSection>> keys = {
      {"path", &ModelSection::path},
      {"precision", &ModelSection::precision, std::vector<std::string>{"", "f32", "bf16", "int8"}},
  };
  return keys;
}

const std::vector<ConfigKey<NewModelSection>>& NewModelKeys() {
  static const std::vector<ConfigKey<NewModelSection>> keys = {
      {"hidden_size", &NewModelSection::hidden_size, 2, 65536},
      {"num_hidden_layers", &NewModelSection::num_hidden_layers, 1, 256},
      {"num_attention_heads", &NewModelSection::num_attention_heads, 1, 1024},
      {"num_key_value_heads", &NewModelSection::num_key_value_heads, 1, 1024},
      {"intermediate_size", &NewModelSection::intermediate_size, 1, 262144},
      {"max_position_embeddings", &NewModelSection::max_position_embeddings, 16, 131072},
      {"vocab_size", &NewModelSection::vocab_size, 260, 100000},
      {"rope_theta", &NewModelSection::rope_theta, 1, 1000000000.0},
  };
  return keys;
}

const std::vector<ConfigKey<LoraSection>>& LoraKeys() {
  static const std::vector<ConfigKey<LoraSection>> keys = {
      {"enabled", &LoraSection::enabled},
      {"r", &LoraSection::r, 1, 1024},
      {"lora_alpha", &LoraSection::lora_alpha, 1e-06, 1000000.0},
      {"use_rslora", &LoraSection::use_rslora},
      {"target_modules", &LoraSection::target_modules},
  };
  return keys;
}

const std::vector<ConfigKey<DataSection>>& DataKeys() {
  static const std::vector<ConfigKey<DataSection>> keys = {
      {"source", &DataSection::source, std::vector<std::string>{"generator", "files"}},
      {"train", &DataSection::train},
      {"validation", &DataSection::validation},
      {"test", &DataSection::test},
  };
  return keys;
}

const std::vector<ConfigKey<PromptConfig>>& PromptKeys() {
  static const std::vector<ConfigKey<PromptConfig>> keys = {
      {"system", &PromptConfig::system},
      {"template", &PromptConfig::prompt_template},
      {"num_fewshot", &PromptConfig::num_fewshot, 0, 64},
      {"chat", &PromptConfig::chat},
  };
  return keys;
}

const std::vector<ConfigKey<StageConfig>>& StageKeys() {
  static const std::vector<ConfigKey<StageConfig>> keys = {
      {"name", &StageConfig::name},
      {"method", &StageConfig::method, std::vector<std::string>{"grpo", "sft"}},
      {"level", &StageConfig::level, 0, 1000},
      {"max_samples", &StageConfig::max_samples, 1, 10000000},
      {"replay", &StageConfig::replay, 0, 1},
      {"replay_end", &StageConfig::replay_end, -1, 1},
      {"replay_mastered", &StageConfig::replay_mastered, 0, 1},
      {"sampling", &StageConfig::sampling, std::vector<std::string>{"uniform", "pass_rate"}},
      {"min_pass_rate", &StageConfig::min_pass_rate, 0, 1},
      {"max_pass_rate", &StageConfig::max_pass_rate, 0, 1},
      {"filter_samples", &StageConfig::filter_samples, 1, 1024},
      {"max_refills", &StageConfig::max_refills, 0, 64},
      {"train", &StageConfig::train},
      {"level_mix", &StageConfig::level_mix},
      {"styles_basic", &StageConfig::styles_basic},
      {"styles_intermediate", &StageConfig::styles_intermediate},
      {"styles_advanced", &StageConfig::styles_advanced},
      {"drills", &StageConfig::drills, 0, 1},
      {"tokens_per_batch", &StageConfig::tokens_per_batch, 0, 10000000},
      {"num_train_epochs", &StageConfig::num_train_epochs, 1e-06, 1000000.0},
      {"max_steps", &StageConfig::max_steps, -1, 100000000},
      {"per_device_train_batch_size", &StageConfig::per_device_train_batch_size, 1, 65536},
      {"gradient_accumulation_steps", &StageConfig::gradient_accumulation_steps, 1, 65536},
      {"learning_rate", &StageConfig::learning_rate, 0, 1000.0},
      {"weight_decay", &StageConfig::weight_decay, 0, 1000.0},
      {"adam_beta1", &StageConfig::adam_beta1, 0, 0.999999},
      {"adam_beta2", &StageConfig::adam_beta2, 0, 0.9999999},
      {"adam_epsilon", &StageConfig::adam_epsilon, 1e-30, 1},
      {"max_grad_norm", &StageConfig::max_grad_norm, 0, 1000000000.0},
      {"l2_sp", &StageConfig::l2_sp, 0, 1000.0},
      {"lr_scheduler_type", &StageConfig::lr_scheduler_type, ScheduleTypeNames()},
      {"warmup_steps", &StageConfig::warmup_steps, 0, 100000000},
      {"warmup_ratio", &StageConfig::warmup_ratio, 0, 1},
      {"num_decay_steps", &StageConfig::num_decay_steps, 0, 100000000},
      {"decay_type", &StageConfig::decay_type,
       std::vector<std::string>{"linear", "cosine", "1-sqrt"}},
      {"reset_optimizer", &StageConfig::reset_optimizer},
      {"num_generations", &StageConfig::num_generations, 2, 4096},
      {"max_completion_length", &StageConfig::max_completion_length, 1, 131072},
      {"gradient_checkpointing", &StageConfig::gradient_checkpointing},
      {"num_iterations", &StageConfig::num_iterations, 1, 64},
      {"temperature", &StageConfig::temperature, 0.001, 100},
      {"beta", &StageConfig::beta, 0, 1000.0},
      {"kl_reference", &StageConfig::kl_reference, std::vector<std::string>{"stage", "base"}},
      {"epsilon", &StageConfig::epsilon, 0, 1},
      {"epsilon_high", &StageConfig::epsilon_high, -1, 1000.0},
      {"delta", &StageConfig::delta, 0, 1000000.0},
      {"sapo_temperature_pos", &StageConfig::sapo_temperature_pos, 1e-6, 1e6},
      {"sapo_temperature_neg", &StageConfig::sapo_temperature_neg, 1e-6, 1e6},
      {"vespo_k_pos", &StageConfig::vespo_k_pos, 0, 1e6},
      {"vespo_lambda_pos", &StageConfig::vespo_lambda_pos, 0, 1e6},
      {"vespo_k_neg", &StageConfig::vespo_k_neg, 0, 1e6},
      {"vespo_lambda_neg", &StageConfig::vespo_lambda_neg, 0, 1e6},
      {"loss_type", &StageConfig::loss_type, LossTypeNames()},
      {"importance_sampling_level", &StageConfig::importance_sampling_level,
       std::vector<std::string>{"token", "sequence"}},
      {"scale_rewards", &StageConfig::scale_rewards,
       std::vector<std::string>{"group", "batch", "none"}},
      {"multi_objective_aggregation", &StageConfig::multi_objective_aggregation,
       std::vector<std::string>{"sum_then_normalize", "normalize_then_sum"}},
      {"mask_truncated_completions", &StageConfig::mask_truncated_completions},
      {"use_bias_correction_kl", &StageConfig::use_bias_correction_kl},
      {"rollout_batch", &StageConfig::rollout_batch, 1, 4096},
      {"eval_steps", &StageConfig::eval_steps, 0, 100000000},
      {"early_stopping_patience", &StageConfig::early_stopping_patience, 0, 1000000},
      {"save_steps", &StageConfig::save_steps, 1, 100000000},
  };
  return keys;
}

const std::vector<ConfigKey<RewardConfig>>& RewardKeys() {
  static const std::vector<ConfigKey<RewardConfig>> keys = {
      {"name", &RewardConfig::name},
      {"weight", &RewardConfig::weight, -1000000.0, 1000000.0},
      {"require_stop", &RewardConfig::require_stop},
      {"pattern", &RewardConfig::pattern},
      {"max_tokens", &RewardConfig::max_tokens, 0, 1000000},
      {"cache_tokens", &RewardConfig::cache_tokens, 0, 1000000},
  };
  return keys;
}

const std::vector<ConfigKey<GateSection>>& GateKeys() {
  static const std::vector<ConfigKey<GateSection>> keys = {
      {"rule", &GateSection::rule,
       std::vector<std::string>{"threshold", "fixed", "sequential", "none"}},
      {"problems", &GateSection::problems, 1, 100000},
      {"max_drop", &GateSection::max_drop, 0, 100},
      {"check_steps", &GateSection::check_steps, 0, 100000000},
      {"max_problems", &GateSection::max_problems, 1, 1000000},
      {"samples", &GateSection::samples, 1, 1024},
      {"on_reject", &GateSection::on_reject, std::vector<std::string>{"retry", "skip", "stop"}},
      {"on_inconclusive", &GateSection::on_inconclusive,
       std::vector<std::string>{"keep", "rollback", "stop"}},
      {"max_retries", &GateSection::max_retries, 0, 100},
      {"alpha", &GateSection::alpha, 1e-06, 0.5},
      {"total_margin", &GateSection::total_margin, 0.001, 1},
      {"greedy", &GateSection::greedy},
      {"soup", &GateSection::soup},
      {"strict", &GateSection::strict},
  };
  return keys;
}

const std::vector<ConfigKey<HealthSection>>& HealthKeys() {
  static const std::vector<ConfigKey<HealthSection>> keys = {
      {"max_grad_norm_ratio", &HealthSection::max_grad_norm_ratio, 0, 1e9},
      {"max_kl", &HealthSection::max_kl, 1e-6, 1e9},
      {"max_entropy_ratio", &HealthSection::max_entropy_ratio, 0, 1e9},
      {"min_entropy", &HealthSection::min_entropy, 0, 100},
      {"max_truncated", &HealthSection::max_truncated, 0, 1},
      {"max_repetition", &HealthSection::max_repetition, 0, 1},
      {"format", &HealthSection::format},
      {"max_undos", &HealthSection::max_undos, 0, 100},
  };
  return keys;
}

const std::vector<ConfigKey<BenchmarkSection>>& BenchmarkKeys() {
  static const std::vector<ConfigKey<BenchmarkSection>> keys = {
      {"limit", &BenchmarkSection::limit, 1, 10000000},
      {"samples", &BenchmarkSection::samples, 1, 1024},
      {"validation", &BenchmarkSection::validation, 1, 1000000},
  };
  return keys;
}

const std::vector<ConfigKey<RunSection>>& RunKeys() {
  static const std::vector<ConfigKey<RunSection>> keys = {
      {"seed", &RunSection::seed, 0, 9.2e+18},  // a TOML integer is signed
      {"time_limit", &RunSection::time_limit},
      {"finish_by", &RunSection::finish_by},
  };
  return keys;
}

}  // namespace pawl
