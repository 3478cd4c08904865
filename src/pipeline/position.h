// Where a run is, as a value: everything but the weights that a resumed run needs.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace pawl {

struct RunPosition {
  int stage = 0, attempt = 0, step = 0;
  int validated_step = -1;  // of the last validation in this attempt
  int checked_step = -1;    // of the last check by the threshold rule within this attempt
  double learning_rate_scale = 1;
  std::uint64_t next_document = 0;
  // Validation accuracies of this attempt: at its start (-1: not measured), and the best of a
  // trained state.
  double first_accuracy = -1, best_accuracy = -1;
  int best_step = 0, evaluations_without_best = 0;
  // Steps of this stage that were not finite, and where an undo goes back to.
  int unhealthy = 0, healthy_step = 0;
  std::uint64_t healthy_document = 0;
  int tripped = 0;                   // steps in a row that tripped a tripwire
  Json health = Json::object();      // what the tripwires compare with (health.h)
  Json pass_rates = Json::object();  // of training problems (prompt_choice.h)
  Json kept = Json::object();        // of stages with a difficulty filter: indices that passed it
  // Of the stage's growing files.
  std::int64_t metrics_bytes = 0, rollouts_bytes = 0, log_bytes = 0;
  double stage_seconds = 0, run_seconds = 0;
  // Measured costs, for planning under a time limit.
  double benchmark_seconds = 0, seconds_per_answer = 0;
  double new_tokens = 0, trained_tokens = 0;
  std::string ended;  // why no further stage begins: "", or an exit_reason of summary.json
  Json stages = Json::array();  // results of finished stages
  Json base;                    // the base's test results
};

Json PositionJson(const RunPosition& position);
// kBadFile for missing fields, wrong types and values that no run can have.
Result<RunPosition> ParsePosition(const Json& json);

}  // namespace pawl
