#include "pipeline/config_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "pipeline/gate.h"
#include "pipeline/run_clock.h"
#include "pipeline/stage_data.h"

namespace pawl {
namespace {

double Sum(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

void CheckStage(const RunConfig& c, const StageConfig& s, std::vector<std::string>& wrongs) {
  const auto wrong = [&](const std::string& text) {
    wrongs.push_back(fmt::format("stage.{}.{}", s.name, text));
  };
  const bool generated = c.data.source == "generator" && s.train.empty();
  if (s.name.empty() || s.name.find_first_of("/\\. ") != std::string::npos) {
    wrong("name: expected a word without spaces, dots or slashes: it names a folder");
  }
  if (generated && s.level > 3)
    wrong(fmt::format("level: got {}, the generator has 1 to 3", s.level));
  if (s.method == "grpo" && generated && s.level == 0) {
    wrong("level: is missing; the generator needs 1, 2 or 3");
  }
  if (!s.level_mix.empty() && (s.level_mix.size() != 3 || Sum(s.level_mix) <= 0)) {
    wrong("level_mix: expected three shares, for levels 1, 2 and 3, not all 0");
  }
  if (!s.level_mix.empty() && (s.method != "sft" || !generated)) {
    wrong("level_mix: needs method = \"sft\" and generated problems; use level instead");
  }
  for (const auto& [name, shares] : {std::pair{"styles_basic", &s.styles_basic},
                                     std::pair{"styles_intermediate", &s.styles_intermediate},
                                     std::pair{"styles_advanced", &s.styles_advanced}}) {
    if (!shares->empty() && (shares->size() != 4 || Sum(*shares) <= 0)) {
      wrong(fmt::format(
          "{}: expected four shares, not all 0: worked, answer only, no marker, sloppy", name));
    }
  }
  if (s.method == "sft" && generated && s.level_mix.empty() && s.level == 0) {
    wrong("level_mix: is missing; sft on the generator needs level_mix or level");
  }
  if (s.method == "sft" && !s.level_mix.empty() && s.max_steps < 1) {
    wrong("max_steps: is missing; fresh problems have no epochs");
  }
  if (s.tokens_per_batch > 0 && s.max_steps < 1) {
    wrong("max_steps: is missing; tokens_per_batch counts tokens, not problems");
  }
  if (s.lr_scheduler_type == "polynomial" || s.lr_scheduler_type == "cosine_with_min_lr") {
    wrong(
        fmt::format("lr_scheduler_type: {} needs options that a configuration cannot give yet; use "
                    "linear, cosine, constant, constant_with_warmup or warmup_stable_decay",
                    s.lr_scheduler_type));
  }
  if (static_cast<double>(s.per_device_train_batch_size) * s.gradient_accumulation_steps > 65536) {
    wrong(
        fmt::format("per_device_train_batch_size: {} times gradient_accumulation_steps {} exceeds "
                    "65536 prompts a step",
                    s.per_device_train_batch_size, s.gradient_accumulation_steps));
  }
  if (s.epsilon_high < 0 && s.epsilon_high != -1) {
    wrong(fmt::format("epsilon_high: got {}, expected 0 or more, or -1 for that of epsilon",
                      s.epsilon_high));
  }
  if (s.replay_end < 0 && s.replay_end != -1) {
    wrong(
        fmt::format("replay_end: got {}, expected 0 to 1, or -1 for that of replay", s.replay_end));
  }
  if (std::max(s.replay, s.replay_end) + s.replay_mastered > 1) {
    wrong("replay_mastered: together with replay it exceeds 1");
  }
  if (s.min_pass_rate > s.max_pass_rate) {
    wrong(fmt::format("min_pass_rate: {} is above max_pass_rate {}; no problem would be left",
                      s.min_pass_rate, s.max_pass_rate));
  }
  if (FiltersByDifficulty(s) && !s.level_mix.empty()) {
    wrong("min_pass_rate: contradicts level_mix, whose problems are fresh; use level instead");
  }
  if (s.max_refills > 0 && s.beta > 0) {
    wrong("max_refills: contradicts beta, with which every group carries signal; set one to 0");
  }
  if (s.max_steps == 0) wrong("max_steps: got 0, expected -1 (use epochs) or 1 and more");
}

void CheckData(const RunConfig& c, std::vector<std::string>& wrongs) {
  const DataSection& d = c.data;
  if (d.source == "generator") {
    for (const auto& [name, file] :
         {std::pair{"train", &d.train}, {"validation", &d.validation}, {"test", &d.test}}) {
      if (!file->empty()) {
        wrongs.push_back(
            fmt::format("data.{}: contradicts data.source = \"generator\"; leave one out", name));
      }
    }
    return;
  }
  for (const auto& [name, file] : {std::pair{"train", &d.train}, {"test", &d.test}}) {
    if (file->empty()) {
      wrongs.push_back(fmt::format("data.{}: is missing; data from files needs it", name));
    }
  }
}

void CheckGate(const GateSection& gate, std::vector<std::string>& wrongs) {
  for (const double fraction : gate.soup) {
    if (!(fraction > 0 && fraction < 1)) {
      wrongs.push_back(
          fmt::format("gate.soup: got {}, expected fractions between 0 and 1", fraction));
    }
  }
  if (gate.strict && gate.rule != "none" &&
      DetectableDrop(gate, kUsualChurn, GateProblems(gate)) > Tolerance(gate, kUsualAccuracy)) {
    wrongs.push_back(fmt::format("gate.strict: {}", GateReach(gate)));
  }
}

void CheckTime(const RunSection& run, std::vector<std::string>& wrongs) {
  if (!run.time_limit.empty()) {
    const auto seconds = ParseDuration(run.time_limit);
    if (!seconds) wrongs.push_back(seconds.error().message);
  }
  if (!run.finish_by.empty()) {
    const auto seconds = SecondsUntil(run.finish_by);
    if (!seconds) wrongs.push_back(seconds.error().message);
  }
  if (!run.time_limit.empty() && !run.finish_by.empty()) {
    wrongs.emplace_back("run.finish_by: contradicts run.time_limit; leave one out");
  }
}

// A replayed problem is answered within the limit of the stage that replays it: a shorter one than
// it was learnt with would pay for cutting it off.
void CheckReplay(const RunConfig& c, std::vector<std::string>& wrongs) {
  const StageConfig* longest = nullptr;  // of the stages before
  for (const StageConfig& stage : c.stages) {
    const bool replays = std::max(stage.replay, stage.replay_end) + stage.replay_mastered > 0;
    if (replays && longest != nullptr &&
        longest->max_completion_length > stage.max_completion_length) {
      wrongs.push_back(fmt::format(
          "stage.{}.max_completion_length: {} is below the {} of stage {}, whose problems it "
          "replays; raise it, or set replay to 0",
          stage.name, stage.max_completion_length, longest->max_completion_length, longest->name));
    }
    if (stage.method == "grpo" &&
        (longest == nullptr || stage.max_completion_length > longest->max_completion_length)) {
      longest = &stage;
    }
  }
}

}  // namespace

void CheckConfig(const RunConfig& c, std::vector<std::string>& wrongs) {
  if (c.stages.empty())
    wrongs.emplace_back("stage: none is given, expected at least one [[stage]]");
  std::set<std::string> names;
  for (const StageConfig& stage : c.stages) {
    if (!names.insert(stage.name).second) {
      wrongs.push_back(fmt::format("stage.{}.name: is used twice", stage.name));
    }
    CheckStage(c, stage, wrongs);
  }
  CheckReplay(c, wrongs);
  for (const std::string& problem : Problems(c.prompt)) wrongs.push_back(problem);
  for (const RewardConfig& reward : c.rewards) {
    const auto made = MakeReward(reward);
    if (!made) wrongs.push_back(made.error().message);
  }
  CheckData(c, wrongs);
  if (c.model.path == "new") {
    if (c.lora.enabled) {
      wrongs.emplace_back("lora.enabled: a new model is trained in full; set it to false");
    }
    const NewModelSection& n = c.new_model;
    if (n.hidden_size % n.num_attention_heads != 0 ||
        n.hidden_size / n.num_attention_heads % 2 != 0) {
      wrongs.push_back(
          fmt::format("model.new.num_attention_heads: {} heads must divide hidden_size {} into "
                      "even parts",
                      n.num_attention_heads, n.hidden_size));
    }
    if (n.num_attention_heads % n.num_key_value_heads != 0) {
      wrongs.emplace_back("model.new.num_key_value_heads: must divide num_attention_heads");
    }
  }
  CheckGate(c.gate, wrongs);
  if (c.model.precision == "int8" && !c.lora.enabled) {
    wrongs.emplace_back(
        "model.precision: \"int8\" weights are frozen and full training changes them; set "
        "lora.enabled = true, or leave precision out (full training holds float32 weights)");
  }
  CheckTime(c.run, wrongs);
}

Result<StageSettings> ToSettings(const StageConfig& s) {
  StageSettings out;
  out.method = s.method == "sft" ? TrainMethod::kSft : TrainMethod::kGrpo;
  out.optimizer.learning_rate = s.learning_rate;
  out.optimizer.adamw = {s.adam_beta1, s.adam_beta2, s.adam_epsilon, s.weight_decay};
  out.optimizer.max_grad_norm = s.max_grad_norm;
  out.optimizer.l2_sp = s.l2_sp;
  PAWL_ASSIGN(out.optimizer.schedule.type, ParseScheduleType(s.lr_scheduler_type));
  out.optimizer.schedule.warmup_steps = s.warmup_steps;
  out.optimizer.schedule.warmup_ratio = s.warmup_ratio;
  out.optimizer.schedule.num_decay_steps = s.num_decay_steps;
  out.optimizer.schedule.decay_type = s.decay_type;
  out.per_device_train_batch_size = s.per_device_train_batch_size;
  out.gradient_accumulation_steps = s.gradient_accumulation_steps;
  out.num_generations = s.num_generations;
  out.max_completion_length = s.max_completion_length;
  out.temperature = s.temperature;
  out.gradient_checkpointing = s.gradient_checkpointing;
  out.num_iterations = s.num_iterations;
  PAWL_ASSIGN(out.loss.loss_type, ParseLossType(s.loss_type));
  PAWL_ASSIGN(out.loss.importance_sampling_level,
              ParseImportanceLevel(s.importance_sampling_level));
  out.loss.epsilon = s.epsilon;
  out.loss.epsilon_high = s.epsilon_high < 0 ? s.epsilon : s.epsilon_high;
  out.loss.delta = s.delta;
  out.loss.sapo_temperature_pos = s.sapo_temperature_pos;
  out.loss.sapo_temperature_neg = s.sapo_temperature_neg;
  out.loss.vespo_k_pos = s.vespo_k_pos;
  out.loss.vespo_lambda_pos = s.vespo_lambda_pos;
  out.loss.vespo_k_neg = s.vespo_k_neg;
  out.loss.vespo_lambda_neg = s.vespo_lambda_neg;
  out.loss.beta = s.beta;
  out.loss.use_bias_correction_kl = s.use_bias_correction_kl;
  out.loss.mask_truncated_completions = s.mask_truncated_completions;
  PAWL_ASSIGN(out.scale_rewards, ParseScaleRewards(s.scale_rewards));
  out.multi_objective_aggregation = s.multi_objective_aggregation == "normalize_then_sum"
                                        ? RewardAggregation::kNormalizeThenSum
                                        : RewardAggregation::kSumThenNormalize;
  out.max_refills = s.max_refills;
  out.rollout_batch = s.rollout_batch;
  return out;
}

int StageSteps(const StageConfig& s, std::size_t problems) {
  if (s.max_steps > 0) return s.max_steps;
  const double per_step =
      static_cast<double>(s.per_device_train_batch_size) * s.gradient_accumulation_steps;
  const double steps = std::ceil(s.num_train_epochs * static_cast<double>(problems) / per_step);
  return static_cast<int>(std::clamp(steps, 1.0, 1e8));
}

}  // namespace pawl
