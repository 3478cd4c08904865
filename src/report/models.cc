#include <fmt/format.h>

#include "diagnose/hypotheses.h"
#include "records/fields.h"
#include "report/format.h"
#include "report/sections.h"

namespace pawl {
namespace {

std::vector<std::string> ModelRow(const RunRecords& run, const std::string& name) {
  const BenchRecord* greedy = run.Bench(name);
  const BenchRecord* sampled = run.Bench(name + "_sampled");
  const Json none;
  const Json& g = greedy != nullptr ? greedy->summary : none;
  const Json& s = sampled != nullptr ? sampled->summary : none;
  return {name == "base" ? "base" : "final (last accepted)",
          fmt::format("{} ({} of {})", PercentText(NumberAt(g, "accuracy")),
                      IntAt(g, "correct").value_or(0), IntAt(g, "total").value_or(0)),
          PercentRange(FieldAt(g, "wilson95")),
          PercentText(NumberAt(g, "strict_accuracy")) + " / " +
              PercentText(NumberAt(g, "flexible_accuracy")),
          PercentText(NumberAt(s, "accuracy")),
          PercentRange(FieldAt(s, "interval95"))};
}

std::vector<std::string> CostRow(const RunRecords& run, const std::string& name) {
  const BenchRecord& bench = *run.Bench(name);
  const Json& g = bench.summary;
  return {name,
          NumberText(NumberAt(g, "mean_tokens"), 1),
          PercentText(NumberAt(g, "truncated_fraction")),
          PercentText(NumberAt(g, "empty_fraction")),
          DurationText(NumberAt(g, "mean_generation_seconds")),
          NumberText(NumberAt(g, "tokens_per_second"), 0),
          BytesText(NumberAt(g, "model_bytes")),
          BytesText(NumberAt(g, "peak_rss_bytes"))};
}

std::vector<std::vector<std::string>> LevelRows(const RunRecords& run) {
  std::vector<std::vector<std::string>> rows = {{"level", "problems", "base greedy", "final greedy",
                                                 "base sampled", "final sampled",
                                                 "change sampled, 95 % interval"}};
  const BasePair pair = SampledPair(run);
  const BasePair greedy = GreedyPair(run);
  if (!pair || !greedy) return rows;
  const auto share = [](const std::vector<double>& values) -> std::optional<double> {
    double sum = 0;
    for (const double v : values) sum += v;
    return values.empty() ? std::nullopt : std::optional(sum / static_cast<double>(values.size()));
  };
  for (const int level : Levels(*greedy.base)) {
    const PairedShares g = PairShares(*greedy.base, *greedy.after, level);
    const PairedShares s = PairShares(*pair.base, *pair.after, level);
    const auto change = MeanOfBounded(s.difference);
    rows.push_back({std::to_string(level), std::to_string(g.a.size()), PercentText(share(g.a)),
                    PercentText(share(g.b)), PercentText(share(s.a)), PercentText(share(s.b)),
                    change ? fmt::format("{:+.1f} points, {:+.1f} to {:+.1f}", 100 * change->mean,
                                         100 * change->interval.low, 100 * change->interval.high)
                           : "-"});
  }
  return rows;
}

}  // namespace

Document ModelsSection(const RunRecords& run) {
  Document d;
  d.Heading(2, "Models");
  std::vector<std::vector<std::string>> rows = {{"model", "greedy", "95 % interval (Wilson)",
                                                 "strict / flexible", "sampled",
                                                 "95 % interval (over problems)"}};
  std::vector<std::vector<std::string>> costs = {{"model", "tokens an answer", "cut at the limit",
                                                  "empty", "time an answer", "tokens/s", "weights",
                                                  "peak memory"}};
  for (const char* name : {"base", "final"}) {
    if (run.Bench(name) == nullptr) continue;
    rows.push_back(ModelRow(run, name));
    costs.push_back(CostRow(run, name));
  }
  if (rows.size() == 1) {
    d.Paragraph("No model was measured on the test problems.");
    return d;
  }
  d.Table(std::move(rows)).Table(std::move(costs));
  const BenchRecord* bench = run.Bench("base");
  if (bench == nullptr) bench = run.Bench("final");
  d.Paragraph(fmt::format(
      "Test problems were used by nothing else in the run. Sampled: mean over {} answers a problem "
      "at the training temperature. Tokens/s: decoding in batches of up to {}, so it measures "
      "throughput and not how fast one answer appears.",
      run.Bench("base_sampled") != nullptr
          ? IntAt(run.Bench("base_sampled")->settings, "samples").value_or(1)
          : 1,
      IntAt(bench->summary, "batch").value_or(0)));
  auto levels = LevelRows(run);
  if (levels.size() > 2) {
    d.Heading(3, "By level");
    d.Table(std::move(levels));
  }
  return d;
}

Document KnowledgeSection(const RunRecords& run) {
  Document d;
  d.Heading(2, "Knowledge kept");
  const BasePair greedy = GreedyPair(run);
  if (!greedy) {
    d.Paragraph("Base and final model were not both measured, so nothing can be said.");
    return d;
  }
  std::vector<std::vector<std::string>> rows = {{"model", "problems",
                                                 "of what the base solved, kept", "lost",
                                                 "of what it did not solve, gained"}};
  const auto row = [&](const std::string& name, const PairedShares& s) {
    const long long solved = s.kept + s.lost, unsolved = s.gained + s.neither;
    rows.push_back({name, std::to_string(s.a.size()), PercentText(s.kept, solved),
                    PercentText(s.lost, solved), PercentText(s.gained, unsolved)});
  };
  for (const StageRecords& stage : run.stages) {
    const Json& base = FieldAt(ProbedModel(run, "base"), "problems");
    const Json& after = FieldAt(ProbedModel(run, stage.name), "problems");
    if (!base.is_array() || !after.is_array() || base.size() != after.size()) continue;
    PairedShares s;
    for (std::size_t i = 0; i < base.size(); ++i) {
      const auto x = BoolAt(base[i], "first"), y = BoolAt(after[i], "first");
      if (!x || !y) continue;
      s.a.push_back(*x ? 1 : 0);
      ++(*x ? (*y ? s.kept : s.lost) : (*y ? s.gained : s.neither));
    }
    row("after " + Plain(stage.name) + " (sampled, probe)", s);
  }
  for (const int level : Levels(*greedy.base)) {
    row(fmt::format("final, level {} (greedy)", level),
        PairShares(*greedy.base, *greedy.after, level));
  }
  row("final, all (greedy)", PairShares(*greedy.base, *greedy.after));
  d.Table(std::move(rows));
  d.Paragraph(
      "One answer a problem, the same problems for each model; intervals are Wilson's. A problem "
      "counts as solved by one right answer, so a lucky answer counts too.");
  return d;
}

}  // namespace pawl
