#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "diagnose/hypotheses.h"
#include "records/fields.h"
#include "report/format.h"
#include "report/next_config.h"
#include "report/sections.h"

namespace pawl {
namespace {

// Measured costs of this run.
struct Costs {
  double prompts = 0, stage_seconds = 0, fixed_seconds = 0;
  double spread = 0;  // half the 95 % interval of the mean step, relative
  int stages = 0;
};
std::optional<Costs> CostsOf(const RunRecords& run) {
  Costs c;
  std::vector<double> relative;
  for (const StageRecords& stage : run.stages) {
    const auto prompts = PromptsPerStep(stage);
    const auto seconds = NumberAt(stage.summary, "seconds");
    if (TextAt(stage.config, "method") != "grpo" || !prompts || !seconds || stage.steps.empty()) {
      continue;
    }
    double sum = 0;
    std::vector<double> steps;
    for (const Json& step : stage.steps) {
      if (const auto s = NumberAt(step, "seconds")) steps.push_back(*s);
    }
    for (const double s : steps) sum += s / static_cast<double>(steps.size());
    for (const double s : steps) {
      if (sum > 0) relative.push_back(s / sum);
    }
    c.prompts += *prompts * static_cast<double>(stage.steps.size());
    c.stage_seconds += *seconds;
    ++c.stages;
  }
  if (c.prompts <= 0 || c.stage_seconds <= 0) return std::nullopt;
  if (const auto t = TInterval(relative)) c.spread = t->interval.high - t->mean;
  double all = 0;
  for (const StageRecords& stage : run.stages) {
    all += NumberAt(stage.summary, "seconds").value_or(0);
  }
  c.fixed_seconds = std::max(0.0, NumberAt(run.summary, "seconds").value_or(all) - all);
  return c;
}

void AddHours(const RunRecords& run, Document& d) {
  const auto c = CostsOf(run);
  if (!c) {
    d.Paragraph("No GRPO stage was finished, so there is no measured cost to plan with.");
    return;
  }
  const double each = c->stage_seconds / c->prompts;
  d.Paragraph(fmt::format(
      "Measured here: {} a training sample (one prompt with its answers, its share of validation "
      "and gates included) over {:.0f} samples in {} stages, and {} for the tests of base and "
      "final "
      "model.",
      DurationText(each), c->prompts, c->stages, DurationText(c->fixed_seconds)));
  std::vector<std::vector<std::string>> rows = {{"time", "samples that fit",
                                                 "from the spread of "
                                                 "the steps (95 %)"}};
  for (const int hours : {1, 3, 6, 10, 15}) {
    const double left = 3600.0 * hours - c->fixed_seconds;
    const auto fit = [&](double cost) {
      return fmt::format("{:.0f}", std::floor(std::max(0.0, left / cost)));
    };
    rows.push_back(
        {fmt::format("{} h", hours), fit(each),
         fit(each * (1 + c->spread)) + " to " + fit(each * std::max(0.1, 1 - c->spread))});
  }
  d.Table(std::move(rows));
  d.Paragraph(
      "The same model, machine, load, answer lengths and settings are assumed; the interval "
      "does not cover a change of these.");
}

// Shapes of models that a user may take next: what their weights and caches need is arithmetic.
struct Shape {
  const char* name;
  double parameters;
  int layers, kv_heads, head_dim;
};
constexpr Shape kShapes[] = {{"0.5B (Qwen2.5-0.5B)", 0.494e9, 24, 2, 64},
                             {"1B (Llama-3.2-1B)", 1.236e9, 16, 8, 64},
                             {"1.5B (Qwen2.5-1.5B)", 1.544e9, 28, 2, 128}};

void AddMemory(const RunRecords& run, Document& d) {
  double longest = 0, batch = 0;
  for (const StageRecords& stage : run.stages) {
    longest = std::max(longest, NumberAt(stage.config, "max_completion_length").value_or(0));
    batch = std::max(batch, NumberAt(stage.config, "rollout_batch").value_or(0));
  }
  d.Heading(3, "Memory of larger models");
  std::vector<std::vector<std::string>> rows = {
      {"model", "weights in bf16", "weights in float32", "caches of a rollout"}};
  for (const Shape& shape : kShapes) {
    const double token = 2.0 * shape.layers * shape.kv_heads * shape.head_dim * 4;
    rows.push_back({shape.name, BytesText(2 * shape.parameters), BytesText(4 * shape.parameters),
                    longest > 0 && batch > 0 ? BytesText(token * longest * batch) : "-"});
  }
  d.Table(std::move(rows));
  d.Paragraph(fmt::format(
      "Arithmetic from the models' shapes, not a measurement: caches are float32 keys and values "
      "of "
      "{:.0f} sequences of {:.0f} new tokens, this run's largest settings. Activations, adapter "
      "and "
      "optimizer come on top; `pawl speed --synthetic` measures them. This run's own peak was {}.",
      batch, longest, BytesText(NumberAt(run.summary, "peak_rss_bytes"))));
}

std::vector<std::string> NotToDo(const RunRecords& run) {
  std::vector<std::string> items;
  const BasePair greedy = GreedyPair(run);
  if (greedy) {
    const auto t = TInterval(PairShares(*greedy.base, *greedy.after).difference);
    if (t && t->standard_error > 0) {
      const double n = static_cast<double>(greedy.base->problems.size());
      const double sd = t->standard_error * std::sqrt(n);
      const auto seen = MinimumDetectableDifference(sd, 50);
      items.push_back(fmt::format(
          "Do not compare models on 50 problems answered once: with the changes between this run's "
          "base and final model, 50 problems see {:.0f} points 8 times in 10, and one problem is 2 "
          "points.",
          100 * seen.value_or(0)));
    }
  }
  for (const StageRecords& stage : run.stages) {
    double sum = 0, count = 0;
    for (std::size_t i = stage.steps.size() - stage.steps.size() / 3; i < stage.steps.size(); ++i) {
      if (const auto share = NumberAt(stage.steps[i], "frac_reward_zero_std")) {
        sum += *share;
        ++count;
      }
    }
    if (count > 0 && sum / count > 0.5) {
      items.push_back(fmt::format(
          "Do not repeat stage {} on the same problems: in its last third {:.0f} % of the groups "
          "had equal rewards and taught nothing.",
          Plain(stage.name), 100 * sum / count));
    }
  }
  if (const auto c = CostsOf(run)) {
    const double fit = (15 * 3600.0 - c->fixed_seconds) * c->prompts / c->stage_seconds;
    items.push_back(
        fmt::format("Do not plan more than {:.0f} samples for a night of 15 hours: at "
                    "the measured {} a sample they do not fit.",
                    std::floor(std::max(0.0, fit)), DurationText(c->stage_seconds / c->prompts)));
  }
  return items;
}

}  // namespace

Document ScalingSection(const RunRecords& run, const std::vector<Finding>& findings) {
  Document d;
  d.Heading(2, "Scaling plan");
  AddHours(run, d);
  AddMemory(run, d);
  d.Heading(3, "Recommended next");
  std::vector<std::string> items;
  for (const Recommendation& r : Recommend(run, findings)) {
    items.push_back(
        fmt::format("{} = {}. {}", Strong(Plain(r.table) + "." + r.key), r.value, Plain(r.why)));
  }
  d.List(std::move(items));
  d.Paragraph(fmt::format("As a file, ready to run: pawl run {}/next_config.toml",
                          Plain(run.folder.string())));
  const auto not_to_do = NotToDo(run);
  if (!not_to_do.empty()) d.Heading(3, "What not to do on this machine").List(not_to_do);
  return d;
}

}  // namespace pawl
