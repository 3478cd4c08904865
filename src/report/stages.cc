#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "records/fields.h"
#include "report/format.h"
#include "report/sections.h"
#include "stats/intervals.h"

namespace pawl {
namespace {

std::vector<std::vector<std::string>> StageRows(const RunRecords& run) {
  std::vector<std::vector<std::string>> rows = {{"stage", "method", "decision", "attempts", "steps",
                                                 "time", "samples", "samples/min", "gate before",
                                                 "gate after"}};
  for (const StageRecords& stage : run.stages) {
    const Json& s = stage.summary;
    const auto seconds = NumberAt(s, "seconds"), samples = NumberAt(s, "training_samples");
    std::optional<double> rate;
    if (seconds && samples && *seconds > 0) rate = 60 * *samples / *seconds;
    const auto decision = TextAt(stage.gate, "decision");
    rows.push_back({Plain(stage.name), PlainAt(stage.config, "method"),
                    decision ? Strong(Plain(*decision)) : "not finished",
                    NumberText(NumberAt(s, "attempts"), 0), std::to_string(stage.steps.size()),
                    DurationText(seconds), NumberText(samples, 0), NumberText(rate, 0),
                    PercentText(NumberAt(s, "gate_accuracy_before")),
                    PercentText(NumberAt(s, "gate_accuracy_after"))});
  }
  for (const Json& stage : FieldAt(run.summary, "stages")) {
    if (TextAt(stage, "decision") == "skipped") {
      rows.push_back({PlainAt(stage, "name"), PlainAt(stage, "method"), Strong("skipped"), "0", "0",
                      "-", "-", "-", "-", "-"});
    }
  }
  return rows;
}

// Smallest drop that a test of the gate's problems would see (one-sided 5 %, power 80 %), from the
// share of problems on which the two models differed.
std::optional<double> Detectable(const Json& gate) {
  const auto n = NumberAt(gate, "problems"), wins = NumberAt(gate, "wins"),
             losses = NumberAt(gate, "losses");
  if (!n || !wins || !losses || *n < 1) return std::nullopt;
  const double churn = (*wins + *losses) / *n, mean = (*wins - *losses) / *n;
  return MinimumDetectableDifference(std::sqrt(std::max(0.0, churn - mean * mean)),
                                     static_cast<long long>(*n));
}

// E-values of sampled or greedy answers, against the anchor and where it was guarded the base.
std::string EvidenceText(const char* answers, const Json& evidence) {
  const auto worse = NumberAt(evidence, "e_regression"),
             not_worse = NumberAt(evidence, "e_noninferior");
  if (!worse || !not_worse) return "";
  std::string text =
      fmt::format(" {} answers worse {:.3g}, not worse {:.3g}", answers, *worse, *not_worse);
  if (const auto base = evidence.find("against_base"); base != evidence.end()) {
    const auto w = NumberAt(*base, "e_regression"), n = NumberAt(*base, "e_noninferior");
    if (w && n) text += fmt::format(" (than the base {:.3g} and {:.3g})", *w, *n);
  }
  return text;
}

std::string GateText(const Json& g) {
  std::string text = fmt::format(
      "Attempt {}: rule {}, decision {} on {} problems; {} won and {} lost against the last "
      "accepted "
      "model.",
      IntAt(g, "attempt").value_or(0) + 1, PlainAt(g, "rule"), Strong(PlainAt(g, "decision")),
      IntAt(g, "problems").value_or(0), IntAt(g, "wins").value_or(0),
      IntAt(g, "losses").value_or(0));
  if (const auto reason = TextAt(g, "reason")) text += " Reason: " + Plain(*reason) + ".";
  if (const auto limit = NumberAt(g, "rollback_at")) {
    text += fmt::format(
        " Evidence (\"worse\" rolls back at {:.3g}, \"not worse\" accepts at {:.3g}):", *limit,
        NumberAt(g, "accept_at").value_or(0));
    text += EvidenceText("sampled", g);
    if (const auto greedy = g.find("greedy"); greedy != g.end() && greedy->is_object()) {
      text += ";" + EvidenceText("greedy", *greedy);
    }
    text += ".";
  }
  const auto before = NumberAt(g, "validation_before"), best = NumberAt(g, "validation_best");
  if (before && best) {
    text += fmt::format(" Validation went from {} to {} at step {}, the best checkpoint.",
                        PercentText(before), PercentText(best), IntAt(g, "best_step").value_or(0));
  }
  const auto seen = Detectable(g);
  if (seen && *seen > 0) {
    text += fmt::format(
        " With this churn, {} problems see a change of {:.0f} points 8 times in 10; "
        "a smaller one passes unseen more often than that.",
        IntAt(g, "problems").value_or(0), 100 * *seen);
  }
  return text;
}

std::vector<std::string> MetricItems(const StageRecords& stage) {
  std::vector<std::string> items;
  if (stage.steps.empty()) return items;
  for (const auto& [key, words] : {std::pair{"reward", "mean reward"},
                                   {"entropy", "entropy, nats"},
                                   {"kl", "KL to the stage's start"},
                                   {"completions/mean_length", "tokens an answer"},
                                   {"completions/clipped_ratio", "share cut at the limit"},
                                   {"frac_reward_zero_std", "share of groups without signal"}}) {
    const auto first = NumberAt(stage.steps.front(), key), last = NumberAt(stage.steps.back(), key);
    if (first && last) items.push_back(fmt::format("{}: {:.3g} to {:.3g}", words, *first, *last));
  }
  return items;
}

// A row of "expected against measured"; met absent: the records do not say.
void Expect(std::vector<std::vector<std::string>>& rows, std::string what, std::string measured,
            const std::optional<bool>& met) {
  rows.push_back({std::move(what), std::move(measured),
                  met ? (*met ? "yes" : Strong("no")) : std::string("cannot be told")});
}

void ExpectOfStage(const StageRecords& stage, std::vector<std::vector<std::string>>& rows) {
  const std::string name = Plain(stage.name);
  const auto planned = IntAt(stage.config, "steps");
  const auto done = static_cast<long long>(stage.steps.size());
  if (planned) {
    Expect(rows, fmt::format("{}: {} steps", name, *planned), fmt::format("{} steps", done),
           done == *planned);
  }
  std::optional<double> largest;
  for (const Json& step : stage.steps) {
    const auto d = NumberAt(step, "max_logp_difference");
    if (d) largest = std::max(largest.value_or(0), *d);
  }
  if (largest) {
    Expect(rows, name + ": the sampler's log-probabilities are the trainer's, difference 0",
           fmt::format("largest difference {:.3g}", *largest), *largest == 0);
  }
  if (stage.validations.size() >= 2) {
    const Json &first = stage.validations.front(), &last = stage.validations.back();
    const auto a = NumberAt(first, "eval_accuracy"), b = NumberAt(last, "eval_accuracy");
    const auto n = IntAt(last, "eval_problems");
    if (a && b && n) {
      const auto range = [&](double p) {
        return Wilson(std::llround(p * static_cast<double>(*n)), *n);
      };
      const auto before = range(*a), after = range(*b);
      std::optional<bool> met;
      if (before && after && after->low > before->high) met = true;
      if (before && after && after->high < before->low) met = false;
      Expect(rows, name + ": validation accuracy rises (intervals apart)",
             fmt::format("{} to {} of {} problems", PercentText(a), PercentText(b), *n), met);
    }
  }
}

}  // namespace

std::optional<double> PromptsPerStep(const StageRecords& stage) {
  const auto batch = NumberAt(stage.config, "per_device_train_batch_size");
  const auto accumulation = NumberAt(stage.config, "gradient_accumulation_steps");
  return batch && accumulation ? std::optional(*batch * *accumulation) : std::nullopt;
}

Document StagesSection(const RunRecords& run) {
  Document d;
  d.Heading(2, "Stage by stage");
  if (run.stages.empty()) {
    d.Paragraph("No stage began.");
    return d;
  }
  d.Table(StageRows(run));
  for (const StageRecords& stage : run.stages) {
    d.Heading(3, "Stage " + Plain(stage.name));
    const Json& attempts = FieldAt(stage.gate, "attempts");
    if (attempts.is_array() && !attempts.empty()) {
      for (const Json& attempt : attempts) d.Paragraph(GateText(attempt));
    } else if (stage.gate.is_object()) {
      d.Paragraph(GateText(stage.gate));
    } else {
      d.Note(
          fmt::format("This stage did not finish: {} steps are recorded and there is no gate "
                      "decision.",
                      stage.steps.size()));
    }
    if (!stage.unhealthy.empty()) {
      d.Note(fmt::format("{} steps were not finite; each was undone and the learning rate halved.",
                         stage.unhealthy.size()));
    }
    d.List(MetricItems(stage));
  }
  return d;
}

Document ExpectationSection(const RunRecords& run) {
  Document d;
  std::vector<std::vector<std::string>> rows = {{"expected", "measured", "met"}};
  for (const StageRecords& stage : run.stages) ExpectOfStage(stage, rows);
  const Json& interval = FieldAt(run.summary, "sampled_gain_interval95");
  if (interval.is_array() && interval.size() == 2 && interval[0].is_number() &&
      interval[1].is_number()) {
    std::optional<bool> met;
    if (interval[0].get<double>() > 0) met = true;
    if (interval[1].get<double>() < 0) met = false;
    Expect(rows, "sampled accuracy on the test problems rises (interval above 0)",
           PointsText(NumberAt(run.summary, "sampled_gain_points")) + PointsRange(interval), met);
  }
  if (rows.size() == 1) return d;
  d.Heading(2, "Expected against measured");
  d.Table(std::move(rows));
  return d;
}

}  // namespace pawl
