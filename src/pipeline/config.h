// The configuration of a run: plain structs with defaults, filled from TOML by the table of keys in
// config_keys.cc.  Names are Hugging Face's and TRL's where they exist.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/model_config.h"
#include "eval/prompt.h"
#include "model/adapter.h"
#include "reward/reward.h"
#include "train/settings.h"

namespace pawl {

struct ModelSection {
  std::string path =
      "starter";          // a folder, "starter", or "new": random weights of [model.new]'s shape
  std::string precision;  // "" as stored, "f32", "bf16", "int8"
};

// [model.new]: a Qwen2 model made here, with a tokenizer trained on generated problems.
struct NewModelSection {
  int hidden_size = 96, num_hidden_layers = 4, num_attention_heads = 3, num_key_value_heads = 3;
  int intermediate_size = 288, max_position_embeddings = 512, vocab_size = 768;
  double rope_theta = 10000;
};

struct LoraSection {
  bool enabled = true;
  int r = 16;
  double lora_alpha = 32;
  bool use_rslora = false;
  std::vector<std::string> target_modules = {"all-linear"};
};

struct DataSection {
  std::string source = "generator";     // or "files", which the name of a file implies
  std::string train, validation, test;  // validation empty: taken out of train
};

// One stage, and [defaults].
struct StageConfig {
  std::string name;
  std::string method = "grpo";
  // What it learns from
  int level = 0;  // generator level, or level field of a file's problems; 0: all
  int max_samples = 150;
  // Difficulty filter: of the problems those stay whose share of right answers, of filter_samples
  // by the policy that begins the stage, lies in [min_pass_rate, max_pass_rate]; 0 to 1: all.
  double min_pass_rate = 0, max_pass_rate = 1;
  int filter_samples = 8;
  double replay = 0;           // share of prompts drawn from earlier stages' problems
  double replay_end = -1;      // that share at the stage's last step, linear between; -1: replay
  double replay_mastered = 0;  // share of prompts drawn from problems nearly always solved
  std::string sampling = "uniform";  // or "pass_rate": problems neither always right nor wrong
  int max_refills = 0;  // dynamic sampling: rounds of further prompts for groups without signal
  std::string train;    // a file of its own
  std::vector<double> level_mix;  // sft on the generator: shares of levels 1, 2, 3 (fresh problems)
  std::vector<double> styles_basic, styles_intermediate,
      styles_advanced;       // worked, answer only, no marker, sloppy
  double drills = 0;         // sft: share of documents that are bare equations
  int tokens_per_batch = 0;  // sft: fill each step up to so many tokens
  // How long
  double num_train_epochs = 2;
  int max_steps = -1;
  int per_device_train_batch_size = 1, gradient_accumulation_steps = 4;
  // Optimizer
  double learning_rate = 1e-5, weight_decay = 0, adam_beta1 = 0.9, adam_beta2 = 0.999;
  double adam_epsilon = 1e-8, max_grad_norm = 1.0;
  double l2_sp = 0;  // decay towards the stage's starting weights
  std::string lr_scheduler_type = "linear";
  int warmup_steps = 0;
  double warmup_ratio = 0;
  int num_decay_steps = 0;  // warmup_stable_decay
  std::string decay_type = "linear";
  bool reset_optimizer = true;  // forget AdamW's moments at the stage's start
  // GRPO
  bool gradient_checkpointing = false;
  int num_generations = 8, max_completion_length = 256, num_iterations = 1;
  std::string kl_reference = "stage";  // what beta measures against: the stage's start, or "base"
  double temperature = 1.0, beta = 0, epsilon = 0.2, delta = 0;
  double epsilon_high = -1;  // -1: as epsilon
  double sapo_temperature_pos = 1.0, sapo_temperature_neg = 1.05;
  double vespo_k_pos = 2.0, vespo_lambda_pos = 3.0, vespo_k_neg = 3.0, vespo_lambda_neg = 2.0;
  std::string loss_type = "dapo", importance_sampling_level = "token", scale_rewards = "group";
  std::string multi_objective_aggregation = "sum_then_normalize";
  bool mask_truncated_completions = false, use_bias_correction_kl = true;
  int rollout_batch = 64;
  // While it trains
  int eval_steps = 25;  // validation every so many steps; 0: at the end only
  int early_stopping_patience =
      0;  // validations without a new best before the stage ends; 0: never
  int save_steps = 20;
};

struct GateSection {
  std::string rule = "sequential";       // "threshold", "fixed", "sequential" or "none"
  int problems = 20;                     // threshold, fixed: problems of one decision
  double max_drop = 2;                   // threshold: points below the last accepted model
  int check_steps = 25;                  // threshold: also every so many steps of a stage; 0: never
  int max_problems = 200;                // sequential: budget
  int samples = 4;                       // sequential, fixed: answers a problem
  std::string on_reject = "retry";       // "retry", "skip", "stop"
  std::string on_inconclusive = "keep";  // "keep", "rollback", "stop"
  int max_retries = 1;
  double alpha = 0.05;         // sequential: error over all gates of the run
  double total_margin = 0.05;  // sequential: below the base, however many gates accepted
  bool greedy = true;          // sequential: greedy answers are judged besides
  std::vector<double> soup;    // fractions of the stage's change to try before it is given up
  bool strict = false;         // refuse a budget that cannot detect the rule's tolerance
};

// Tripwires without statistics, looked at before each update (docs/METRICS.md has the names).  The
// first step that trips one is left out; the next is undone with half the learning rate, max_undos
// times in all; then the run ends with the last good model.
struct HealthSection {
  double max_grad_norm_ratio = 50;  // grad_norm over the median of the last 20 steps; 0: off
  double max_kl = 1;                // nats a token; only with beta
  double max_entropy_ratio = 5;     // entropy over the first step's, above 1 nat; 0: off
  double min_entropy = 0;           // nats
  // Shares of completions, where the stage's first step had less than a fifth of it.
  double max_truncated = 0.5, max_repetition = 0.5;
  bool format = true;  // no completion of a step has an answer, where half of the first step's had
  int max_undos = 3;
};

struct BenchmarkSection {
  int limit = 300;      // test problems
  int samples = 4;      // answers each at the training temperature
  int validation = 60;  // problems that choose best/ and stop early; gates never see them
};

struct RunSection {
  std::uint64_t seed = 1;
  std::string time_limit;  // "9h", "90m", "30s"; empty: none
  std::string finish_by;   // the next "07:00" of local clocks; empty: none
};

struct RunConfig {
  ModelSection model;
  NewModelSection new_model;
  LoraSection lora;
  DataSection data;
  PromptConfig prompt;
  StageConfig defaults;
  std::vector<StageConfig> stages;
  std::vector<RewardConfig> rewards;
  GateSection gate;
  HealthSection health;
  BenchmarkSection benchmark;
  RunSection run;
};

// file: the TOML file; sets: "key=value" with dotted keys ("stage.basic.learning_rate=1e-4"). Every
// problem is reported at once (kUsage): unknown keys with the nearest valid one, wrong types,
// values out of range, contradictions.
Result<RunConfig> LoadConfig(const std::filesystem::path& file,
                             const std::vector<std::string>& sets);
Result<RunConfig> ParseConfig(const std::string& text, const std::string& place,
                              const std::vector<std::string>& sets);

// Every setting; ParseConfig gives back an equal configuration.
std::string WriteConfig(const RunConfig& config);

// The settings of an optimizer step.  The strings have been checked.
Result<StageSettings> ToSettings(const StageConfig& stage);
// Optimizer steps of the whole stage on so many problems.
int StageSteps(const StageConfig& stage, std::size_t problems);
Result<double> ParseDuration(const std::string& text);  // seconds

}  // namespace pawl
