#include "report/comparison.h"

#include <fmt/format.h>

#include "records/fields.h"
#include "report/format.h"

namespace pawl {
namespace {

std::string IntervalPoints(const Json& interval) {
  if (!interval.is_array() || interval.size() != 2) return "-";
  return fmt::format("{:+.1f} to {:+.1f}", 100 * interval[0].get<double>(),
                     100 * interval[1].get<double>());
}

std::vector<std::vector<std::string>> Rows(const Json& comparison) {
  std::vector<std::vector<std::string>> rows = {{"result", "accuracy", "95 % interval", "strict",
                                                 "flexible", "time an answer", "tokens/s",
                                                 "cut at the limit"}};
  for (const Json& row : FieldAt(comparison, "rows")) {
    const Json& t = FieldAt(row, "interval95");
    rows.push_back({PlainAt(row, "name"), PercentText(NumberAt(row, "accuracy")),
                    PercentRange(t.is_array() ? t : FieldAt(row, "wilson95")),
                    PercentText(NumberAt(row, "strict_accuracy")),
                    PercentText(NumberAt(row, "flexible_accuracy")),
                    DurationText(NumberAt(row, "mean_generation_seconds")),
                    NumberText(NumberAt(row, "tokens_per_second"), 0),
                    PercentText(NumberAt(row, "truncated_fraction"))});
  }
  return rows;
}

std::string AnswerOf(const Json& example, const char* side) {
  return TextAt(example, side).value_or("(the result holds no text)");
}

void AddExamples(const Json& list, const std::string& title, std::size_t most, Document& d) {
  if (!list.is_array() || list.empty() || most == 0) return;
  Document inner;
  for (std::size_t i = 0; i < std::min(most, list.size()); ++i) {
    inner.Heading(4, "Problem " + PlainAt(list[i], "id"));
    std::vector<Block::Text> texts;
    if (const auto question = TextAt(list[i], "question")) texts.push_back({"question", *question});
    texts.push_back({"baseline", AnswerOf(list[i], "baseline")});
    texts.push_back({"candidate", AnswerOf(list[i], "candidate")});
    inner.Texts(std::move(texts));
  }
  d.Folded(fmt::format("{} ({} of {} shown)", title, std::min(most, list.size()), list.size()),
           inner);
}

}  // namespace

namespace {
// Four digits, and no claim of exactly 0.
std::string ProbabilityText(const std::optional<double>& p) {
  return p && *p < 1e-4 ? "< 0.0001" : NumberText(p, 4);
}
}  // namespace

Document ComparisonDocument(const Json& comparison, const std::vector<std::string>& words,
                            std::size_t examples) {
  Document d;
  d.Heading(2, "Results").Table(Rows(comparison));
  const Json& pairs = FieldAt(comparison, "pairs");
  d.Heading(2, "Against the baseline");
  std::vector<std::vector<std::string>> rows = {
      {"candidate", "problems", "won / lost / tied", "points, 95 % interval", "p", "p (Holm)",
       "e worse / not worse / better", "what may be said"}};
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const Json& p = pairs[i];
    rows.push_back({PlainAt(p, "candidate"), std::to_string(IntAt(p, "problems").value_or(0)),
                    fmt::format("{} / {} / {}", IntAt(p, "wins").value_or(0),
                                IntAt(p, "losses").value_or(0), IntAt(p, "ties").value_or(0)),
                    fmt::format("{:+.1f}, {}", 100 * NumberAt(p, "difference").value_or(0),
                                IntervalPoints(FieldAt(p, "interval95"))),
                    ProbabilityText(NumberAt(p, "p_value")), ProbabilityText(NumberAt(p, "p_holm")),
                    fmt::format("{:.3g} / {:.3g} / {:.3g}", NumberAt(p, "e_regression").value_or(0),
                                NumberAt(p, "e_noninferior").value_or(0),
                                NumberAt(p, "e_improvement").value_or(0)),
                    i < words.size() ? words[i] : ""});
  }
  d.Table(std::move(rows));
  d.Paragraph(fmt::format(
      "The same problems for all, paired. \"Better\", \"worse\" and \"not worse\" need an e-value "
      "of "
      "{} (20 for each of {} comparisons); p-values are McNemar's exact ones for one answer a "
      "problem, t over problems for more, and Holm's correction allows for the number of "
      "comparisons.",
      20 * pairs.size(), pairs.size()));
  for (const Json& p : pairs) {
    AddExamples(FieldAt(p, "won"), PlainAt(p, "candidate") + ": won", examples, d);
    AddExamples(FieldAt(p, "lost"), PlainAt(p, "candidate") + ": lost", examples, d);
  }
  return d;
}

}  // namespace pawl
