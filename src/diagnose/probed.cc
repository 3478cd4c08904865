// What needs the run's models: overfitting and drift, from probe.json.
#include <fmt/format.h>

#include "diagnose/hypotheses.h"
#include "records/fields.h"
#include "stats/intervals.h"

namespace pawl {

Finding Overfitting(const RunRecords& run) {
  Finding f;
  f.key = "overfitting";
  f.hypothesis = "The model learnt its training problems rather than the task.";
  f.rule = fmt::format(
      "supported where a stage's model is better on its training problems than on unseen problems "
      "of the same level (interval above 0), or its training solutions gained more likelihood over "
      "the base than unseen ones or than the same problems with other numbers (interval above 0.1 "
      "nats per token); not supported where the difference in accuracy is below {} points and "
      "those in likelihood below 0.1 nats",
      kMarginPoints);
  bool supported = false, refuted = true, any = false;
  std::string where;
  for (const StageRecords& stage : run.stages) {
    const Json& probed = ProbedModel(run, stage.name);
    const auto train = Numbers(FieldAt(probed, "train_shares"));
    const auto unseen = Numbers(FieldAt(probed, "unseen_shares"));
    const auto gap = DifferenceOfMeans(unseen, train);
    if (!gap) continue;
    any = true;
    f.measurements.push_back(MeanMeasurement(
        fmt::format("{}: accuracy on its training problems above that on unseen ones ({})",
                    stage.name, unseen.size()),
        gap, 100, train.size(), "points", "probe.json"));
    const auto train_gain = Numbers(FieldAt(probed, "train_solution_gain"));
    const auto unseen_gain = Numbers(FieldAt(probed, "unseen_solution_gain"));
    const auto memory = DifferenceOfMeans(unseen_gain, train_gain);
    if (memory) {
      f.measurements.push_back(MeanMeasurement(
          fmt::format("{}: gain in likelihood of training solutions above that of unseen ones, per "
                      "token",
                      stage.name),
          memory, 1, train_gain.size(), "nats", "probe.json"));
    }
    const Json& renumbered = FieldAt(probed, "renumbered_solution_gain");
    const auto original = Numbers(FieldAt(renumbered, "original"));
    const auto changed = Numbers(FieldAt(renumbered, "changed"));
    std::vector<double> differences;
    for (std::size_t i = 0; i < std::min(original.size(), changed.size()); ++i) {
      differences.push_back(original[i] - changed[i]);
    }
    const auto numbers = TInterval(differences);
    if (numbers) {
      f.measurements.push_back(MeanMeasurement(
          fmt::format("{}: gain in likelihood of training solutions above that of the same "
                      "problems with other numbers, per token",
                      stage.name),
          numbers, 1, differences.size(), "nats", "probe.json"));
    }
    const bool here = gap->interval.low > 0 || (memory && memory->interval.low > 0.1) ||
                      (numbers && numbers->interval.low > 0.1);
    if (here) where += (where.empty() ? "" : ", ") + stage.name;
    supported = supported || here;
    refuted = refuted && 100 * gap->interval.high < kMarginPoints &&
              (!memory || memory->interval.high < 0.1) &&
              (!numbers || numbers->interval.high < 0.1);
  }
  if (!any) {
    f.reason = "The models have not been asked their training problems again.";
    f.to_settle = kProbeHint;
    return f;
  }
  f.verdict = supported ? Verdict::kSupported
              : refuted ? Verdict::kNotSupported
                        : Verdict::kCannotTell;
  f.reason = supported ? fmt::format("Training problems are answered better in {}.", where)
             : refuted ? "No stage's model is better on its training problems than the rule allows."
                       : "The intervals of the differences are too wide.";
  if (f.verdict == Verdict::kCannotTell) {
    f.to_settle = "pawl diagnose RUN_DIR --problems N with more problems.";
  }
  return f;
}

Finding Drift(const RunRecords& run) {
  Finding f;
  f.key = "accumulated_drift";
  f.hypothesis = "Stage by stage the model drifted from its base, and accuracy suffered from it.";
  f.rule =
      "supported where the KL to the base grows over the accepted stages (intervals apart) and the "
      "accuracy of a later stage's model is below the base's (interval below 0); not supported "
      "where every stage's accuracy is above the base's less 5 points";
  const Json& base = FieldAt(ProbedModel(run, "base"), "problems");
  bool fell = false, grew = false, fine = true, any = false;
  std::optional<Interval> before;
  std::string path;
  for (const StageRecords& stage : run.stages) {
    const Json& probed = ProbedModel(run, stage.name);
    const auto kl = Numbers(FieldAt(probed, "kl_base"));
    const auto mean_kl = TInterval(kl);
    for (const auto& [key, words] :
         {std::pair("distance_base", "distance of the weights from the base's, relative"),
          std::pair("distance_previous", "distance from the stage before, relative")}) {
      Measurement m;
      m.name = fmt::format("{}: {}", stage.name, words);
      m.value = NumberAt(probed, key);
      m.source = "probe.json";
      if (m.value) f.measurements.push_back(std::move(m));
    }
    if (mean_kl) {
      f.measurements.push_back(MeanMeasurement(stage.name + ": KL to the base, per token", mean_kl,
                                               1, kl.size(), "nats", "probe.json"));
      grew = grew || (before && mean_kl->interval.low > before->high);
      before = mean_kl->interval;
      path += fmt::format("{}{:.3f}", path.empty() ? "" : " -> ", mean_kl->mean);
    }
    const Json& answers = FieldAt(probed, "problems");
    if (!answers.is_array() || !base.is_array()) continue;
    std::vector<double> differences;
    for (std::size_t i = 0; i < std::min(base.size(), answers.size()); ++i) {
      const auto a = NumberAt(base[i], "share"), b = NumberAt(answers[i], "share");
      if (a && b) differences.push_back(*b - *a);
    }
    const auto mean = MeanOfBounded(differences);
    if (!mean) continue;
    any = true;
    f.measurements.push_back(MeanMeasurement(stage.name + ": accuracy against the base", mean, 100,
                                             differences.size(), "points", "probe.json"));
    fell = fell || mean->interval.high < 0;
    fine = fine && 100 * mean->interval.low > -kMarginPoints;
  }
  if (!any) {
    f.reason = "The distances of the stages' models have not been measured.";
    f.to_settle = kProbeHint;
    return f;
  }
  f.verdict = fell && grew ? Verdict::kSupported
              : fine       ? Verdict::kNotSupported
                           : Verdict::kCannotTell;
  f.reason = fmt::format("KL to the base by stage: {} nats per token; {}.",
                         path.empty() ? "not measured" : path,
                         fell   ? "a stage's accuracy is below the base's"
                         : fine ? "no stage's accuracy is below the base's less 5 points"
                                : "whether accuracy suffered is open");
  if (f.verdict == Verdict::kCannotTell) {
    f.to_settle = "pawl diagnose RUN_DIR --problems N with more problems.";
  }
  return f;
}

}  // namespace pawl
