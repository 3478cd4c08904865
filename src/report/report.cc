#include "report/report.h"

#include <fmt/format.h>

#include <cmath>

#include "base/file_system.h"
#include "diagnose/diagnose.h"
#include "records/records.h"
#include "report/curve.h"
#include "report/html.h"

namespace pawl {
namespace {

std::string Percent(const Json& value) {
  return value.is_number() ? fmt::format("{:.1f} %", 100 * value.get<double>()) : "-";
}
std::string PercentRange(const Json& interval) {
  return interval.is_array() ? fmt::format("{:.1f} to {:.1f} %", 100 * interval[0].get<double>(),
                                           100 * interval[1].get<double>())
                             : "-";
}
std::string Points(const Json& value) {
  return value.is_number() ? fmt::format("{:+.1f} points", value.get<double>()) : "unknown";
}
std::string PointsRange(const Json& interval) {
  return interval.is_array() ? fmt::format(" (95 % interval {:+.1f} to {:+.1f})",
                                           interval[0].get<double>(), interval[1].get<double>())
                             : "";
}

// "rose" only when the interval excludes 0.
std::string Moved(const Json& interval) {
  if (!interval.is_array()) return "cannot be compared";
  if (interval[0].get<double>() > 0) return "rose";
  if (interval[1].get<double>() < 0) return "fell";
  return "is not distinguishable from the base's";
}

std::string AccuracyTable(const Json& s) {
  std::string text = "| model | greedy | 95 % interval | sampled |\n|---|---|---|---|\n";
  for (const char* side : {"base", "final"}) {
    const Json& x = s.at(side);
    text += fmt::format("| {} | {} of {} ({}) | {} | {} |\n", side, x.value("correct", 0),
                        x.value("total", 0), Percent(x.value("accuracy", Json())),
                        PercentRange(x.value("wilson95", Json())),
                        Percent(x.value("sampled_accuracy", Json())));
  }
  return text;
}

std::string LevelTable(const Json& s) {
  const Json base = s.at("base").value("levels", Json::object()),
             after = s.at("final").value("levels", Json::object());
  const Json base_sampled = s.at("base").value("sampled_levels", Json::object());
  const Json after_sampled = s.at("final").value("sampled_levels", Json::object());
  if (base.size() < 2) return "";
  std::string text =
      "\n| level | problems | base greedy | final greedy | base sampled | final sampled "
      "|\n|---|---|---|---|---|---|\n";
  const auto of = [](const Json& table, const std::string& level) {
    return table.contains(level) ? Percent(table.at(level).at("accuracy")) : std::string("-");
  };
  for (const auto& [level, values] : base.items()) {
    text += fmt::format("| {} | {} | {} | {} | {} | {} |\n", level, values.at("total").get<int>(),
                        of(base, level), of(after, level), of(base_sampled, level),
                        of(after_sampled, level));
  }
  return text;
}

std::string StageTable(const Json& s) {
  std::string text =
      "| stage | method | decision | attempts | steps | time | gate before | gate after "
      "|\n|---|---|---|---|---|---|---|---|\n";
  for (const Json& stage : s.value("stages", Json::array())) {
    text += fmt::format("| {} | {} | {} | {} | {} | {:.0f} s | {} | {} |\n",
                        stage.value("name", ""), stage.value("method", ""),
                        stage.value("decision", ""), stage.value("attempts", 0),
                        stage.value("steps", 0), stage.value("seconds", 0.0),
                        Percent(stage.value("gate_accuracy_before", Json())),
                        Percent(stage.value("gate_accuracy_after", Json())));
  }
  return text;
}

std::string StageSection(const StageRecords& stage) {
  std::string text = fmt::format("\n### Stage {}\n\n", stage.name);
  if (stage.gate.is_object()) {
    const Json& g = stage.gate;
    text += fmt::format(
        "Gate: rule {}, decision **{}** on {} problems ({} won, {} lost). Validation went from {} "
        "to {} at "
        "step {}, the best checkpoint.\n",
        g.value("rule", ""), g.value("decision", ""), g.value("problems", 0), g.value("wins", 0),
        g.value("losses", 0), Percent(g.value("validation_before", Json())),
        Percent(g.value("validation_best", Json())), g.value("best_step", 0));
  } else {
    text += "This stage has no gate decision: it did not finish.\n";
  }
  if (!stage.steps.empty()) {
    const Json &first = stage.steps.front(), &last = stage.steps.back();
    const auto both = [&](const char* key) {
      return first.contains(key) && last.contains(key)
                 ? fmt::format("{:.3f} -> {:.3f}", first.at(key).get<double>(),
                               last.at(key).get<double>())
                 : std::string();
    };
    for (const auto& [key, words] :
         {std::pair{"reward", "mean reward"},
          {"loss", "loss"},
          {"entropy", "entropy (nats)"},
          {"completions/mean_length", "mean tokens"},
          {"completions/clipped_ratio", "truncated share"},
          {"max_logp_difference", "largest |logp sampled - logp trained|"}}) {
      const std::string value = both(key);
      if (!value.empty()) text += fmt::format("* {}: {}\n", words, value);
    }
  }
  return text;
}

std::string DiagnosisSection(const RunRecords& r) {
  std::string text = "\n## Diagnosis\n\n";
  for (const Finding& f : Diagnose(r)) {
    text += fmt::format("* {} **{}**. {}{}\n", f.hypothesis, VerdictName(f.verdict), f.reason,
                        f.to_settle.empty() ? "" : " To settle: " + f.to_settle);
  }
  return text;
}

std::string Markdown(const RunRecords& r) {
  std::string text = "# Report of " + r.folder.filename().string() + "\n\n";
  if (r.summary.is_object()) {
    text += SummarySentences(r.summary) + "\n\n## Accuracy on the test problems\n\n" +
            AccuracyTable(r.summary) + LevelTable(r.summary);
    text +=
        "\nTest problems were used by nothing else in the run. Sampled: mean over the answers of "
        "each problem at the "
        "training temperature.\n\n## Stages\n\n" +
        StageTable(r.summary);
  } else {
    text +=
        "**This run did not finish: there is no summary.json.** What follows is what it left "
        "behind.\n";
  }
  for (const StageRecords& stage : r.stages) text += StageSection(stage);
  text += DiagnosisSection(r);
  if (r.environment.is_object()) {
    const Json& e = r.environment;
    text +=
        fmt::format("\n## What ran\n\n* {}\n* {}, {} threads, {}\n* seed {}\n* data SHA-256 {}\n",
                    e.value("version", ""), e.value("cpu", ""), e.value("threads", 0),
                    e.value("isa", ""), e.value("seed", 0LL), e.value("data_sha256", ""));
  }
  if (r.summary.is_object()) {
    text +=
        fmt::format("* {:.0f} s in all, peak memory {:.2f} GB\n", r.summary.value("seconds", 0.0),
                    r.summary.value("peak_rss_bytes", 0.0) / 1e9);
  }
  return text;
}

std::string Curves(const RunRecords& r) {
  std::string html;
  for (const StageRecords& stage : r.stages) {
    const std::vector<std::pair<const char*, const char*>> wanted = {
        {"reward", "mean reward"},
        {"loss", "loss"},
        {"entropy", "entropy, nats"},
        {"completions/mean_length", "mean tokens"},
        {"completions/clipped_ratio", "truncated share"}};
    std::string figures;
    for (const auto& [key, title] : wanted)
      figures += CurveSvg(stage.steps, key, fmt::format("{}: {}", stage.name, title));
    figures += CurveSvg(stage.validations, "eval_accuracy", stage.name + ": validation accuracy");
    if (!figures.empty()) html += "<section class=\"curves\">" + figures + "</section>\n";
  }
  return html;
}

}  // namespace

std::string SummarySentences(const Json& s) {
  int accepted = 0, left_out = 0;
  for (const Json& stage : s.value("stages", Json::array())) {
    const std::string decision = stage.value("decision", "");
    accepted += decision == "accept" ? 1 : 0;
    left_out += decision == "rollback" || decision == "skipped" ? 1 : 0;
  }
  const Json base = s.value("base", Json::object()), after = s.value("final", Json::object());
  std::string text = fmt::format(
      "Greedy accuracy on {} test problems {}: {} -> {}, {}{}.", after.value("total", 0),
      Moved(s.value("gain_interval95", Json())), Percent(base.value("accuracy", Json())),
      Percent(after.value("accuracy", Json())), Points(s.value("gain_points", Json())),
      PointsRange(s.value("gain_interval95", Json())));
  text += fmt::format(" Sampled accuracy (mean of {}) {}: {} -> {}, {}{}.",
                      after.value("samples", 0), Moved(s.value("sampled_gain_interval95", Json())),
                      Percent(base.value("sampled_accuracy", Json())),
                      Percent(after.value("sampled_accuracy", Json())),
                      Points(s.value("sampled_gain_points", Json())),
                      PointsRange(s.value("sampled_gain_interval95", Json())));
  text +=
      fmt::format(" {} of {} stages were accepted by their gates{}; the run took {:.0f} s ({}).",
                  accepted, s.value("stages", Json::array()).size(),
                  left_out > 0 ? fmt::format(", {} left out", left_out) : "",
                  s.value("seconds", 0.0), s.value("exit_reason", ""));
  return text;
}

Status WriteReports(const std::filesystem::path& run) {
  PAWL_ASSIGN(const RunRecords records, ReadRunRecords(run));
  const std::string markdown = Markdown(records);
  PAWL_TRY(WriteFileAtomic(run / "report.md", markdown));
  return WriteFileAtomic(run / "report.html",
                         HtmlPage("Report of " + run.filename().string(),
                                  HtmlFromMarkdown(markdown) + Curves(records)));
}

}  // namespace pawl
