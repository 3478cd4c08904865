#include <fmt/format.h>

#include <cmath>

#include "records/fields.h"
#include "report/chart.h"
#include "report/format.h"
#include "report/sections.h"
#include "stats/intervals.h"

namespace pawl {
namespace {

// All stages on one axis: where each begins.
struct Axis {
  std::vector<double> begin;
  std::vector<Chart::Mark> marks;
};
Axis StageAxis(const RunRecords& run) {
  Axis axis;
  double next = 0;
  for (const StageRecords& stage : run.stages) {
    axis.begin.push_back(next);
    axis.marks.push_back({next, Plain(stage.name)});
    double last = 0;
    for (const Json& step : stage.steps) last = std::max(last, NumberAt(step, "step").value_or(0));
    next += last;
  }
  return axis;
}

ChartLine LineOf(const RunRecords& run, const Axis& axis, const char* key) {
  ChartLine line;
  for (std::size_t s = 0; s < run.stages.size(); ++s) {
    for (const Json& step : run.stages[s].steps) {
      const auto x = NumberAt(step, "step"), y = NumberAt(step, key);
      if (x && y) line.points.push_back({axis.begin[s] + *x, *y, {}, {}});
    }
  }
  return line;
}

ChartLine ValidationLine(const RunRecords& run, const Axis& axis) {
  ChartLine line;
  line.name = "validation, 95 % interval";
  line.dots = true;
  for (std::size_t s = 0; s < run.stages.size(); ++s) {
    for (const Json& record : run.stages[s].validations) {
      const auto x = NumberAt(record, "step"), y = NumberAt(record, "eval_accuracy");
      const auto n = IntAt(record, "eval_problems");
      if (!x || !y) continue;
      ChartPoint point{axis.begin[s] + *x, *y, {}, {}};
      const auto wilson = n ? Wilson(std::llround(*y * static_cast<double>(*n)), *n) : std::nullopt;
      if (wilson) {
        point.low = wilson->low;
        point.high = wilson->high;
      }
      line.points.push_back(point);
    }
  }
  return line;
}

std::optional<double> CpuShare(const Json& step, double threads) {
  const auto cpu = NumberAt(step, "cpu_seconds"), wall = NumberAt(step, "seconds");
  if (!cpu || !wall || *wall <= 0 || threads <= 0) return std::nullopt;
  return *cpu / *wall / threads;
}

std::vector<std::vector<std::string>> MemoryRows(const RunRecords& run, double threads) {
  std::vector<std::vector<std::string>> rows = {{"stage", "processors used, mean",
                                                 "memory after a step, highest",
                                                 "peak of the run so far", "rollout / training"}};
  for (const StageRecords& stage : run.stages) {
    double share = 0, rollout = 0, train = 0, steps = 0;
    std::optional<double> resident, peak;
    for (const Json& step : stage.steps) {
      const auto s = CpuShare(step, threads);
      if (s) {
        share += *s;
        ++steps;
      }
      if (const auto b = NumberAt(step, "resident_bytes")) {
        resident = std::max(resident.value_or(0), *b);
      }
      if (const auto b = NumberAt(step, "peak_rss_bytes")) peak = std::max(peak.value_or(0), *b);
      rollout += NumberAt(step, "rollout_seconds").value_or(0);
      train += NumberAt(step, "train_seconds").value_or(0);
    }
    if (stage.steps.empty()) continue;
    rows.push_back({Plain(stage.name), steps > 0 ? PercentText(share / steps) : "-",
                    BytesText(resident), BytesText(peak),
                    rollout + train > 0
                        ? fmt::format("{:.0f} % / {:.0f} %", 100 * rollout / (rollout + train),
                                      100 * train / (rollout + train))
                        : "-"});
  }
  return rows;
}

}  // namespace

Document CurvesSection(const RunRecords& run) {
  Document d;
  const Axis axis = StageAxis(run);
  std::vector<Block::Figure> figures;
  const auto add = [&](const char* key, const char* title, double scale, const char* unit,
                       bool zero) {
    Chart chart{title, "step", {LineOf(run, axis, key)}, axis.marks, scale, unit, zero};
    figures.push_back(ChartFigure(chart));
  };
  add("reward", "Reward", 1, "", true);
  ChartLine training = LineOf(run, axis, "accuracy");
  training.name = "training";
  figures.push_back(ChartFigure(
      {"Accuracy", "step", {training, ValidationLine(run, axis)}, axis.marks, 100, "%", true}));
  add("kl", "KL to the stage's start, nats per token", 1, "", true);
  add("entropy", "Entropy, nats per token", 1, "", true);
  add("completions/mean_length", "Tokens an answer", 1, "", true);
  add("completions/clipped_ratio", "Answers cut at the limit", 100, "%", true);
  add("loss", "Loss", 1, "", false);
  add("frac_reward_zero_std", "Groups without signal", 100, "%", true);
  add("grad_norm", "Norm of the gradient", 1, "", true);
  Document inner;
  inner.Figures(std::move(figures));
  if (inner.blocks().empty()) return d;
  d.Heading(2, "Training curves").Append(inner);
  if (LineOf(run, axis, "kl").points.empty()) {
    d.Paragraph("KL is recorded only with beta > 0; the diagnosis measures it on the models.");
  }
  return d;
}

Document MachineSection(const RunRecords& run) {
  Document d;
  const double threads = NumberAt(run.environment, "threads").value_or(0);
  ChartLine cpu, memory;
  for (const StageRecords& stage : run.stages) {
    for (const Json& step : stage.steps) {
      const auto at = NumberAt(step, "run_seconds");
      const auto share = CpuShare(step, threads), bytes = NumberAt(step, "resident_bytes");
      if (at && share) cpu.points.push_back({*at, *share, {}, {}});
      if (at && bytes) memory.points.push_back({*at, *bytes, {}, {}});
    }
  }
  d.Heading(2, "Processor and memory over time");
  const bool large = !memory.points.empty() && memory.points.back().y > 2e9;
  d.Figures({ChartFigure({fmt::format("Processors used, of {:.0f} threads", threads),
                          "second",
                          {cpu},
                          {},
                          100,
                          "%",
                          true}),
             ChartFigure({large ? "Memory, GB" : "Memory, MB",
                          "second",
                          {memory},
                          {},
                          large ? 1e-9 : 1e-6,
                          "",
                          true})});
  d.Table(MemoryRows(run, threads));
  if (cpu.points.empty()) {
    d.Paragraph(
        "This run's metrics hold no processor time and memory; it was made before they "
        "were recorded.");
  }
  return d;
}

}  // namespace pawl
