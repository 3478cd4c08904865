#include "pipeline/stage_runner.h"

#include <fmt/format.h>

#include <chrono>

#include "pipeline/documents.h"
#include "pipeline/outputs.h"
#include "train/trainer.h"

namespace pawl {
namespace {

double Now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// Times an unhealthy step is undone with half the learning rate before the run gives up.
constexpr int kMaxUnhealthy = 3;

// Places in the random address, apart for training, validation and gates.
std::uint64_t TrainItem(const RunPosition& p, std::size_t slot) {
  return (std::uint64_t{1} << 56) | (static_cast<std::uint64_t>(p.stage) << 48) |
         (static_cast<std::uint64_t>(p.attempt) << 40) |
         (static_cast<std::uint64_t>(p.step) << 16) | slot;
}
constexpr std::uint64_t kValidationItem = std::uint64_t{1} << 58;
constexpr std::uint64_t kGateItem = std::uint64_t{1} << 59;

}  // namespace

Json PositionJson(const RunPosition& p) {
  return {{"format_version", 1},
          {"stage", p.stage},
          {"attempt", p.attempt},
          {"step", p.step},
          {"learning_rate_scale", p.learning_rate_scale},
          {"next_document", p.next_document},
          {"best_accuracy", p.best_accuracy},
          {"first_accuracy", p.first_accuracy},
          {"best_step", p.best_step},
          {"evaluations_without_best", p.evaluations_without_best},
          {"unhealthy", p.unhealthy},
          {"metrics_bytes", p.metrics_bytes},
          {"rollouts_bytes", p.rollouts_bytes},
          {"log_bytes", p.log_bytes},
          {"stage_seconds", p.stage_seconds},
          {"run_seconds", p.run_seconds},
          {"new_tokens", p.new_tokens},
          {"trained_tokens", p.trained_tokens},
          {"stages", p.stages},
          {"base", p.base}};
}

Result<RunPosition> ParsePosition(const Json& json) {
  RunPosition p;
  for (const char* key : {"stage", "attempt", "step", "next_document", "stages", "base"}) {
    if (!json.is_object() || !json.contains(key)) {
      return BadFile(fmt::format("checkpoint: position.json has no \"{}\"", key));
    }
  }
  p.stage = json.at("stage").get<int>();
  p.attempt = json.at("attempt").get<int>();
  p.step = json.at("step").get<int>();
  p.learning_rate_scale = json.at("learning_rate_scale").get<double>();
  p.next_document = json.at("next_document").get<std::uint64_t>();
  p.best_accuracy = json.at("best_accuracy").get<double>();
  p.first_accuracy = json.at("first_accuracy").get<double>();
  p.best_step = json.at("best_step").get<int>();
  p.evaluations_without_best = json.at("evaluations_without_best").get<int>();
  p.unhealthy = json.at("unhealthy").get<int>();
  p.metrics_bytes = json.at("metrics_bytes").get<long long>();
  p.rollouts_bytes = json.at("rollouts_bytes").get<long long>();
  p.log_bytes = json.at("log_bytes").get<long long>();
  p.stage_seconds = json.at("stage_seconds").get<double>();
  p.run_seconds = json.at("run_seconds").get<double>();
  p.new_tokens = json.at("new_tokens").get<double>();
  p.trained_tokens = json.at("trained_tokens").get<double>();
  p.stages = json.at("stages");
  p.base = json.at("base");
  return p;
}

// The stage's growing files, cut to what the checkpoint knows.
struct StageRunner::Files {
  std::optional<AppendOnlyFile> metrics, rollouts, log;

  Status Open(const std::filesystem::path& folder, const RunPosition& p) {
    PAWL_TRY(MakeDirectories(folder));
    PAWL_ASSIGN(metrics, AppendOnlyFile::Open(folder / "metrics.jsonl", p.metrics_bytes));
    PAWL_ASSIGN(rollouts, AppendOnlyFile::Open(folder / "rollouts.jsonl", p.rollouts_bytes));
    PAWL_ASSIGN(log, AppendOnlyFile::Open(folder / "training.log", p.log_bytes));
    return {};
  }
  void Measure(RunPosition& p) const {
    p.metrics_bytes = metrics->size();
    p.rollouts_bytes = rollouts->size();
    p.log_bytes = log->size();
  }
};

StageRunner::StageRunner(RunContext& context, RunDirectory& directory, RunPosition& position,
                         TrainSnapshot& anchor, std::optional<TrainSnapshot>& best,
                         Progress& progress, std::function<bool()> time_up)
    : x_(context),
      directory_(directory),
      p_(position),
      anchor_(anchor),
      best_(best),
      progress_(progress),
      time_up_(std::move(time_up)),
      stage_(context.config.stages[static_cast<std::size_t>(position.stage)]),
      started_(Now() - position.stage_seconds) {}

double StageRunner::Elapsed() const { return Now() - started_; }

Status StageRunner::Checkpoint() {
  p_.stage_seconds = Elapsed();
  return directory_.SaveCheckpoint({PositionJson(p_), TakeSnapshot(x_.state), anchor_, best_});
}

Result<StageEnd> StageRunner::Run() {
  Files files;
  PAWL_TRY(files.Open(directory_.Stage(stage_.name), p_));
  const Json config{{"stage", stage_.name},
                    {"settings_file", "config.resolved.toml"},
                    {"steps", StageSteps(stage_)},
                    {"method", stage_.method},
                    {"learning_rate", stage_.learning_rate},
                    {"num_generations", stage_.num_generations},
                    {"max_completion_length", stage_.max_completion_length},
                    {"per_device_train_batch_size", stage_.per_device_train_batch_size},
                    {"gradient_accumulation_steps", stage_.gradient_accumulation_steps}};
  PAWL_TRY(WriteFileAtomic(directory_.Stage(stage_.name) / "training_config.json",
                           WriteJsonPretty(config)));
  for (;;) {
    PAWL_ASSIGN(const StageEnd end, Attempt(files));
    if (end == StageEnd::kStopped || end == StageEnd::kUnhealthy) return end;
    if (best_) RestoreSnapshot(*best_, x_.state);
    Json evidence;
    PAWL_ASSIGN(GateDecision decision, RunGate(evidence));
    if (x_.Stopped()) {
      PAWL_TRY(Checkpoint());
      return StageEnd::kStopped;
    }
    if (decision == GateDecision::kHold && x_.config.gate.on_inconclusive == "rollback") {
      decision = GateDecision::kRollback;
    }
    const GateSection& gate = x_.config.gate;
    const bool retry = decision == GateDecision::kRollback && gate.on_reject == "retry" &&
                       p_.attempt < gate.max_retries && end != StageEnd::kTimeUp;
    PAWL_TRY(Finish(files, decision, evidence, !retry));
    if (retry) {
      progress_.Line(
          fmt::format("{}: rolled back; trying again with half the learning rate", stage_.name));
      RestoreSnapshot(anchor_, x_.state);
      best_.reset();
      ++p_.attempt;
      p_.step = p_.best_step = p_.evaluations_without_best = 0;
      p_.next_document = 0;
      p_.best_accuracy = p_.first_accuracy = -1;
      p_.learning_rate_scale /= 2;
      files.Measure(p_);
      PAWL_TRY(Checkpoint());
      continue;
    }
    if (decision == GateDecision::kRollback && gate.on_reject == "stop") return StageEnd::kGateStop;
    if (decision == GateDecision::kHold && gate.on_inconclusive == "stop")
      return StageEnd::kGateStop;
    return end;
  }
}

Result<StageEnd> StageRunner::Attempt(Files& files) {
  if (p_.step == 0 && stage_.reset_optimizer) x_.state.ResetOptimizer();
  if (p_.step == 0) {
    PAWL_TRY(Validate(files, false));
    if (x_.Stopped()) {
      PAWL_TRY(Checkpoint());
      return StageEnd::kStopped;
    }
  }
  return GrpoSteps(files);
}

Result<StageEnd> StageRunner::GrpoSteps(Files& files) {
  PAWL_ASSIGN(StageSettings settings, ToSettings(stage_));
  settings.optimizer.learning_rate *= p_.learning_rate_scale;
  const int total = StageSteps(stage_);
  Trainer trainer(x_.state, settings, total, {x_.rewards->names(), x_.rewards->weights()},
                  x_.config.run.seed, *x_.compute);
  TrainSnapshot healthy = TakeSnapshot(x_.state);
  int healthy_step = p_.step;
  const double begun = Now();
  const int first_step = p_.step;
  const Policy base{x_.reference ? *x_.reference : x_.state.model, nullptr};
  while (p_.step < total) {
    if (time_up_()) return StageEnd::kTimeUp;
    const double step_start = Now();
    Result<StepOutcome> result = Fail(ErrorCode::kInternal, "");
    std::uint64_t next_document = p_.next_document;
    if (settings.method == TrainMethod::kSft) {
      PAWL_ASSIGN(const auto documents,
                  NextDocuments(x_, static_cast<std::size_t>(p_.stage), next_document));
      result = trainer.SftStep(documents, p_.step);
    } else {
      std::vector<PromptTask> tasks;
      std::vector<const Problem*> problems;
      for (const PromptChoice& choice :
           ChoosePrompts(x_, static_cast<std::size_t>(p_.stage), p_.step)) {
        const auto& all = x_.data.train.at(x_.config.stages[choice.stage].name).problems();
        problems.push_back(&all[choice.problem]);
        PAWL_ASSIGN(auto ids, x_.prompts->Ids(*problems.back()));
        tasks.push_back({problems.back()->id, std::move(ids), TrainItem(p_, tasks.size())});
      }
      const Grader grader = [&](std::size_t task, const Completion& completion) {
        GradedCompletion graded;
        graded.text = x_.tokenizer->Decode(completion.ids, true);
        const AnswerText text{graded.text, completion.finish_reason == FinishReason::kLength,
                              static_cast<int>(completion.ids.size())};
        for (const Graded& g : x_.rewards->Grade(text, *problems[task]))
          graded.rewards.push_back(g.value);
        graded.correct = x_.grader->Grade(text, *problems[task]).correct;
        return graded;
      };
      result = trainer.GrpoStep(tasks, p_.step, grader, settings.loss.beta > 0 ? &base : nullptr,
                                [this] { return x_.Stopped(); });
    }
    if (!result) return tl::unexpected<Error>(result.error());
    StepOutcome& outcome = *result;
    if (outcome.cancelled || (x_.Stopped() && !outcome.applied)) {
      PAWL_TRY(Checkpoint());
      return StageEnd::kStopped;
    }
    if (!outcome.healthy) {
      ++p_.unhealthy;
      progress_.Line(
          fmt::format("{}: step {} was not finite; back to step {} with half the learning rate",
                      stage_.name, p_.step, healthy_step));
      RestoreSnapshot(healthy, x_.state);
      p_.learning_rate_scale /= 2;
      p_.step = healthy_step;
      if (p_.unhealthy > kMaxUnhealthy) return StageEnd::kUnhealthy;
      return GrpoSteps(files);
    }
    p_.next_document = next_document;
    ++p_.step;
    p_.new_tokens += static_cast<double>(outcome.new_tokens);
    p_.trained_tokens += static_cast<double>(outcome.trained_tokens);
    const double seconds = Now() - step_start;
    Json line{{"step", p_.step}, {"attempt", p_.attempt}};
    for (const auto& [key, value] : outcome.metrics.items()) line[key] = value;
    line["rollout_seconds"] = outcome.rollout_seconds;
    line["train_seconds"] = outcome.train_seconds;
    line["seconds"] = seconds;
    PAWL_TRY(files.metrics->Append(WriteJson(line)));
    for (const Json& rollout : outcome.rollouts)
      PAWL_TRY(files.rollouts->Append(WriteJson(rollout)));
    const bool sft = settings.method == TrainMethod::kSft;
    PAWL_TRY(files.log->Append(
        sft ? fmt::format("step {} loss {:.4f} lr {:.3g}", p_.step,
                          outcome.metrics.value("loss", 0.0), outcome.learning_rate)
            : fmt::format("step {} reward {:.4f} accuracy {:.4f} skipped {} lr {:.3g}", p_.step,
                          outcome.mean_reward, outcome.accuracy,
                          outcome.metrics.value("groups_skipped", 0), outcome.learning_rate)));
    const double per_step = (Now() - begun) / (p_.step - first_step);
    progress_.Update({stage_.name, p_.step, total, sft ? -1 : outcome.mean_reward,
                      outcome.metrics.value("loss", 0.0), p_.best_accuracy,
                      static_cast<double>(sft ? outcome.trained_tokens : outcome.new_tokens) /
                          std::max(1e-9, seconds),
                      per_step * (total - p_.step)});
    const bool last = p_.step == total;
    if (last || (stage_.eval_steps > 0 && p_.step % stage_.eval_steps == 0)) {
      PAWL_TRY(Validate(files, last));
    }
    files.Measure(p_);
    if (x_.Stopped()) {
      PAWL_TRY(Checkpoint());
      return StageEnd::kStopped;
    }
    if (p_.step % stage_.save_steps == 0 && !last) {
      PAWL_TRY(Checkpoint());
      healthy = TakeSnapshot(x_.state);
      healthy_step = p_.step;
    }
    if (stage_.early_stopping_patience > 0 &&
        p_.evaluations_without_best >= stage_.early_stopping_patience) {
      progress_.Line(fmt::format("{}: no better validation for {} evaluations; stopping early",
                                 stage_.name, p_.evaluations_without_best));
      break;
    }
  }
  return StageEnd::kFinished;
}

// Validation at the training temperature (greedy for sft): what training changes first.  The best
// so far is kept.
Status StageRunner::Validate(Files& files, bool last) {
  const auto& problems = x_.data.validation.problems();
  if (problems.empty()) return {};
  MeasureOptions options;
  options.greedy = stage_.method == "sft";
  options.temperature = stage_.temperature;
  options.max_new_tokens = stage_.max_completion_length;
  options.first_item = kValidationItem;
  PAWL_ASSIGN(const Evaluation evaluation, Measure(x_, x_.state.policy(), problems, options));
  if (evaluation.cancelled) return {};
  const double accuracy = evaluation.Accuracy();
  if (p_.first_accuracy < 0) p_.first_accuracy = accuracy;
  const bool better = accuracy >= p_.best_accuracy;
  if (better) {
    p_.best_accuracy = accuracy;
    p_.best_step = p_.step;
    p_.evaluations_without_best = 0;
    if (p_.step > 0) best_ = TakeSnapshot(x_.state);
  } else {
    ++p_.evaluations_without_best;
  }
  PAWL_TRY(
      files.log->Append(fmt::format("validation at step {}: {:.4f} of {} problems{}", p_.step,
                                    accuracy, problems.size(), better ? ", best so far" : "")));
  const Json line{{"step", p_.step},
                  {"attempt", p_.attempt},
                  {"eval_accuracy", accuracy},
                  {"eval_problems", problems.size()}};
  PAWL_TRY(files.metrics->Append(WriteJson(line)));
  static_cast<void>(last);
  files.Measure(p_);
  return {};
}

Result<GateDecision> StageRunner::RunGate(Json& evidence) {
  const auto& pool = x_.data.gate.problems();
  const auto gate = MakeGate(x_.config.gate, static_cast<int>(x_.config.stages.size()),
                             std::max(0.0, p_.first_accuracy));
  const TrainSnapshot candidate = TakeSnapshot(x_.state);
  std::size_t next = 0;
  GateDecision decision = gate->Decide(pool.empty());
  while (decision == GateDecision::kKeepTesting) {
    const GatePlan plan = gate->Plan();
    const std::size_t count = std::min(static_cast<std::size_t>(plan.batch), pool.size() - next);
    const auto batch = std::span<const Problem>(pool).subspan(next, count);
    MeasureOptions options;
    options.greedy = plan.greedy;
    options.samples = plan.samples;
    options.temperature = stage_.temperature;
    options.max_new_tokens = stage_.max_completion_length;
    options.first_item = kGateItem + next;
    // The same problems and random numbers for both.
    RestoreSnapshot(anchor_, x_.state);
    PAWL_ASSIGN(const Evaluation before, Measure(x_, x_.state.policy(), batch, options));
    RestoreSnapshot(candidate, x_.state);
    PAWL_ASSIGN(const Evaluation after, Measure(x_, x_.state.policy(), batch, options));
    if (before.cancelled || after.cancelled) return GateDecision::kHold;
    const auto share = [](const ProblemRecord& record) {
      double right = 0;
      for (const AnswerRecord& answer : record.samples) right += answer.correct ? 1 : 0;
      return right / static_cast<double>(record.samples.size());
    };
    for (std::size_t i = 0; i < count; ++i)
      gate->Add({share(before.problems[i]), share(after.problems[i])});
    next += count;
    decision = gate->Decide(next == pool.size());
  }
  evidence = gate->Evidence();
  return decision;
}

Status StageRunner::Finish(Files& files, GateDecision decision, const Json& evidence,
                           bool final_attempt) {
  const std::filesystem::path folder = directory_.Stage(stage_.name);
  Json gate = evidence;
  gate["decision"] = GateDecisionName(decision);
  gate["attempt"] = p_.attempt;
  gate["learning_rate"] = stage_.learning_rate * p_.learning_rate_scale;
  gate["best_step"] = p_.best_step;
  gate["validation_before"] = p_.first_accuracy >= 0 ? Json(p_.first_accuracy) : Json();
  gate["validation_best"] = p_.best_accuracy >= 0 ? Json(p_.best_accuracy) : Json();
  Json history = Json::array();
  const auto old = ReadFile(folder / "gate.json");
  if (old) {
    const auto parsed = ParseJson(*old, "gate.json");
    if (parsed && parsed->contains("attempts")) history = parsed->at("attempts");
  }
  while (history.size() > static_cast<std::size_t>(p_.attempt)) history.erase(history.size() - 1);
  history.push_back(gate);
  Json document = gate;
  document["format_version"] = 1;
  document["attempts"] = history;
  PAWL_TRY(WriteFileAtomic(folder / "gate.json", WriteJsonPretty(document)));
  progress_.Line(fmt::format("{}: {} (gate {}; validation {:.1f} % -> {:.1f} %)", stage_.name,
                             GateDecisionName(decision), evidence.value("rule", ""),
                             100 * std::max(0.0, p_.first_accuracy),
                             100 * std::max(0.0, p_.best_accuracy)));
  PAWL_TRY(files.log->Append(fmt::format("gate: {}", WriteJson(gate))));
  files.Measure(p_);
  if (!final_attempt) return {};

  const bool accepted = decision == GateDecision::kAccept;
  const std::string note = accepted ? "accepted by its gate"
                                    : fmt::format("not accepted: {}", GateDecisionName(decision));
  PAWL_TRY(SaveModelFolder(x_, folder / "best", note));
  PAWL_TRY(SaveModelFolder(x_, folder / "final_model", note));
  Json result{{"name", stage_.name},
              {"method", stage_.method},
              {"decision", decision == GateDecision::kRollback ? "rollback"
                           : accepted                          ? "accept"
                                                               : "hold"},
              {"attempts", p_.attempt + 1},
              {"steps", p_.step},
              {"seconds", Elapsed()},
              {"gate_accuracy_before", evidence.value("accuracy_before", Json())},
              {"gate_accuracy_after", evidence.value("accuracy_after", Json())}};
  p_.stages.push_back(result);
  Json summary = result;
  summary["format_version"] = 1;
  summary["best_step"] = p_.best_step;
  summary["validation_before"] = gate["validation_before"];
  summary["validation_best"] = gate["validation_best"];
  summary["new_tokens"] = p_.new_tokens;
  summary["trained_tokens"] = p_.trained_tokens;
  summary["training_samples"] = static_cast<double>(p_.step) * stage_.per_device_train_batch_size *
                                stage_.gradient_accumulation_steps;
  PAWL_TRY(WriteFileAtomic(folder / "training_summary.json", WriteJsonPretty(summary)));
  if (accepted) anchor_ = TakeSnapshot(x_.state);
  if (decision == GateDecision::kRollback) RestoreSnapshot(anchor_, x_.state);
  return {};
}

}  // namespace pawl
