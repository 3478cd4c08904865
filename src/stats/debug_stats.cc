#include "stats/debug_stats.h"

#include <fmt/format.h>

#include "base/nearest.h"
#include "stats/intervals.h"

namespace pawl {
namespace {

Json Limits(const std::optional<Interval>& interval) {
  if (!interval) return {{"low", nullptr}, {"high", nullptr}};
  return {{"low", interval->low}, {"high", interval->high}};
}

Json Number(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Result<long long> Count(const Json& line, const char* key) {
  PAWL_ASSIGN(const long long value, JsonInt(line, key, "line"));
  // The upper end keeps sums of counts and the time of an exact tail within bounds.
  if (value < 0 || value > 1'000'000'000) {
    return BadFile(fmt::format("line: \"{}\" is {}, expected 0 to 10^9", key, value));
  }
  return value;
}

Result<double> Level(const Json& line) {
  if (!line.contains("level")) return 0.95;
  PAWL_ASSIGN(const double level, JsonNumber(line, "level", "line"));
  if (!(level > 0 && level < 1)) return BadFile("line: \"level\" must lie between 0 and 1");
  return level;
}

Result<Json> Proportion(const Json& line, bool wilson) {
  PAWL_ASSIGN(const long long k, Count(line, "k"));
  PAWL_ASSIGN(const long long n, Count(line, "n"));
  PAWL_ASSIGN(const double level, Level(line));
  return Limits(wilson ? Wilson(k, n, level) : ClopperPearson(k, n, level));
}

Result<PairedTable> Table(const Json& line) {
  PairedTable table;
  PAWL_ASSIGN(table.both, Count(line, "both"));
  PAWL_ASSIGN(table.only_first, Count(line, "only_first"));
  PAWL_ASSIGN(table.only_second, Count(line, "only_second"));
  PAWL_ASSIGN(table.neither, Count(line, "neither"));
  return table;
}

Result<Json> Newcombe(const Json& line) {
  PAWL_ASSIGN(const PairedTable table, Table(line));
  PAWL_ASSIGN(const double level, Level(line));
  const auto out = NewcombePaired(table, level);
  if (!out)
    return Json{{"difference", nullptr}, {"low", nullptr}, {"high", nullptr}, {"phi", nullptr}};
  return Json{
      {"difference", out->difference}, {"low", out->low}, {"high", out->high}, {"phi", out->phi}};
}

Result<std::vector<double>> Numbers(const Json& line, const char* key) {
  if (!line.contains(key) || !line.at(key).is_array()) {
    return BadFile(fmt::format("line: \"{}\" must be a list of numbers", key));
  }
  std::vector<double> values;
  for (const Json& value : line.at(key)) {
    if (!value.is_number())
      return BadFile(fmt::format("line: \"{}\" must be a list of numbers", key));
    values.push_back(value.get<double>());
  }
  return values;
}

Result<Json> Correlations(const Json& line) {
  PAWL_ASSIGN(const auto x, Numbers(line, "x"));
  PAWL_ASSIGN(const auto y, Numbers(line, "y"));
  if (x.size() != y.size()) return BadFile("line: \"x\" and \"y\" differ in length");
  const Correlation pearson = Pearson(x, y), spearman = Spearman(x, y);
  return Json{{"pearson", Number(pearson.r)},
              {"pearson_p", Number(pearson.p)},
              {"spearman", Number(spearman.r)},
              {"spearman_p", Number(spearman.p)}};
}

}  // namespace

Result<Json> DebugStats(const Json& line) {
  PAWL_ASSIGN(const std::string stat, JsonString(line, "stat", "line"));
  if (stat == "wilson") return Proportion(line, true);
  if (stat == "clopper_pearson") return Proportion(line, false);
  if (stat == "mcnemar_exact") {
    PAWL_ASSIGN(const PairedTable table, Table(line));
    return Json{{"p", McNemarExact(table.only_first, table.only_second)}};
  }
  if (stat == "newcombe_paired") return Newcombe(line);
  if (stat == "sign_test") {
    PAWL_ASSIGN(const long long positive, Count(line, "positive"));
    PAWL_ASSIGN(const long long negative, Count(line, "negative"));
    return Json{{"p", McNemarExact(positive, negative)}};
  }
  if (stat == "correlation") return Correlations(line);
  if (stat == "pass_at_k") {
    PAWL_ASSIGN(const long long n, Count(line, "n"));
    PAWL_ASSIGN(const long long correct, Count(line, "correct"));
    PAWL_ASSIGN(const long long k, Count(line, "k"));
    return Json{{"pass_at_k", Number(PassAtK(n, correct, k))}};
  }
  const std::vector<std::string> known = {"wilson",    "clopper_pearson", "mcnemar_exact",
                                          "sign_test", "newcombe_paired", "correlation",
                                          "pass_at_k"};
  return BadFile(fmt::format("line: unknown stat \"{}\"{}", stat, DidYouMean(stat, known)));
}

}  // namespace pawl
