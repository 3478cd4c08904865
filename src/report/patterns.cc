#include <fmt/format.h>

#include <map>

#include "diagnose/answers.h"
#include "diagnose/diagnose.h"
#include "diagnose/hypotheses.h"
#include "records/fields.h"
#include "report/format.h"
#include "report/sections.h"

namespace pawl {
namespace {

constexpr std::size_t kExamples = 2;

std::string Answer(const AnswerSample& sample) {
  return sample.completion ? *sample.completion : "(the record holds no text)";
}

std::string Verdict1(const AnsweredProblem& problem, const AnswerSample& sample) {
  if (sample.correct) return "right";
  if (!sample.completion) return "wrong";
  return std::string("wrong: ") + AnswerKindWords(CheckAnswer(problem, sample).kind);
}

// Up to two problems with the given outcomes before and after.
void AddExamples(Document& d, const BasePair& pair, const char* title, bool before, bool after) {
  std::map<std::string, const AnsweredProblem*> by_id;
  for (const AnsweredProblem& problem : pair.after->problems) by_id[problem.id] = &problem;
  std::size_t shown = 0;
  for (const AnsweredProblem& problem : pair.base->problems) {
    const auto other = by_id.find(problem.id);
    if (shown == kExamples || other == by_id.end()) continue;
    if (problem.samples.empty() || other->second->samples.empty()) continue;
    const AnswerSample &a = problem.samples[0], &b = other->second->samples[0];
    if (a.correct != before || b.correct != after) continue;
    if (shown++ == 0) d.Heading(3, title);
    d.Texts({{fmt::format("Problem {} (right answer {})", Plain(problem.id), Plain(problem.gold)),
              problem.question},
             {"Base, " + Verdict1(problem, a), Answer(a)},
             {"Final, " + Verdict1(problem, b), Answer(b)}});
  }
}

}  // namespace

Document PatternsSection(const RunRecords& run) {
  Document d;
  d.Heading(2, "Response patterns");
  const BasePair pair = GreedyPair(run);
  if (!pair) {
    d.Paragraph("Base and final model were not both measured on the test problems.");
    return d;
  }
  const Json base = AnswerShares(*pair.base), after = AnswerShares(*pair.after);
  std::vector<std::vector<std::string>> rows = {{"kind of answer (greedy)", "base", "final"}};
  for (int k = 0; k < kAnswerKinds; ++k) {
    const auto kind = static_cast<AnswerKind>(k);
    const auto cell = [&](const Json& shares) {
      return PercentText(
          IntAt(FieldAt(FieldAt(shares, "kinds"), AnswerKindName(kind)), "count").value_or(0),
          IntAt(shares, "answers").value_or(0));
    };
    rows.push_back({AnswerKindWords(kind), cell(base), cell(after)});
  }
  const auto equations = [](const Json& shares) {
    const Json& e = FieldAt(shares, "equations");
    return PercentText(IntAt(e, "wrong").value_or(0),
                       IntAt(e, "total").value_or(0) - IntAt(e, "too_large").value_or(0));
  };
  rows.push_back({"wrong equations, of all checked", equations(base), equations(after)});
  d.Table(std::move(rows));
  d.Paragraph(
      "Kinds are exclusive, the first that applies from the top; every equation in an "
      "answer is checked in exact arithmetic.");
  AddExamples(d, pair, "Right before and after", true, true);
  AddExamples(d, pair, "Newly lost", true, false);
  AddExamples(d, pair, "Newly won", false, true);
  AddExamples(d, pair, "Wrong before and after", false, false);
  return d;
}

Document DiagnosisSection(const std::vector<Finding>& findings) {
  Document d;
  d.Heading(2, "Diagnosis");
  std::vector<std::vector<std::string>> rows = {{"hypothesis", "verdict", "why"}};
  for (const Finding& f : findings) {
    rows.push_back({f.hypothesis, Strong(VerdictName(f.verdict)), Plain(f.reason)});
  }
  d.Table(std::move(rows));
  for (const Finding& f : findings) {
    Document inner;
    inner.Paragraph("Rule, fixed before looking: " + f.rule + ".");
    if (!f.to_settle.empty()) inner.Paragraph("What would settle it: " + Plain(f.to_settle));
    std::vector<std::vector<std::string>> measured = {{"measurement", "value", "from"}};
    for (const Measurement& m : f.measurements) {
      measured.push_back({Plain(m.name), MeasurementText(m), Plain(m.source)});
    }
    inner.Table(std::move(measured));
    d.Folded(fmt::format("{} {}", f.hypothesis, VerdictName(f.verdict)), inner);
  }
  return d;
}

}  // namespace pawl
