#include "eval/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/file.h"

namespace pawl {
namespace {

Json Optional(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

double Share(const std::vector<bool>& samples) {
  return static_cast<double>(std::count(samples.begin(), samples.end(), true)) /
         static_cast<double>(samples.size());
}

// Problems won or lost, with both answers side by side where the files have them.
Json Examples(const BenchFile& baseline, const BenchFile& candidate, bool won) {
  const auto completion = [](const BenchFile& file, const std::string& id) {
    const auto found = file.completions.find(id);
    return found == file.completions.end() ? Json() : found->second;
  };
  Json list = Json::array();
  for (const auto& [id, samples] : baseline.outcomes) {
    const double a = Share(samples), b = Share(candidate.outcomes.at(id));
    if (won ? b <= a : b >= a) continue;
    list.push_back({{"id", id},
                    {"baseline", completion(baseline, id)},
                    {"candidate", completion(candidate, id)}});
  }
  return list;
}

Status CheckSameSettings(const BenchFile& a, const BenchFile& b) {
  for (const char* key : {"data_sha256", "prompt_sha256", "reward"}) {
    const Json left = a.settings.value(key, Json()), right = b.settings.value(key, Json());
    if (!left.is_null() && !right.is_null() && left != right) {
      return Usage(
          fmt::format("{} and {}: {} differs: {} and {}; compare results of one problem set, "
                      "prompt and grader",
                      a.name, b.name, key, WriteJson(left), WriteJson(right)));
    }
  }
  return {};
}

Result<Json> Pair(const BenchFile& baseline, const BenchFile& candidate, std::size_t candidates) {
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
  json["p_value"] = Optional(c.p_value);
  json["p_holm"] = Json();
  json["corrected_verdict"] = CorrectedVerdict(c, candidates);
  json["won"] = Examples(baseline, candidate, true);
  json["lost"] = Examples(baseline, candidate, false);
  return json;
}

// Holm's correction over the pairs that have a p-value.
void AddHolm(Json& pairs) {
  std::vector<double> p;
  for (const Json& pair : pairs) {
    if (pair.at("p_value").is_number()) p.push_back(pair.at("p_value").get<double>());
  }
  const std::vector<double> adjusted = HolmAdjusted(p);
  std::size_t next = 0;
  for (Json& pair : pairs) {
    if (pair.at("p_value").is_number()) pair["p_holm"] = adjusted[next++];
  }
}

}  // namespace

std::string PairWords(const Json& pair) {
  const std::string verdict = pair.at("corrected_verdict").get<std::string>();
  const double points = 100 * pair.at("difference").get<double>();
  if (verdict != "not distinguishable") {
    return fmt::format("{} ({:+.1f} points on {} problems)", verdict, points,
                       pair.at("problems").get<std::size_t>());
  }
  std::string text = fmt::format("not distinguishable at n = {}: {:+.1f} points",
                                 pair.at("problems").get<std::size_t>(), points);
  const auto apart = static_cast<long long>(pair.at("wins").get<std::size_t>()) -
                     static_cast<long long>(pair.at("losses").get<std::size_t>());
  text +=
      fmt::format(", {} {} apart", std::abs(apart), std::abs(apart) == 1 ? "problem" : "problems");
  // Without any difference the spread is unknown, not 0.
  if (!pair.at("mde").is_null() && pair.at("mde").get<double>() > 0) {
    text += fmt::format("; {:.1f} points would be seen 8 times in 10",
                        100 * pair.at("mde").get<double>());
  }
  return text;
}

namespace {

// "  won: a, b, c and 4 more", or nothing.
std::string Named(const char* what, const Json& examples) {
  constexpr std::size_t kShown = 8;
  if (examples.empty()) return "";
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < std::min(kShown, examples.size()); ++i) {
    ids.push_back(examples[i].at("id").get<std::string>());
  }
  std::string text = fmt::format("  {}: {}", what, fmt::join(ids, ", "));
  if (examples.size() > kShown) text += fmt::format(" and {} more", examples.size() - kShown);
  return text + "\n";
}

}  // namespace

Result<BenchFile> ReadBenchFile(const std::filesystem::path& path) {
  PAWL_ASSIGN(const std::string text, ReadFile(path));
  PAWL_ASSIGN(const Json json, ParseJson(text, path.string()));
  return ParseBenchFile(json, path.string());
}

Result<BenchFile> ParseBenchFile(const Json& document, const std::string& name) {
  BenchFile file;
  file.name = name;
  if (!document.is_object() || !document.contains("problems") ||
      !document.at("problems").is_array()) {
    return BadFile(name + ": expected bench results, an object with a list \"problems\"");
  }
  for (const auto& [key, part] :
       {std::pair("summary", &file.summary), std::pair("settings", &file.settings)}) {
    if (document.contains(key) && document.at(key).is_object()) *part = document.at(key);
  }
  const Json& problems = document.at("problems");
  if (problems.empty()) return BadFile(name + ": no problems, need at least one");
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const std::string place = fmt::format("{}: problem {}", name, i);
    PAWL_ASSIGN(const std::string id, JsonString(problems[i], "id", place));
    if (!problems[i].contains("samples") || !problems[i].at("samples").is_array() ||
        problems[i].at("samples").empty()) {
      return BadFile(place + ": \"samples\" must be a list of at least one answer");
    }
    std::vector<bool> outcomes;
    for (const Json& sample : problems[i].at("samples")) {
      PAWL_ASSIGN(const bool correct, JsonBool(sample, "correct", place));
      outcomes.push_back(correct);
    }
    const Json& first = problems[i].at("samples")[0];
    if (first.contains("completion")) file.completions[id] = first.at("completion");
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
    PAWL_ASSIGN(Json pair, Pair(files[0], files[i], files.size() - 1));
    document["pairs"].push_back(std::move(pair));
  }
  AddHolm(document["pairs"]);
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
                        pair.at("baseline").get<std::string>(), PairWords(pair));
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
    if (comparison.at("pairs").size() > 1 && !pair.at("p_holm").is_null()) {
      text += fmt::format("; p {:.3g} after Holm's correction for {} comparisons",
                          pair.at("p_holm").get<double>(), comparison.at("pairs").size());
    }
    text += "\n" + Named("won", pair.at("won")) + Named("lost", pair.at("lost"));
  }
  return text;
}

}  // namespace pawl
