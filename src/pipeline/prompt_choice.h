// Which problems a GRPO step asks: a pure function of (run seed, stage, step, pass rates so far).
#pragma once

#include <cstdint>
#include <vector>

#include "base/json.h"
#include "pipeline/run_context.h"

namespace pawl {

struct PromptChoice {
  std::size_t stage = 0, problem = 0;  // index into the stage's training problems
};

// Running estimate of the share of right answers per training problem; part of a checkpoint, as
// JSON: stage name -> list, -1 where a problem was never asked.
class PassRates {
 public:
  explicit PassRates(Json& json) : json_(json) {}
  double Of(const RunContext& context, const PromptChoice& choice) const;  // -1: never asked
  // The first answer sets the estimate, later ones move it half the way.
  void Add(const RunContext& context, const PromptChoice& choice, double rate);

 private:
  Json& json_;
};
// Whether any stage chooses by pass rates.
bool NeedsPassRates(const RunConfig& config);

// The prompts of optimizer step `step`: replay and replay_mastered of them from elsewhere, the rest
// from the stage's own problems: in shuffled epochs, or with sampling = "pass_rate" drawn without
// replacement with weight p (1 - p) + 0.02 (p unknown: as 1/2).  steps: of the stage.
std::vector<PromptChoice> ChoosePrompts(const RunContext& context, std::size_t stage, int step,
                                        int steps, const PassRates& rates);

// `count` more for a step whose groups lacked signal.  round: counted from 1 within the step.
std::vector<PromptChoice> ChooseMore(const RunContext& context, std::size_t stage, int step,
                                     int round, std::size_t count, const PassRates& rates);

// Position `index` of an endless walk over n items that are shuffled anew in each epoch.
std::size_t ShuffledIndex(std::uint64_t seed, std::size_t stage, std::uint64_t index,
                          std::size_t n);

}  // namespace pawl
