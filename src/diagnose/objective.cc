#include <fmt/format.h>

#include <map>

#include "diagnose/hypotheses.h"

namespace pawl {
namespace {

struct Table {
  long long high_right = 0, high_wrong = 0, low_right = 0, low_wrong = 0;
};

// One reward against correctness over all completions of all stages.
struct RewardColumn {
  std::vector<double> reward, correct;
  double highest = 0;
};
std::map<std::string, RewardColumn> Columns(const RunRecords& run) {
  std::map<std::string, RewardColumn> columns;
  for (const StageRecords& stage : run.stages) {
    for (const RolloutRecord& rollout : stage.rollouts) {
      for (std::size_t r = 0; r < rollout.rewards.size(); ++r) {
        if (!rollout.rewards[r]) continue;
        const std::string name =
            r < stage.reward_names.size() ? stage.reward_names[r] : fmt::format("reward {}", r);
        RewardColumn& column = columns[name];
        column.reward.push_back(*rollout.rewards[r]);
        column.correct.push_back(rollout.correct ? 1 : 0);
        column.highest = std::max(column.highest, *rollout.rewards[r]);
      }
    }
  }
  return columns;
}

}  // namespace

Finding ObjectiveMismatch(const RunRecords& run) {
  Finding f;
  f.key = "objective_mismatch";
  f.hypothesis = "The rewards paid for something other than right answers.";
  f.rule =
      "supported where more than 5 % of the completions that earned a reward's highest value are "
      "wrong (lower end of the interval); not supported where less than 5 % are (upper end), for "
      "every reward";
  const auto columns = Columns(run);
  bool supported = false, refuted = !columns.empty();
  std::string worst;
  double most = -1;
  for (const auto& [name, column] : columns) {
    const std::string source = "stages/*/rollouts.jsonl";
    const Correlation r = Pearson(column.reward, column.correct);
    Measurement m;
    m.name = fmt::format("correlation of {} with correctness", name);
    m.value = r.r;
    const auto n = static_cast<long long>(column.reward.size());
    if (r.r) m.interval95 = CorrelationInterval(*r.r, n);
    m.n = n;
    m.source = source;
    f.measurements.push_back(std::move(m));
    Table t;
    for (std::size_t i = 0; i < column.reward.size(); ++i) {
      const bool high = column.highest > 0 && column.reward[i] >= column.highest;
      const bool right = column.correct[i] > 0;
      ++(high ? (right ? t.high_right : t.high_wrong) : (right ? t.low_right : t.low_wrong));
    }
    f.measurements.push_back(
        ShareMeasurement(fmt::format("highest {} and wrong, of those with it", name), t.high_wrong,
                         t.high_wrong + t.high_right, source));
    f.measurements.push_back(
        ShareMeasurement(fmt::format("less than the highest {} and right, of the right", name),
                         t.low_right, t.low_right + t.high_right, source));
    const auto wilson = Wilson(t.high_wrong, t.high_wrong + t.high_right);
    supported = supported || (wilson && wilson->low > 0.05);
    refuted = refuted && wilson && wilson->high < 0.05;
    const long long high = t.high_wrong + t.high_right;
    const double share =
        high > 0 ? static_cast<double>(t.high_wrong) / static_cast<double>(high) : 0;
    if (share > most) {
      most = share;
      worst = name;
    }
  }
  for (const char* side : {"base", "final"}) {
    const BenchRecord* bench = run.Bench(side);
    if (bench == nullptr) continue;
    long long graded = 0, form = 0, marked_wrong = 0, marked = 0;
    for (const AnsweredProblem& problem : bench->problems) {
      if (problem.samples.empty() || !problem.samples[0].strict) continue;
      const AnswerSample& answer = problem.samples[0];
      ++graded;
      form += answer.flexible == true && answer.strict == false ? 1 : 0;
      marked += answer.extracted ? 1 : 0;
      marked_wrong += answer.extracted && !answer.correct ? 1 : 0;
    }
    const std::string source = SourceOf(run, *bench);
    f.measurements.push_back(ShareMeasurement(
        fmt::format("{}: right number in the wrong form", side), form, graded, source));
    f.measurements.push_back(
        ShareMeasurement(fmt::format("{}: right form, wrong answer, of the right form", side),
                         marked_wrong, marked, source));
  }
  if (columns.empty()) {
    f.reason = "No stage has recorded completions with rewards.";
    f.to_settle = "A GRPO stage; supervised stages have no reward.";
    return f;
  }
  f.verdict = supported ? Verdict::kSupported
              : refuted ? Verdict::kNotSupported
                        : Verdict::kCannotTell;
  f.reason = fmt::format("Of the completions with the highest {}, {:.1f} % are wrong{}.", worst,
                         100 * most, columns.size() > 1 ? ", the most of all rewards" : "");
  if (f.verdict == Verdict::kCannotTell) f.to_settle = "More completions that earn the reward.";
  return f;
}

}  // namespace pawl
