#include "pipeline/stage_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/file_system.h"
#include "pipeline/config_keys.h"
#include "pipeline/outputs.h"

namespace pawl {
Status SaveRun(RunDirectory& directory, RunContext& context, const RunState& state,
               const RunClock& clock) {
  RunPosition position = state.position;
  position.run_seconds = clock.Elapsed();
  const bool apart = position.healthy_step != position.step;
  return directory.SaveCheckpoint({PositionJson(position), TakeSnapshot(context.state),
                                   state.anchor, state.best, apart ? state.healthy : std::nullopt,
                                   state.reference});
}

Json SkippedStage(const StageConfig& stage) {
  return {{"name", stage.name},
          {"method", stage.method},
          {"decision", "skipped"},
          {"attempts", 0},
          {"steps", 0},
          {"seconds", 0.0},
          {"gate_accuracy_before", nullptr},
          {"gate_accuracy_after", nullptr}};
}

StageRunner::StageRunner(RunContext& context, RunDirectory& directory, RunState& state,
                         const RunClock& clock, Progress& progress)
    : x_(context),
      directory_(directory),
      s_(state),
      p_(state.position),
      clock_(clock),
      progress_(progress),
      stage_(context.config.stages[static_cast<std::size_t>(state.position.stage)]),
      total_(PlannedSteps(context, static_cast<std::size_t>(state.position.stage))),
      started_(SteadySeconds() - state.position.stage_seconds) {}

Status StageRunner::Save() {
  PAWL_TRY(Commit());
  return x_.journal->Clear();
}

Status StageRunner::Commit() {
  PAWL_TRY(files_.Sync(p_));
  p_.stage_seconds = Elapsed();
  return SaveRun(directory_, x_, s_, clock_);
}

// The step, validation or gate that was cut short goes on where it was: its journal stays.
Result<StageEnd> StageRunner::Stop() {
  PAWL_TRY(Commit());
  return StageEnd::kStopped;
}

Result<StageEnd> StageRunner::Run() {
  const std::filesystem::path folder = directory_.Stage(stage_.name);
  PAWL_TRY(files_.Open(folder, p_));
  PAWL_ASSIGN(const bool filtered, Filter());
  if (!filtered) return Stop();
  Json config = StageJson(stage_);
  config["steps"] = total_;
  PAWL_TRY(WriteFileAtomic(folder / "training_config.json", WriteJsonPretty(config)));
  if (FiltersByDifficulty(stage_) && p_.kept.at(stage_.name).empty()) {
    p_.stages.push_back(SkippedStage(stage_));
    return StageEnd::kFinished;
  }
  const GateSection& gate = x_.config.gate;
  for (;;) {
    PAWL_ASSIGN(const StageEnd end, Train());
    if (end == StageEnd::kStopped) return end;
    if (end == StageEnd::kUnhealthy) {
      PAWL_TRY(Finish(GateDecision::kRollback,
                      {{"rule", "health"}, {"reason", "unhealthy steps came again and again"}}));
      return end;
    }
    if (end == StageEnd::kTimeUp && p_.step == 0) {
      if (p_.attempt > 0) {
        PAWL_TRY(Finish(GateDecision::kRollback,
                        {{"rule", gate.rule}, {"reason", "no time was left for another attempt"}}));
      }
      return end;
    }
    std::optional<Verdict> verdict = std::exchange(rejection_, std::nullopt);
    if (verdict) {
      verdict->evidence["step"] = p_.step;
    } else {
      // A signal inside the gate is saved with the state as training left it; the best comes again.
      const TrainSnapshot trained = TakeSnapshot(x_.state);
      PAWL_ASSIGN(verdict, RunGate(s_.best ? *s_.best : trained));
      if (!verdict) {
        RestoreSnapshot(trained, x_.state);
        return Stop();
      }
    }
    Json evidence = verdict->evidence;
    GateDecision decision = verdict->decision;
    if (decision == GateDecision::kHold) {
      evidence["inconclusive"] = true;
      if (gate.on_inconclusive == "rollback") decision = GateDecision::kRollback;
    }
    if (decision == GateDecision::kRollback && gate.on_reject == "retry" &&
        p_.attempt < gate.max_retries && end != StageEnd::kTimeUp) {
      PAWL_TRY(RecordDecision(decision, evidence));
      BeginRetry();
      PAWL_TRY(Save());
      continue;
    }
    PAWL_TRY(Finish(decision, evidence));
    const bool stop = (decision == GateDecision::kRollback && gate.on_reject == "stop") ||
                      (decision == GateDecision::kHold && gate.on_inconclusive == "stop");
    return stop ? StageEnd::kGateStop : end;
  }
}

void StageRunner::BeginRetry() {
  progress_.Line(
      fmt::format("{}: rolled back; trying again with half the learning rate", stage_.name));
  RestoreSnapshot(s_.anchor, x_.state);
  s_.best.reset();
  s_.healthy.reset();
  s_.reference.reset();
  ++p_.attempt;
  p_.tripped = 0;
  p_.health = Json::object();
  p_.step = p_.best_step = p_.evaluations_without_best = p_.healthy_step = 0;
  p_.validated_step = p_.checked_step = -1;
  p_.next_document = p_.healthy_document = 0;
  p_.best_accuracy = p_.first_accuracy = -1;
  p_.learning_rate_scale /= 2;
}

// gate.json: this decision, and those of all attempts.
Status StageRunner::RecordDecision(GateDecision decision, const Json& evidence) {
  const std::filesystem::path file = directory_.Stage(stage_.name) / "gate.json";
  Json gate = evidence;
  gate["decision"] = GateDecisionName(decision);
  gate["attempt"] = p_.attempt;
  gate["learning_rate"] = stage_.learning_rate * p_.learning_rate_scale;
  gate["best_step"] = p_.best_step;
  gate["validation_before"] = p_.first_accuracy >= 0 ? Json(p_.first_accuracy) : Json();
  gate["validation_best"] = p_.best_accuracy >= 0 ? Json(p_.best_accuracy) : Json();
  Json attempts = Json::array();
  if (p_.attempt > 0) {
    PAWL_ASSIGN(const std::string text, ReadFile(file));
    PAWL_ASSIGN(const Json old, ParseJson(text, file.string()));
    if (old.is_object()) attempts = old.value("attempts", Json::array());
    // An interrupted run may have written this attempt's line already.
    while (attempts.size() > static_cast<std::size_t>(p_.attempt)) {
      attempts.erase(attempts.size() - 1);
    }
  }
  attempts.push_back(gate);
  Json document = gate;
  document["format_version"] = 1;
  document["attempts"] = attempts;
  PAWL_TRY(WriteFileAtomic(file, WriteJsonPretty(document)));
  progress_.Line(fmt::format("{}: {} (gate {}; validation {:.1f} % -> {:.1f} %)", stage_.name,
                             GateDecisionName(decision), evidence.value("rule", ""),
                             100 * std::max(0.0, p_.first_accuracy),
                             100 * std::max(0.0, p_.best_accuracy)));
  return files_.Log(fmt::format("gate: {}", WriteJson(gate)));
}

// The end of the stage: its files, its result, and the anchor that follows from the decision.
Status StageRunner::Finish(GateDecision decision, const Json& evidence) {
  PAWL_TRY(RecordDecision(decision, evidence));
  PAWL_TRY(files_.Sync(p_));
  const std::filesystem::path folder = directory_.Stage(stage_.name);
  const bool accepted = decision == GateDecision::kAccept;
  const std::string note = accepted ? "accepted by its gate"
                                    : fmt::format("not accepted: {}", GateDecisionName(decision));
  PAWL_TRY(SaveModelFolder(x_, folder / "best", note));
  PAWL_TRY(SaveModelFolder(x_, folder / "final_model", note));
  const Json result{{"name", stage_.name},
                    {"method", stage_.method},
                    {"decision", GateDecisionName(decision)},
                    {"attempts", p_.attempt + 1},
                    {"steps", p_.step},
                    {"seconds", Elapsed()},
                    {"gate_accuracy_before", evidence.value("accuracy_before", Json())},
                    {"gate_accuracy_after", evidence.value("accuracy_after", Json())}};
  p_.stages.push_back(result);
  Json summary = result;
  summary["format_version"] = 1;
  summary["best_step"] = p_.best_step;
  summary["validation_before"] = p_.first_accuracy >= 0 ? Json(p_.first_accuracy) : Json();
  summary["validation_best"] = p_.best_accuracy >= 0 ? Json(p_.best_accuracy) : Json();
  summary["unhealthy_steps"] = p_.unhealthy;
  summary["new_tokens"] = p_.new_tokens;
  summary["trained_tokens"] = p_.trained_tokens;
  summary["training_samples"] = static_cast<std::int64_t>(p_.step) *
                                stage_.per_device_train_batch_size *
                                stage_.gradient_accumulation_steps;
  PAWL_TRY(WriteFileAtomic(folder / "training_summary.json", WriteJsonPretty(summary)));
  if (accepted) s_.anchor = TakeSnapshot(x_.state);
  if (decision == GateDecision::kRollback) RestoreSnapshot(s_.anchor, x_.state);
  return {};
}

}  // namespace pawl
