// One stage, step by step: training, validation, best checkpoint, gate, retry.  Its position is a
// value, so that a run continues from any checkpoint with the same bits.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "pipeline/frozen_policy.h"
#include "pipeline/gate.h"
#include "pipeline/gate_answers.h"
#include "pipeline/position.h"
#include "pipeline/progress.h"
#include "pipeline/run_clock.h"
#include "pipeline/run_context.h"
#include "pipeline/run_directory.h"
#include "pipeline/stage_files.h"
#include "train/trainer.h"

namespace pawl {

// What a run carries from stage to stage; the weights themselves are in RunContext's state.
struct RunState {
  RunPosition position;
  TrainSnapshot anchor;                                   // the last accepted model
  TrainSnapshot base;                                     // the model the run began with
  GateAnswers answers;                                    // of anchors and base
  std::optional<TrainSnapshot> best, healthy, reference;  // of the attempt at hand (Checkpoint)
};
// Commits the position and all weights.
Status SaveRun(RunDirectory& directory, RunContext& context, const RunState& state,
               const RunClock& clock);

// The result of a stage that was never trained.
Json SkippedStage(const StageConfig& stage);

// kRejected: a check within the stage undid it.
enum class StageEnd { kFinished, kStopped, kUnhealthy, kRejected, kGateStop, kTimeUp };

class StageRunner {
 public:
  StageRunner(RunContext& context, RunDirectory& directory, RunState& state, const RunClock& clock,
              Progress& progress);

  // Runs the stage at position.stage from position.step to its end, with its gate and retries, and
  // writes its files.  kStopped: a signal came; everything is saved.  A stage that a time limit
  // kept from its first step leaves no result in position.stages.
  Result<StageEnd> Run();

 private:
  // stage_filter.cc: leaves the stage the problems that pass its difficulty filter.  false: a
  // signal came in the middle.
  Result<bool> Filter();

  // stage_steps.cc
  Result<StageEnd> Train();
  Result<std::unique_ptr<Trainer>> MakeTrainer();
  void BeginAttempt();
  Result<StepOutcome> Step(Trainer& trainer, std::uint64_t& next_document);
  Result<StepOutcome> GrpoStep(Trainer& trainer);
  Status Record(const StepOutcome& outcome, double seconds, double cpu_seconds);
  StepHooks Hooks() const;
  // Back to the healthy state with half the learning rate.
  Status Undo(const std::string& reason);
  void MarkHealthy();
  bool ValidationDue() const;
  bool CheckDue() const;  // by the threshold rule, within the stage
  bool EarlyStop() const;
  double Reserve() const;  // seconds that gate and final benchmark will take
  // false: a signal came in the middle; nothing was recorded.
  Result<bool> Validate();

  // stage_runner.cc
  Status Save();    // commits, and empties the journal
  Status Commit();  // position and weights
  Result<StageEnd> Stop();
  void BeginRetry();
  Status RecordDecision(GateDecision decision, const Json& evidence);
  Status Finish(GateDecision decision, const Json& evidence);

  // stage_gate.cc
  struct Verdict {
    GateDecision decision;
    Json evidence;
  };
  // The gate's verdict on `candidate`, and where it is not accepted on the fractions of the soup;
  // the state is left at the model that the verdict is about.  None: a signal came in the middle.
  Result<std::optional<Verdict>> RunGate(const TrainSnapshot& candidate);
  Result<std::optional<Verdict>> Judge(const TrainSnapshot& candidate);
  // Anchor, candidate and, with guard, base on some problems of the pool; empty: a signal came in
  // the middle.
  Result<std::vector<PairedShares>> Compare(const TrainSnapshot& candidate, std::size_t accepted,
                                            bool guard, std::span<const std::size_t> problems,
                                            const GatePlan& plan);
  // Shares of right answers of `model` to the pool's problems; empty: a signal came in the middle.
  // who: its name in the cache, "" for a model that is asked once.
  Result<std::vector<double>> Answers(const TrainSnapshot& model, const std::string& who,
                                      std::span<const std::size_t> problems, const GatePlan& plan);

  std::optional<Verdict> rejection_;  // of the check that ended Train
  // Of the models that a gate asks, by name: hashing all weights of a 0.5B model takes a second,
  // and every batch of problems asks each model twice.
  std::map<std::string, std::string> fingerprints_;
  double Elapsed() const { return SteadySeconds() - started_; }

  RunContext& x_;
  RunDirectory& directory_;
  RunState& s_;
  RunPosition& p_;
  const RunClock& clock_;
  Progress& progress_;
  const StageConfig& stage_;
  int total_;
  double started_;
  double step_seconds_ = 0;                // of the longest step of this session
  std::optional<FrozenPolicy> reference_;  // made from s_.reference when it is first needed
  StageFiles files_;
};

}  // namespace pawl
