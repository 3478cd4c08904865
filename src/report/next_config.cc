#include "report/next_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "records/fields.h"
#include "report/format.h"

namespace pawl {
namespace {

const Finding* Supported(const std::vector<Finding>& findings, const std::string& key) {
  for (const Finding& f : findings) {
    if (f.key == key && f.verdict == Verdict::kSupported) return &f;
  }
  return nullptr;
}

double MeanOfLastThird(const StageRecords& stage, const char* key) {
  double sum = 0, count = 0;
  for (std::size_t i = stage.steps.size() - (stage.steps.size() + 2) / 3; i < stage.steps.size();
       ++i) {
    if (const auto value = NumberAt(stage.steps[i], key)) {
      sum += *value;
      ++count;
    }
  }
  return count > 0 ? sum / count : 0;
}

// What one stage should do differently.
void AddOfStage(const StageRecords& stage, bool is_later, const std::vector<Finding>& findings,
                std::vector<Recommendation>& out) {
  const std::string table = "stage." + stage.name;
  const auto steps = static_cast<long long>(stage.steps.size());
  if (const Finding* f = Supported(findings, "not_converged");
      f != nullptr && steps > 0 && f->reason.find(stage.name) != std::string::npos) {
    out.push_back({table, "max_steps", std::to_string(2 * steps), f->reason});
  }
  if (const Finding* f = Supported(findings, "learning_rate_too_high")) {
    if (const auto rate = NumberAt(stage.config, "learning_rate")) {
      out.push_back({table, "learning_rate", fmt::format("{:g}", *rate / 2), f->reason});
    }
  }
  if (const Finding* f = Supported(findings, "catastrophic_forgetting"); f != nullptr && is_later) {
    const double replay = NumberAt(stage.config, "replay").value_or(0);
    out.push_back({table, "replay", fmt::format("{:g}", std::min(0.5, std::max(0.2, 2 * replay))),
                   f->reason});
  }
  if (const Finding* f = Supported(findings, "overfitting");
      f != nullptr && f->reason.find(stage.name) != std::string::npos) {
    if (const auto samples = IntAt(stage.config, "max_samples")) {
      out.push_back({table, "max_samples", std::to_string(2 * *samples), f->reason});
    }
  }
  const double cut = MeanOfLastThird(stage, "completions/clipped_ratio");
  const auto length = IntAt(stage.config, "max_completion_length");
  if (cut > 0.05 && length) {
    out.push_back({table, "max_completion_length", std::to_string(*length * 3 / 2),
                   fmt::format("{:.0f} % of the answers in the last third of {} were cut at the "
                               "limit of {} tokens.",
                               100 * cut, stage.name, *length)});
  }
}

struct Line {
  std::string table, text;
};
// Lines with the dotted table that each belongs to; [[stage]] is named by its key "name".
std::vector<Line> Lines(const std::string& config) {
  std::vector<Line> lines;
  std::istringstream stream(config);
  std::string table;
  std::size_t begin = 0;
  for (std::string text; std::getline(stream, text);) {
    const std::size_t first = text.find_first_not_of(' ');
    const std::string trimmed = first == std::string::npos ? "" : text.substr(first);
    if (trimmed.starts_with("[")) {
      table = trimmed.substr(trimmed.find_first_not_of('['));
      table = table.substr(0, table.find(']'));
      begin = lines.size();
    }
    const bool named = (table == "stage" || table == "reward") && trimmed.starts_with("name = '");
    lines.push_back({table, text});
    if (!named) continue;
    const std::string name = trimmed.substr(8, trimmed.rfind('\'') - 8);
    table += "." + name;
    for (std::size_t i = begin; i < lines.size(); ++i) lines[i].table = table;
  }
  return lines;
}

}  // namespace

std::vector<Recommendation> Recommend(const RunRecords& run, const std::vector<Finding>& findings) {
  std::vector<Recommendation> out;
  for (std::size_t s = 0; s < run.stages.size(); ++s) {
    AddOfStage(run.stages[s], s > 0, findings, out);
  }
  const auto seed = IntAt(run.summary, "seed");
  const auto made = IntAt(run.environment, "seed");
  out.push_back({"run", "seed", std::to_string(seed.value_or(made.value_or(0)) + 1),
                 "One run does not tell how far runs with other seeds lie apart; the intervals of "
                 "this report are over problems only."});
  return out;
}

std::string ChangedConfig(const std::string& config, const std::vector<Recommendation>& changes) {
  std::vector<Line> lines = Lines(config);
  std::string head =
      "# Recommended from the findings of a run; every other key is that run's own.\n";
  for (const Recommendation& change : changes) {
    for (Line& line : lines) {
      const std::size_t first = line.text.find_first_not_of(' ');
      const std::string key = change.key + " = ";
      if (line.table != change.table || first == std::string::npos ||
          line.text.compare(first, key.size(), key) != 0) {
        continue;
      }
      const std::string before = line.text.substr(first + key.size());
      line.text = line.text.substr(0, first) + key + change.value;
      head += fmt::format("# {}.{}: {} instead of {}. {}\n", Plain(change.table), change.key,
                          change.value, before, Plain(change.why));
    }
  }
  std::string text = head + "\n";
  for (const Line& line : lines) text += line.text + "\n";
  return text;
}

}  // namespace pawl
