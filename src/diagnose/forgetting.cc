#include <fmt/format.h>

#include "diagnose/hypotheses.h"
#include "records/fields.h"

namespace pawl {
namespace {

// Accuracy on `level` of the final model against a model probed after a stage.
void AddSinceStage(const RunRecords& run, Finding& finding, double level95,
                   std::vector<Interval>& intervals) {
  const Json& last = FieldAt(ProbedModel(run, "final"), "problems");
  for (std::size_t s = 0; s + 1 < run.stages.size(); ++s) {
    const auto level = IntAt(run.stages[s].config, "level").value_or(0);
    const Json& then = FieldAt(ProbedModel(run, run.stages[s].name), "problems");
    if (level == 0 || !then.is_array() || !last.is_array()) continue;
    std::vector<double> differences;
    for (std::size_t i = 0; i < std::min(then.size(), last.size()); ++i) {
      const auto a = NumberAt(then[i], "share"), b = NumberAt(last[i], "share");
      if (IntAt(then[i], "level") == level && a && b) differences.push_back(*b - *a);
    }
    const auto mean = MeanOfBounded(differences, level95);
    if (mean) intervals.push_back(mean->interval);
    finding.measurements.push_back(MeanMeasurement(
        fmt::format("level {} accuracy, final model against the model after stage {}", level,
                    run.stages[s].name),
        mean, 100, differences.size(), "points", "probe.json"));
  }
}

void AddProbed(const RunRecords& run, Finding& finding) {
  const Json& last = ProbedModel(run, "final");
  const auto kl = Numbers(FieldAt(last, "kl_base"));
  if (!kl.empty()) {
    finding.measurements.push_back(MeanMeasurement("KL of the final model to the base, per token",
                                                   TInterval(kl), 1, kl.size(), "nats",
                                                   "probe.json"));
  }
  const auto base = Numbers(FieldAt(ProbedModel(run, "base"), "general_text"));
  const auto after = Numbers(FieldAt(last, "general_text"));
  if (base.empty() || base.size() != after.size()) return;
  std::vector<double> change;
  for (std::size_t i = 0; i < base.size(); ++i) change.push_back(after[i] - base[i]);
  finding.measurements.push_back(
      MeanMeasurement("log-likelihood of general text, final against base, per token",
                      TInterval(change), 1, change.size(), "nats", "probe.json"));
}

}  // namespace

Finding Forgetting(const RunRecords& run) {
  Finding f;
  f.key = "catastrophic_forgetting";
  f.hypothesis = "The run lost abilities that the model had before, or had after an earlier stage.";
  f.rule = fmt::format(
      "supported where the interval of the change on a level lies below 0; not supported where "
      "every interval lies above -{} points; intervals hold together at 95 % (Bonferroni)",
      kMarginPoints);
  const BasePair pair = SampledPair(run);
  if (!pair) {
    f.reason = "The run has no test results of both the base and the final model.";
    f.to_settle = "Let the run finish: pawl run ... --resume";
    return f;
  }
  std::vector<int> levels = Levels(*pair.base);
  if (levels.empty()) levels.push_back(0);
  const std::size_t tests = levels.size() + (run.stages.empty() ? 0 : run.stages.size() - 1);
  const double joint = 1 - 0.05 / static_cast<double>(tests);
  std::vector<Interval> intervals;
  for (const int level : levels) {
    const PairedShares shares = PairShares(*pair.base, *pair.after, level);
    const auto mean = MeanOfBounded(shares.difference, joint);
    if (mean) intervals.push_back(mean->interval);
    f.measurements.push_back(
        MeanMeasurement(level == 0 ? std::string("accuracy, final against base")
                                   : fmt::format("level {} accuracy, final against base", level),
                        mean, 100, shares.difference.size(), "points", SourceOf(run, *pair.after)));
  }
  AddSinceStage(run, f, joint, intervals);
  const BasePair greedy = GreedyPair(run);
  if (greedy) {
    const PairedShares shares = PairShares(*greedy.base, *greedy.after);
    f.measurements.push_back(
        ShareMeasurement("of the problems that the base solved (greedy), now lost", shares.lost,
                         shares.kept + shares.lost, SourceOf(run, *greedy.after)));
  }
  AddProbed(run, f);
  bool below = false, all_above = !intervals.empty();
  double lowest = 1;
  for (const Interval& interval : intervals) {
    below = below || interval.high < 0;
    all_above = all_above && 100 * interval.low > -kMarginPoints;
    lowest = std::min(lowest, interval.low);
  }
  f.verdict = below       ? Verdict::kSupported
              : all_above ? Verdict::kNotSupported
                          : Verdict::kCannotTell;
  f.reason =
      intervals.empty()
          ? "There are too few common problems."
          : fmt::format("The lowest end of the {} intervals is {:+.1f} points{}.", intervals.size(),
                        100 * lowest, below ? ", and one interval lies below 0" : "");
  if (f.verdict == Verdict::kCannotTell) {
    f.to_settle = "More test problems per level (benchmark.limit) or more answers each.";
  }
  return f;
}

}  // namespace pawl
