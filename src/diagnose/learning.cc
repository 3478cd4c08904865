// What the training curves say: convergence, step size, capacity.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "diagnose/hypotheses.h"
#include "records/fields.h"

namespace pawl {
namespace {

struct Series {
  std::vector<double> step, value;
};
// The last third of a stage's steps (at least 3 where there are so many) that have `key`.
Series LastThird(const StageRecords& stage, const char* key) {
  Series all;
  for (const Json& line : stage.steps) {
    const auto step = NumberAt(line, "step"), value = NumberAt(line, key);
    if (!step || !value) continue;
    all.step.push_back(*step);
    all.value.push_back(*value);
  }
  const std::size_t n = all.step.size(), keep = std::min(n, std::max<std::size_t>(3, (n + 2) / 3));
  all.step.erase(all.step.begin(), all.step.end() - static_cast<std::ptrdiff_t>(keep));
  all.value.erase(all.value.begin(), all.value.end() - static_cast<std::ptrdiff_t>(keep));
  return all;
}

std::string MetricsOf(const StageRecords& stage) {
  return "stages/" + stage.name + "/metrics.jsonl";
}

// Slope per 10 steps at the stage's end.
Measurement EndSlope(const StageRecords& stage, const char* key, const char* words) {
  const Series series = LastThird(stage, key);
  return MeanMeasurement(
      fmt::format("{}: {} in 10 steps, last third of the stage", stage.name, words),
      Slope(series.step, series.value), 10, series.step.size(), "", MetricsOf(stage));
}

}  // namespace

Finding Convergence(const RunRecords& run) {
  Finding f;
  f.key = "not_converged";
  f.hypothesis = "Training stopped while it was still improving.";
  f.rule =
      "supported where the slope of the reward in the last third of a stage is above 0 (interval); "
      "not supported where every interval lies below 0.05 in 10 steps";
  bool rising = false, flat = false;
  std::string which;
  for (const StageRecords& stage : run.stages) {
    const Measurement slope = EndSlope(stage, "reward", "change of the reward");
    if (!slope.value) continue;
    const bool flat_here = slope.interval95->high < 0.05;
    flat = f.measurements.empty() ? flat_here : flat && flat_here;
    if (slope.interval95->low > 0) {
      rising = true;
      which += (which.empty() ? "" : ", ") + stage.name;
    }
    f.measurements.push_back(slope);
    f.measurements.push_back(EndSlope(stage, "entropy", "change of the entropy, nats"));
  }
  if (f.measurements.empty()) {
    f.reason = "No stage has recorded rewards of three steps or more.";
    f.to_settle = "A GRPO stage of more steps.";
    return f;
  }
  f.verdict = rising ? Verdict::kSupported : flat ? Verdict::kNotSupported : Verdict::kCannotTell;
  f.reason = rising ? fmt::format("The reward was still rising at the end of {}.", which)
             : flat ? "No stage's reward was rising at its end by more than the rule allows."
                    : "The rewards of the last steps scatter too much to see a slope.";
  if (f.verdict == Verdict::kCannotTell) {
    f.to_settle = "More steps, or more prompts in each (gradient_accumulation_steps).";
  }
  return f;
}

Finding StepSize(const RunRecords& run) {
  Finding f;
  f.key = "learning_rate_too_high";
  f.hypothesis = "The learning rate was too high.";
  f.rule =
      "supported where steps were undone as not finite, more than 20 % of a stage's tokens were "
      "clipped, or the reward was falling at a stage's end (interval); not supported where none of "
      "these holds and every stage has rewards of three steps or more";
  std::vector<std::string> signs;
  bool known = !run.stages.empty();
  for (const StageRecords& stage : run.stages) {
    Measurement undone;
    undone.name = stage.name + ": steps undone as not finite";
    undone.value = static_cast<double>(stage.unhealthy.size());
    undone.source = MetricsOf(stage);
    if (!stage.unhealthy.empty()) signs.push_back(stage.name + " had steps that were not finite");
    f.measurements.push_back(std::move(undone));
    std::vector<double> clipped;
    for (const Json& line : stage.steps) {
      const auto low = NumberAt(line, "clip_ratio/low_mean");
      const auto high = NumberAt(line, "clip_ratio/high_mean");
      if (low || high) clipped.push_back(low.value_or(0) + high.value_or(0));
    }
    if (!clipped.empty()) {
      const double mean = std::accumulate(clipped.begin(), clipped.end(), 0.0) /
                          static_cast<double>(clipped.size());
      f.measurements.push_back(MeanMeasurement(stage.name + ": share of clipped tokens",
                                               TInterval(clipped), 1, clipped.size(), "share",
                                               MetricsOf(stage)));
      if (mean > 0.2) signs.push_back(stage.name + " clipped over 20 % of its tokens");
    }
    const Measurement slope = EndSlope(stage, "reward", "change of the reward");
    known = known && slope.value.has_value();
    if (slope.interval95 && slope.interval95->high < 0) {
      signs.push_back("the reward was falling at the end of " + stage.name);
    }
    if (slope.value) f.measurements.push_back(slope);
    const Json& probed = ProbedModel(run, stage.name);
    const auto distance = NumberAt(probed, "distance_previous");
    const auto steps = IntAt(probed, "steps");
    if (distance && steps && *steps > 0) {
      Measurement m;
      m.name = stage.name + ": change of the weights relative to their size, per step";
      m.value = *distance / static_cast<double>(*steps);
      m.n = *steps;
      m.source = "probe.json";
      f.measurements.push_back(std::move(m));
    }
  }
  f.verdict = !signs.empty() ? Verdict::kSupported
              : known        ? Verdict::kNotSupported
                             : Verdict::kCannotTell;
  f.reason = !signs.empty() ? fmt::format("{}.", fmt::join(signs, "; "))
             : known        ? "No step was undone, clipping stayed low, and no reward was falling."
                            : "Not every stage has recorded enough steps with rewards.";
  f.reason[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(f.reason[0])));
  if (f.verdict == Verdict::kCannotTell) f.to_settle = "Stages of three GRPO steps or more.";
  return f;
}

Finding Capacity(const RunRecords& run) {
  Finding f;
  f.key = "capacity_reached";
  f.hypothesis = "The model cannot learn more of this task by reinforcement.";
  f.rule =
      "supported where the reward is flat at the end of the last stage and held-out pass@k exceeds "
      "pass@1 by less than 5 points; not supported where it exceeds it by more (interval over "
      "problems): answers that the model finds sometimes can still be made likelier";
  const BenchRecord* bench = run.Bench("final_sampled");
  std::vector<double> room;
  std::size_t k = 0;
  if (bench != nullptr) {
    for (const AnsweredProblem& problem : bench->problems) {
      if (problem.samples.size() < 2) continue;
      k = std::max(k, problem.samples.size());
      const double share = problem.Share();
      room.push_back((share > 0 ? 1.0 : 0.0) - share);
    }
  }
  const auto gap = MeanOfBounded(room);
  if (bench != nullptr) {
    f.measurements.push_back(
        MeanMeasurement(fmt::format("final: pass@{} above pass@1 on the test problems", k), gap,
                        100, room.size(), "points", SourceOf(run, *bench)));
  }
  Measurement slope;
  if (!run.stages.empty()) {
    slope = EndSlope(run.stages.back(), "reward", "change of the reward");
    if (slope.value) f.measurements.push_back(slope);
  }
  for (const StageRecords& stage : run.stages) {
    const Json& lora = FieldAt(ProbedModel(run, stage.name), "lora");
    if (const auto used = NumberAt(lora, "effective_rank")) {
      Measurement m;
      m.name = fmt::format("{}: effective rank of the adapter's updates, of r = {}", stage.name,
                           IntAt(lora, "r").value_or(0));
      m.value = *used;
      m.n = IntAt(lora, "modules");
      m.source = "probe.json";
      f.measurements.push_back(std::move(m));
    }
  }
  if (!gap) {
    f.reason = "There are no test problems with several answers of the final model.";
    f.to_settle = "benchmark.samples of 2 or more.";
    return f;
  }
  const bool flat = slope.interval95 && slope.interval95->low <= 0 && slope.interval95->high < 0.05;
  f.verdict = 100 * gap->interval.low > kMarginPoints            ? Verdict::kNotSupported
              : flat && 100 * gap->interval.high < kMarginPoints ? Verdict::kSupported
                                                                 : Verdict::kCannotTell;
  f.reason = fmt::format("pass@{} is {:.1f} points above pass@1 ({:.1f} to {:.1f}){}.", k,
                         100 * gap->mean, 100 * gap->interval.low, 100 * gap->interval.high,
                         !slope.value ? ""
                         : flat       ? ", and the reward had stopped rising"
                                      : ", and the end of the reward's curve is not flat");
  if (f.verdict == Verdict::kCannotTell) {
    f.to_settle = "More steps until the reward is flat, and more answers a problem.";
  }
  return f;
}

}  // namespace pawl
