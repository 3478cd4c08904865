// The difficulty filter of StageRunner: pass rates by the policy that begins the stage.
#include <fmt/format.h>

#include "pipeline/stage_runner.h"

namespace pawl {
namespace {

// Random addresses of the filter's answers, apart from those of training, validation and gates.
constexpr std::uint64_t kFilterItem = std::uint64_t{1} << 57;

}  // namespace

Result<bool> StageRunner::Filter() {
  if (!FiltersByDifficulty(stage_) || p_.kept.contains(stage_.name)) return true;
  const auto& problems = x_.data.train.at(stage_.name).problems();
  progress_.Line(fmt::format("{}: asking {} problems {} times each for their pass rates",
                             stage_.name, problems.size(), stage_.filter_samples));
  MeasureOptions options;
  options.greedy = false;
  options.samples = stage_.filter_samples;
  options.temperature = stage_.temperature;
  options.max_new_tokens = stage_.max_completion_length;
  options.first_item = kFilterItem | (static_cast<std::uint64_t>(p_.stage) << 40);
  PAWL_ASSIGN(const Evaluation evaluation, Measure(x_, problems, options));
  if (evaluation.cancelled) return false;
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const double rate = evaluation.problems[i].Share();
    if (rate >= stage_.min_pass_rate && rate <= stage_.max_pass_rate) kept.push_back(i);
  }
  const std::string line =
      fmt::format("difficulty filter: {} of {} problems have a pass rate from {} to {}",
                  kept.size(), problems.size(), stage_.min_pass_rate, stage_.max_pass_rate);
  progress_.Line(
      fmt::format("{}: {}{}", stage_.name, line, kept.empty() ? "; the stage is skipped" : ""));
  PAWL_TRY(files_.Log(line));
  x_.data.Keep(stage_.name, kept);
  p_.kept[stage_.name] = kept;
  total_ = kept.empty() ? 0 : PlannedSteps(x_, static_cast<std::size_t>(p_.stage));
  PAWL_TRY(Save());
  return true;
}

}  // namespace pawl
