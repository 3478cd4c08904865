#include "pipeline/prompt_choice.h"

#include <algorithm>
#include <numeric>

#include "base/shuffle.h"

namespace pawl {
namespace {

constexpr double kMastered = 0.9;  // pass rate from which on a problem counts as solved

std::size_t OwnProblems(const RunContext& x, std::size_t stage) {
  return x.data.train.at(x.config.stages[stage].name).size();
}

std::uint64_t StageItem(std::size_t stage, std::uint64_t number) {
  return (static_cast<std::uint64_t>(stage + 1) << 40) | number;
}

// Problems of the stages up to `stage` that are nearly always solved.
std::vector<PromptChoice> Mastered(const RunContext& x, std::size_t stage, const PassRates& rates) {
  std::vector<PromptChoice> mastered;
  for (std::size_t s = 0; s <= stage; ++s) {
    if (!x.data.train.contains(x.config.stages[s].name)) continue;
    for (std::size_t i = 0; i < OwnProblems(x, s); ++i) {
      if (rates.Of(x, {s, i}) >= kMastered) mastered.push_back({s, i});
    }
  }
  return mastered;
}

// `count` of the stage's problems by weight, without replacement while they last.
std::vector<PromptChoice> ByPassRate(const RunContext& x, std::size_t stage, std::size_t count,
                                     const PassRates& rates, RandomStream& random) {
  std::vector<double> weights(OwnProblems(x, stage));
  std::vector<PromptChoice> choices;
  while (choices.size() < count) {
    if (choices.size() % weights.size() == 0) {
      for (std::size_t i = 0; i < weights.size(); ++i) {
        const double p = rates.Of(x, {stage, i});
        weights[i] = (p < 0 ? 0.25 : p * (1 - p)) + 0.02;
      }
    }
    double left = random.Uniform() * std::accumulate(weights.begin(), weights.end(), 0.0);
    std::size_t chosen = weights.size();
    for (std::size_t i = 0; i < weights.size(); ++i) {
      if (weights[i] == 0) continue;
      chosen = i;  // the last one left, should rounding run past the end
      left -= weights[i];
      if (left < 0) break;
    }
    weights[chosen] = 0;
    choices.push_back({stage, chosen});
  }
  return choices;
}

}  // namespace

std::size_t ShuffledIndex(std::uint64_t seed, std::size_t stage, std::uint64_t index,
                          std::size_t n) {
  RandomStream random({seed, RandomPurpose::kShuffle, StageItem(stage, index / n), 2});
  return ShuffledOrder(n, random)[index % n];
}

double PassRates::Of(const RunContext& x, const PromptChoice& choice) const {
  const auto stage = json_.find(x.config.stages[choice.stage].name);
  if (stage == json_.end() || choice.problem >= stage->size()) return -1;
  return (*stage)[choice.problem].get<double>();
}

void PassRates::Add(const RunContext& x, const PromptChoice& choice, double rate) {
  Json& stage = json_[x.config.stages[choice.stage].name];
  if (stage.is_null()) stage = std::vector<double>(OwnProblems(x, choice.stage), -1.0);
  Json& entry = stage[choice.problem];
  const double before = entry.get<double>();
  entry = before < 0 ? rate : before + 0.5 * (rate - before);
}

bool NeedsPassRates(const RunConfig& config) {
  return std::any_of(config.stages.begin(), config.stages.end(), [](const StageConfig& stage) {
    return stage.sampling == "pass_rate" || stage.replay_mastered > 0;
  });
}

std::vector<PromptChoice> ChoosePrompts(const RunContext& x, std::size_t stage_index, int step,
                                        int steps, const PassRates& rates) {
  const StageConfig& stage = x.config.stages[stage_index];
  const auto count = static_cast<std::size_t>(stage.per_device_train_batch_size) *
                     static_cast<std::size_t>(stage.gradient_accumulation_steps);
  std::vector<std::size_t> earlier;
  for (std::size_t s = 0; s < stage_index; ++s) {
    // A difficulty filter may have left nothing.
    if (x.data.train.contains(x.config.stages[s].name) && OwnProblems(x, s) > 0) {
      earlier.push_back(s);
    }
  }
  std::vector<PromptChoice> mastered;
  if (stage.replay_mastered > 0) mastered = Mastered(x, stage_index, rates);
  const double end = stage.replay_end < 0 ? stage.replay : stage.replay_end;
  const double replay =
      stage.replay + (end - stage.replay) * step / static_cast<double>(std::max(1, steps - 1));
  RandomStream random({x.config.run.seed, RandomPurpose::kShuffle,
                       StageItem(stage_index, static_cast<std::uint64_t>(step)), 3});
  std::vector<PromptChoice> own;
  if (stage.sampling == "pass_rate") {
    RandomStream draws({x.config.run.seed, RandomPurpose::kShuffle,
                        StageItem(stage_index, static_cast<std::uint64_t>(step)), 5});
    own = ByPassRate(x, stage_index, count, rates, draws);
  }
  const auto below = [&](std::size_t n) { return random.Below(static_cast<std::uint32_t>(n)); };
  std::vector<PromptChoice> choices;
  for (std::size_t i = 0; i < count; ++i) {
    if (!earlier.empty() && random.Chance(replay)) {
      const std::size_t s = earlier[below(earlier.size())];
      choices.push_back({s, below(OwnProblems(x, s))});
    } else if (!mastered.empty() && random.Chance(stage.replay_mastered)) {
      choices.push_back(mastered[below(mastered.size())]);
    } else if (!own.empty()) {
      choices.push_back(own[i]);
    } else {
      const std::uint64_t index = static_cast<std::uint64_t>(step) * count + i;
      choices.push_back({stage_index, ShuffledIndex(x.config.run.seed, stage_index, index,
                                                    OwnProblems(x, stage_index))});
    }
  }
  return choices;
}

std::vector<PromptChoice> ChooseMore(const RunContext& x, std::size_t stage, int step, int round,
                                     std::size_t count, const PassRates& rates) {
  RandomStream random({x.config.run.seed, RandomPurpose::kShuffle,
                       StageItem(stage, static_cast<std::uint64_t>(step)),
                       static_cast<std::uint32_t>(5 + round)});
  if (x.config.stages[stage].sampling == "pass_rate") {
    return ByPassRate(x, stage, count, rates, random);
  }
  std::vector<PromptChoice> choices;
  for (std::size_t i = 0; i < count; ++i) {
    choices.push_back({stage, random.Below(static_cast<std::uint32_t>(OwnProblems(x, stage)))});
  }
  return choices;
}

}  // namespace pawl
