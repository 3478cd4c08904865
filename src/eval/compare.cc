#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "eval/bench.h"

namespace pawl {
namespace {

Json Optional(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

// Ids of problems won and lost, with both answers side by side where the files have them.
Json Examples(const BenchFile& baseline, const BenchFile& candidate, bool won) {
  const auto first_text = [](const BenchFile& file, const std::string& id) -> Json {
    for (const Json& problem : file.problems) {
      if (problem.value("id", "") != id || problem.at("samples").empty()) continue;
      const Json& sample = problem.at("samples")[0];
      return sample.contains("completion") ? sample.at("completion") : Json();
    }
    return {};
  };
  Json list = Json::array();
  for (const auto& [id, base] : baseline.outcomes) {
    const auto right = [](const std::vector<bool>& v) {
      return std::count(v.begin(), v.end(), true);
    };
    const auto& other = candidate.outcomes.at(id);
    const double a = static_cast<double>(right(base)) /
                     static_cast<double>(std::max<std::size_t>(1, base.size()));
    const double b = static_cast<double>(right(other)) /
                     static_cast<double>(std::max<std::size_t>(1, other.size()));
    if (won ? b <= a : b >= a) continue;
    list.push_back({{"id", id},
                    {"baseline", first_text(baseline, id)},
                    {"candidate", first_text(candidate, id)}});
  }
  return list;
}

Status CheckSameSettings(const BenchFile& a, const BenchFile& b) {
  for (const char* key : {"data_sha256", "prompt_sha256", "reward"}) {
    if (!a.settings.contains(key) || !b.settings.contains(key)) continue;
    if (a.settings.at(key) != b.settings.at(key)) {
      return Usage(fmt::format(
          "{} and {}: {} differs: {} and {}; compare results of one problem set, "
          "prompt and grader",
          a.name, b.name, key, WriteJson(a.settings.at(key)), WriteJson(b.settings.at(key))));
    }
  }
  return {};
}

Result<Json> Pair(const BenchFile& baseline, const BenchFile& candidate) {
  PAWL_TRY(CheckSameSettings(baseline, candidate));
  auto compared = ComparePaired(baseline.outcomes, candidate.outcomes);
  if (!compared) return Within(baseline.name + " and " + candidate.name, compared.error());
  const PairedComparison& c = *compared;
  Json json;
  json["baseline"] = baseline.name;
  json["candidate"] = candidate.name;
  json["problems"] = c.problems;
  json["wins"] = c.wins;
  json["losses"] = c.losses;
  json["ties"] = c.ties;
  json["difference"] = c.difference;
  json["interval95"] = c.interval95 ? Json::array({c.interval95->low, c.interval95->high}) : Json();
  json["mcnemar_exact_p"] = Optional(c.mcnemar_exact_p);
  json["mcnemar_mid_p"] = Optional(c.mcnemar_mid_p);
  json["e_regression"] = c.e_regression;
  json["e_noninferior"] = c.e_noninferior;
  json["e_improvement"] = c.e_improvement;
  json["margin"] = c.margin;
  json["mde"] = Optional(c.mde);
  json["verdict"] = c.verdict;
  json["won"] = Examples(baseline, candidate, true);
  json["lost"] = Examples(baseline, candidate, false);
  return json;
}

std::string Words(const Json& pair) {
  const std::string verdict = pair.at("verdict").get<std::string>();
  const double points = 100 * pair.at("difference").get<double>();
  if (verdict != "not distinguishable") {
    return fmt::format("{} ({:+.1f} points on {} problems)", verdict, points,
                       pair.at("problems").get<std::size_t>());
  }
  std::string text = fmt::format("not distinguishable at n = {}: {:+.1f} points",
                                 pair.at("problems").get<std::size_t>(), points);
  if (!pair.at("mde").is_null()) {
    text += fmt::format("; {:.0f} points would be needed", 100 * pair.at("mde").get<double>());
  }
  return text;
}

}  // namespace

Result<BenchFile> ReadBenchFile(const std::filesystem::path& path) {
  PAWL_ASSIGN(const std::string text, ReadFile(path));
  PAWL_ASSIGN(const Json json, ParseJson(text, path.string()));
  BenchFile file;
  file.name = path.string();
  if (!json.is_object() || !json.contains("problems") || !json.at("problems").is_array()) {
    return BadFile(path.string() + ": expected bench results with a list \"problems\"");
  }
  file.summary = json.value("summary", Json::object());
  file.settings = json.value("settings", Json::object());
  file.problems = json.at("problems");
  for (std::size_t i = 0; i < file.problems.size(); ++i) {
    const Json& problem = file.problems[i];
    const std::string place = fmt::format("{}: problem {}", path.string(), i);
    PAWL_ASSIGN(const std::string id, JsonString(problem, "id", place));
    if (!problem.contains("samples") || !problem.at("samples").is_array()) {
      return BadFile(place + ": \"samples\" must be a list");
    }
    std::vector<bool> outcomes;
    for (const Json& sample : problem.at("samples")) {
      PAWL_ASSIGN(const bool correct, JsonBool(sample, "correct", place));
      outcomes.push_back(correct);
    }
    if (!file.outcomes.emplace(id, std::move(outcomes)).second) {
      return BadFile(fmt::format("{}: id \"{}\" occurs twice", place, id));
    }
  }
  return file;
}

Result<Json> CompareBenches(const std::vector<BenchFile>& files) {
  if (files.size() < 2) return Usage("compare: give two or more result files");
  Json document;
  document["rows"] = Json::array();
  document["pairs"] = Json::array();
  for (const BenchFile& file : files) {
    Json row{{"name", file.name}};
    for (const auto& [key, value] : file.summary.items()) row[key] = value;
    document["rows"].push_back(std::move(row));
  }
  for (std::size_t i = 1; i < files.size(); ++i) {
    PAWL_ASSIGN(Json pair, Pair(files[0], files[i]));
    document["pairs"].push_back(std::move(pair));
  }
  return document;
}

std::string CompareText(const Json& comparison) {
  std::string text = fmt::format("{:<44} {:>9} {:>9} {:>9} {:>9}\n", "result", "accuracy", "strict",
                                 "flexible", "tokens/s");
  const auto percent = [](const Json& row, const char* key) {
    return row.contains(key) && row.at(key).is_number()
               ? fmt::format("{:.1f} %", 100 * row.at(key).get<double>())
               : std::string("-");
  };
  for (const Json& row : comparison.at("rows")) {
    const bool speed = row.contains("tokens_per_second") && row.at("tokens_per_second").is_number();
    text +=
        fmt::format("{:<44} {:>9} {:>9} {:>9} {:>9}\n", row.at("name").get<std::string>(),
                    percent(row, "accuracy"), percent(row, "strict_accuracy"),
                    percent(row, "flexible_accuracy"),
                    speed ? fmt::format("{:.0f}", row.at("tokens_per_second").get<double>()) : "-");
  }
  for (const Json& pair : comparison.at("pairs")) {
    text += fmt::format("\n{}\n  against {}: {}\n", pair.at("candidate").get<std::string>(),
                        pair.at("baseline").get<std::string>(), Words(pair));
    text += fmt::format("  won {}, lost {}, tied {}", pair.at("wins").get<std::size_t>(),
                        pair.at("losses").get<std::size_t>(), pair.at("ties").get<std::size_t>());
    if (!pair.at("interval95").is_null()) {
      text += fmt::format("; 95 % interval {:+.1f} to {:+.1f} points",
                          100 * pair.at("interval95")[0].get<double>(),
                          100 * pair.at("interval95")[1].get<double>());
    }
    if (!pair.at("mcnemar_mid_p").is_null()) {
      text += fmt::format("; McNemar exact p {:.3g}, mid-p {:.3g}",
                          pair.at("mcnemar_exact_p").get<double>(),
                          pair.at("mcnemar_mid_p").get<double>());
    }
    text += "\n";
  }
  return text;
}

}  // namespace pawl
