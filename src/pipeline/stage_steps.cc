// The training loop of StageRunner.
#include <fmt/format.h>

#include <algorithm>

#include "base/process.h"
#include "pipeline/documents.h"
#include "pipeline/health.h"
#include "pipeline/prompt_batch.h"
#include "pipeline/prompt_choice.h"
#include "pipeline/stage_runner.h"

namespace pawl {
namespace {

// Places in the random address, apart for training and validation (gates: stage_gate.cc).  A step's
// first prompt; the others follow.
std::uint64_t FirstTrainItem(const RunPosition& p) {
  return (std::uint64_t{1} << 56) | (static_cast<std::uint64_t>(p.stage) << 48) |
         (static_cast<std::uint64_t>(p.attempt) << 40) | (static_cast<std::uint64_t>(p.step) << 16);
}
constexpr std::uint64_t kValidationItem = std::uint64_t{1} << 58;

}  // namespace

Result<StageEnd> StageRunner::Train() {
  if (p_.step == 0 && p_.validated_step < 0) BeginAttempt();
  PAWL_ASSIGN(std::unique_ptr<Trainer> trainer, MakeTrainer());
  const double begun = SteadySeconds();
  int saved_step = p_.step, done = 0;
  for (;;) {
    if (ValidationDue()) {
      PAWL_ASSIGN(const bool finished, Validate());
      if (!finished) return Stop();
    }
    if (CheckDue()) {
      const TrainSnapshot trained = TakeSnapshot(x_.state);
      PAWL_ASSIGN(auto verdict, Judge(trained));
      RestoreSnapshot(trained, x_.state);
      if (!verdict) return Stop();
      p_.checked_step = p_.step;
      PAWL_TRY(
          files_.Log(fmt::format("check at step {}: {}", p_.step, WriteJson(verdict->evidence))));
      if (verdict->decision == GateDecision::kRollback) {
        rejection_ = std::move(verdict);
        return StageEnd::kRejected;
      }
    }
    if (p_.step != saved_step && (p_.step % stage_.save_steps == 0 || p_.step == total_)) {
      MarkHealthy();
      PAWL_TRY(Save());
      saved_step = p_.step;
    }
    if (x_.Stopped()) return Stop();
    if (p_.step >= total_) return StageEnd::kFinished;
    if (EarlyStop()) {
      progress_.Line(fmt::format("{}: no better validation for {} evaluations; stopping early",
                                 stage_.name, p_.evaluations_without_best));
      return StageEnd::kFinished;
    }
    if (clock_.TimeUp(step_seconds_ + Reserve())) return StageEnd::kTimeUp;

    const double step_start = SteadySeconds(), cpu_start = ProcessCpuSeconds();
    std::uint64_t next_document = p_.next_document;
    PAWL_ASSIGN(const StepOutcome outcome, Step(*trainer, next_document));
    if (outcome.cancelled) return Stop();
    if (!outcome.healthy || (!outcome.tripped.empty() && p_.tripped > 0)) {
      PAWL_TRY(Undo(outcome.healthy ? outcome.tripped : "a value is not finite"));
      if (p_.unhealthy > x_.config.health.max_undos) return StageEnd::kUnhealthy;
      PAWL_ASSIGN(trainer, MakeTrainer());
      continue;
    }
    p_.tripped = outcome.tripped.empty() ? 0 : p_.tripped + 1;
    if (p_.tripped == 0) RememberStep(p_.health, outcome.metrics);
    p_.next_document = next_document;
    ++p_.step;
    ++done;
    const double seconds = SteadySeconds() - step_start;
    step_seconds_ = std::max(step_seconds_, seconds);
    PAWL_TRY(Record(outcome, seconds, ProcessCpuSeconds() - cpu_start));
    const bool sft = stage_.method == "sft";
    const double per_step = (SteadySeconds() - begun) / done;
    progress_.Update({stage_.name, p_.step, total_, sft ? -1 : outcome.mean_reward,
                      outcome.metrics.value("loss", 0.0), p_.best_accuracy,
                      static_cast<double>(sft ? outcome.trained_tokens : outcome.new_tokens) /
                          std::max(1e-9, seconds),
                      per_step * (total_ - p_.step)});
  }
}

Result<std::unique_ptr<Trainer>> StageRunner::MakeTrainer() {
  PAWL_ASSIGN(StageSettings settings, ToSettings(stage_));
  settings.optimizer.learning_rate *= p_.learning_rate_scale;
  auto trainer = std::make_unique<Trainer>(x_.state, settings, total_,
                                           RewardNames{x_.rewards->names(), x_.rewards->weights()},
                                           x_.config.run.seed, *x_.compute);
  if (stage_.l2_sp > 0) trainer->PullTowards(&s_.reference->parameters);
  return trainer;
}

StepHooks StageRunner::Hooks() const {
  StepHooks hooks;
  hooks.cancelled = [this] { return x_.Stopped(); };
  hooks.journal = x_.journal.get();
  hooks.tripwire = [this](const Json& metrics) {
    return TrippedBy(x_.config.health, p_.health, metrics);
  };
  return hooks;
}

void StageRunner::BeginAttempt() {
  if (stage_.reset_optimizer) x_.state.ResetOptimizer();
  if ((stage_.beta > 0 && stage_.kl_reference == "stage") || stage_.l2_sp > 0) {
    s_.reference = TakeSnapshot(x_.state);
  }
  reference_.reset();
  MarkHealthy();
}

void StageRunner::MarkHealthy() {
  s_.healthy = TakeSnapshot(x_.state);
  p_.healthy_step = p_.step;
  p_.healthy_document = p_.next_document;
}

Status StageRunner::Undo(const std::string& reason) {
  ++p_.unhealthy;
  p_.tripped = 0;
  progress_.Line(fmt::format("{}: step {}: {}; back to step {} with half the learning rate",
                             stage_.name, p_.step + 1, reason, p_.healthy_step));
  PAWL_TRY(files_.Metrics(WriteJson({{"step", p_.step + 1},
                                     {"attempt", p_.attempt},
                                     {"unhealthy", p_.unhealthy},
                                     {"reason", reason},
                                     {"undone_to_step", p_.healthy_step}})));
  PAWL_TRY(files_.Log(fmt::format("step {}: {}; back to step {}, learning rate halved", p_.step + 1,
                                  reason, p_.healthy_step)));
  RestoreSnapshot(*s_.healthy, x_.state);
  p_.learning_rate_scale /= 2;
  p_.step = p_.validated_step = p_.healthy_step;
  p_.checked_step = std::min(p_.checked_step, p_.step);
  p_.next_document = p_.healthy_document;
  return {};
}

bool StageRunner::ValidationDue() const {
  if (p_.validated_step == p_.step) return false;
  return p_.step == 0 || p_.step == total_ ||
         (stage_.eval_steps > 0 && p_.step % stage_.eval_steps == 0);
}

bool StageRunner::CheckDue() const {
  const GateSection& gate = x_.config.gate;
  return gate.rule == "threshold" && gate.check_steps > 0 && p_.step > 0 && p_.step < total_ &&
         p_.step % gate.check_steps == 0 && p_.checked_step != p_.step;
}

bool StageRunner::EarlyStop() const {
  return stage_.early_stopping_patience > 0 &&
         p_.evaluations_without_best >= stage_.early_stopping_patience;
}

double StageRunner::Reserve() const {
  const GateSection& gate = x_.config.gate;
  // Anchor and base answer once, the candidate and each fraction of the soup too.
  const double models = 3.0 + static_cast<double>(gate.soup.size());
  const double answers = models * GateProblems(gate) * AnswersPerProblem(gate);
  return 1.2 * (p_.benchmark_seconds + answers * p_.seconds_per_answer);
}

Result<StepOutcome> StageRunner::Step(Trainer& trainer, std::uint64_t& next_document) {
  if (stage_.method != "sft") return GrpoStep(trainer);
  PAWL_ASSIGN(const auto documents,
              NextDocuments(x_, static_cast<std::size_t>(p_.stage), next_document));
  return trainer.SftStep(documents, p_.step, Hooks());
}

Result<StepOutcome> StageRunner::GrpoStep(Trainer& trainer) {
  const auto stage = static_cast<std::size_t>(p_.stage);
  PassRates rates(p_.pass_rates);
  PromptBatch batch;
  const std::uint64_t item = FirstTrainItem(p_);
  PAWL_ASSIGN(const auto tasks,
              AddTasks(x_, ChoosePrompts(x_, stage, p_.step, total_, rates), item, batch));
  const Grader grader = GraderOf(x_, batch.problems);
  StepHooks hooks = Hooks();
  int round = 0;
  hooks.refill = [&](std::size_t count) {
    return AddTasks(x_, ChooseMore(x_, stage, p_.step, ++round, count, rates), item, batch);
  };
  std::optional<Policy> reference;
  if (stage_.beta > 0) {
    if (!reference_) {
      reference_.emplace(x_.state, stage_.kl_reference == "base" ? s_.base : *s_.reference);
    }
    reference.emplace(reference_->policy());
  }
  PAWL_ASSIGN(StepOutcome outcome,
              trainer.GrpoStep(tasks, p_.step, grader, reference ? &*reference : nullptr, hooks));
  if (!outcome.cancelled && NeedsPassRates(x_.config)) {
    for (std::size_t i = 0; i < batch.choices.size(); ++i) {
      rates.Add(x_, batch.choices[i], outcome.pass_rates[i]);
    }
  }
  return outcome;
}

// The finished step's lines; p_.step counts it already.
Status StageRunner::Record(const StepOutcome& outcome, double seconds, double cpu_seconds) {
  p_.new_tokens += static_cast<double>(outcome.new_tokens);
  p_.trained_tokens += static_cast<double>(outcome.trained_tokens);
  Json line{{"step", p_.step}, {"attempt", p_.attempt}};
  for (const auto& [key, value] : outcome.metrics.items()) line[key] = value;
  if (!outcome.tripped.empty()) {
    line["tripped"] = outcome.tripped;
    PAWL_TRY(files_.Log(fmt::format("step {} left out: {}", p_.step, outcome.tripped)));
  }
  line["rollout_seconds"] = outcome.rollout_seconds;
  line["train_seconds"] = outcome.train_seconds;
  line["seconds"] = seconds;
  line["cpu_seconds"] = cpu_seconds;
  line["resident_bytes"] = ResidentBytes();
  line["peak_rss_bytes"] = PeakResidentBytes();
  line["run_seconds"] = clock_.Elapsed();
  PAWL_TRY(files_.Metrics(WriteJson(line)));
  for (const Json& rollout : outcome.rollouts) PAWL_TRY(files_.Rollout(WriteJson(rollout)));
  return files_.Log(stage_.method == "sft"
                        ? fmt::format("step {} loss {:.4f} lr {:.3g}", p_.step,
                                      outcome.metrics.value("loss", 0.0), outcome.learning_rate)
                        : fmt::format("step {} reward {:.4f} accuracy {:.4f} skipped {} lr {:.3g}",
                                      p_.step, outcome.mean_reward, outcome.accuracy,
                                      outcome.metrics.value("groups_skipped", 0),
                                      outcome.learning_rate));
}

// At the training temperature (greedy for sft): what training changes first.  The best trained
// state so far is kept.
Result<bool> StageRunner::Validate() {
  const auto& problems = x_.data.validation.problems();
  p_.validated_step = p_.step;
  if (problems.empty()) return true;
  MeasureOptions options;
  options.greedy = stage_.method == "sft";
  options.temperature = stage_.temperature;
  options.max_new_tokens = LongestCompletion(x_.config);
  options.first_item = kValidationItem;
  const double begun = SteadySeconds();
  PAWL_ASSIGN(const Evaluation evaluation, Measure(x_, problems, options));
  if (evaluation.cancelled) {
    p_.validated_step = -1;
    return false;
  }
  p_.seconds_per_answer = (SteadySeconds() - begun) / static_cast<double>(problems.size());
  const double accuracy = evaluation.Accuracy();
  bool better = false;
  if (p_.step == 0) {
    p_.first_accuracy = accuracy;
  } else {
    p_.evaluations_without_best = accuracy > p_.best_accuracy ? 0 : p_.evaluations_without_best + 1;
    better = accuracy >= p_.best_accuracy;  // of equals the later one: it has learnt from more
  }
  if (better) {
    p_.best_accuracy = accuracy;
    p_.best_step = p_.step;
    s_.best = TakeSnapshot(x_.state);
  }
  PAWL_TRY(files_.Log(fmt::format("validation at step {}: {:.4f} of {} problems{}", p_.step,
                                  accuracy, problems.size(), better ? ", best so far" : "")));
  PAWL_TRY(files_.Metrics(WriteJson({{"step", p_.step},
                                     {"attempt", p_.attempt},
                                     {"eval_accuracy", accuracy},
                                     {"eval_problems", problems.size()}})));
  return true;
}

}  // namespace pawl
