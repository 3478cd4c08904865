// One stage, step by step: training, validation, best checkpoint, gate, retry.  Its position is a
// value, so that a run continues from any checkpoint with the same bits.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/file_system.h"
#include "pipeline/gate.h"
#include "pipeline/progress.h"
#include "pipeline/run_context.h"
#include "pipeline/run_directory.h"

namespace pawl {

// Where a run is.  Everything here is saved in a checkpoint's position.json.
struct RunPosition {
  int stage = 0, attempt = 0, step = 0;
  double learning_rate_scale = 1;
  std::uint64_t next_document = 0;
  double best_accuracy = -1, first_accuracy = -1;
  int best_step = 0, evaluations_without_best = 0, unhealthy = 0;
  long long metrics_bytes = 0, rollouts_bytes = 0, log_bytes = 0;  // of the stage's files
  double stage_seconds = 0, run_seconds = 0;
  double new_tokens = 0, trained_tokens = 0;
  Json stages = Json::array();  // results of finished stages
  Json base;                    // the base's test results
};
Json PositionJson(const RunPosition& position);
Result<RunPosition> ParsePosition(const Json& json);

enum class StageEnd { kFinished, kStopped, kUnhealthy, kGateStop, kTimeUp };

class StageRunner {
 public:
  StageRunner(RunContext& context, RunDirectory& directory, RunPosition& position,
              TrainSnapshot& anchor, std::optional<TrainSnapshot>& best, Progress& progress,
              std::function<bool()> time_up);

  // Runs the stage at position.stage from position.step to its end, with its gate and retries, and
  // writes its files.
  Result<StageEnd> Run();

 private:
  struct Files;
  Result<StageEnd> Attempt(Files& files);
  Result<StageEnd> GrpoSteps(Files& files);
  Status Validate(Files& files, bool last);
  Status Checkpoint();
  Result<GateDecision> RunGate(Json& evidence);
  Status Finish(Files& files, GateDecision decision, const Json& evidence, bool left_out);
  double Elapsed() const;

  RunContext& x_;
  RunDirectory& directory_;
  RunPosition& p_;
  TrainSnapshot& anchor_;
  std::optional<TrainSnapshot>& best_;
  Progress& progress_;
  std::function<bool()> time_up_;
  const StageConfig& stage_;
  double started_;
};

}  // namespace pawl
