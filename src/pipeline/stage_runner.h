// One stage, step by step: training, validation, best checkpoint, gate, retry.  Its position is a
// value, so that a run continues from any checkpoint with the same bits.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "pipeline/frozen_policy.h"
#include "pipeline/gate.h"
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
  std::optional<TrainSnapshot> best, healthy, reference;  // of the attempt at hand (Checkpoint)
};
// Commits the position and all weights.
Status SaveRun(RunDirectory& directory, RunContext& context, const RunState& state,
               const RunClock& clock);

enum class StageEnd { kFinished, kStopped, kUnhealthy, kGateStop, kTimeUp };

class StageRunner {
 public:
  StageRunner(RunContext& context, RunDirectory& directory, RunState& state, const RunClock& clock,
              Progress& progress);

  // Runs the stage at position.stage from position.step to its end, with its gate and retries, and
  // writes its files.  kStopped: a signal came; everything is saved.  A stage that a time limit
  // kept from its first step leaves no result in position.stages.
  Result<StageEnd> Run();

 private:
  // stage_steps.cc
  Result<StageEnd> Train();
  Result<std::unique_ptr<Trainer>> MakeTrainer();
  void BeginAttempt();
  Result<StepOutcome> Step(Trainer& trainer, std::uint64_t& next_document);
  Result<StepOutcome> GrpoStep(Trainer& trainer);
  Status Record(const StepOutcome& outcome, double seconds, double cpu_seconds);
  // Back to the healthy state with half the learning rate.
  Status Undo();
  void MarkHealthy();
  bool ValidationDue() const;
  bool EarlyStop() const;
  double Reserve() const;  // seconds that gate and final benchmark will take
  // false: a signal came in the middle; nothing was recorded.
  Result<bool> Validate();

  // stage_runner.cc
  Status Save();
  Result<StageEnd> Stop();
  void BeginRetry();
  // None: a signal came in the middle.
  Result<std::optional<GateDecision>> RunGate(Json& evidence);
  Status RecordDecision(GateDecision decision, const Json& evidence);
  Status Finish(GateDecision decision, const Json& evidence);
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
