// What the answers themselves show: their errors and their speed.
#include <fmt/format.h>

#include "diagnose/answers.h"
#include "diagnose/hypotheses.h"
#include "records/fields.h"

namespace pawl {
namespace {

Measurement KindMeasurement(const RunRecords& run, const BenchRecord& bench, const Json& shares,
                            AnswerKind kind) {
  const Json& counts = FieldAt(FieldAt(shares, "kinds"), AnswerKindName(kind));
  return ShareMeasurement(fmt::format("{}: {}", bench.name, AnswerKindWords(kind)),
                          IntAt(counts, "count").value_or(0), IntAt(shares, "answers").value_or(0),
                          SourceOf(run, bench));
}

}  // namespace

Finding AnswerErrors(const RunRecords& run) {
  Finding f;
  f.key = "arithmetic_errors";
  f.hypothesis = "The final model's wrong answers come from wrong arithmetic, not wrong reasoning.";
  f.rule =
      "every equation is checked exactly; supported where more than half of the final model's "
      "wrong answers hold a wrong equation (lower end of the interval), not supported where less "
      "than half do (upper end)";
  std::optional<Interval> interval;
  long long wrong = 0, arithmetic = 0;
  for (const char* side : {"base", "final"}) {
    const BenchRecord* bench = run.Bench(side);
    if (bench == nullptr) continue;
    const Json shares = AnswerShares(*bench);
    const long long answers = IntAt(shares, "answers").value_or(0);
    if (answers == 0) continue;
    for (int k = 0; k < kAnswerKinds; ++k) {
      f.measurements.push_back(KindMeasurement(run, *bench, shares, static_cast<AnswerKind>(k)));
    }
    const Json& equations = FieldAt(shares, "equations");
    f.measurements.push_back(ShareMeasurement(
        fmt::format("{}: wrong, of all equations", side), IntAt(equations, "wrong").value_or(0),
        IntAt(equations, "total").value_or(0) - IntAt(equations, "too_large").value_or(0),
        SourceOf(run, *bench)));
    if (std::string(side) != "final") continue;
    const auto count = [&](AnswerKind kind) {
      return IntAt(FieldAt(FieldAt(shares, "kinds"), AnswerKindName(kind)), "count").value_or(0);
    };
    wrong = answers - count(AnswerKind::kCorrect);
    arithmetic = count(AnswerKind::kArithmetic);
    interval = Wilson(arithmetic, wrong);
  }
  if (f.measurements.empty()) {
    f.reason = "There are no answers with their text.";
    f.to_settle = "Benchmark results with completions.";
    return f;
  }
  if (!interval) {
    f.reason = "The final model has no wrong answer, or no results.";
    f.to_settle = "Harder test problems.";
    return f;
  }
  f.verdict = interval->low > 0.5    ? Verdict::kSupported
              : interval->high < 0.5 ? Verdict::kNotSupported
                                     : Verdict::kCannotTell;
  f.reason = fmt::format(
      "{} of {} wrong answers of the final model hold a wrong equation "
      "({:.0f} to {:.0f} %).",
      arithmetic, wrong, 100 * interval->low, 100 * interval->high);
  if (f.verdict == Verdict::kCannotTell) f.to_settle = "More wrong answers: more test problems.";
  return f;
}

Finding SpeedChange(const RunRecords& run) {
  Finding f;
  f.key = "speed_change";
  f.hypothesis = "Training changed how fast the model computes.";
  f.rule =
      "seconds an answer = tokens an answer x seconds a step / tokens a step; not supported where "
      "seconds a step changed by less than 10 % at equal threads and contexts within 10 %; a "
      "larger "
      "change needs timings on a quiet machine, because one timing each cannot tell weights from "
      "load";
  const BasePair pair = GreedyPair(run);
  if (!pair) {
    f.reason = "The run has no test results of both the base and the final model.";
    f.to_settle = "Let the run finish: pawl run ... --resume";
    return f;
  }
  const Json &a = pair.base->summary, &b = pair.after->summary;
  const auto ratio = [&](const char* key) -> std::optional<double> {
    const auto x = NumberAt(a, key), y = NumberAt(b, key);
    return x && y && *x > 0 ? std::optional(*y / *x) : std::nullopt;
  };
  const auto add = [&](std::string name, std::optional<double> value, std::string unit) {
    Measurement m;
    m.name = std::move(name);
    m.value = value;
    m.unit = std::move(unit);
    m.source = SourceOf(run, *pair.after);
    f.measurements.push_back(std::move(m));
  };
  const auto tokens = ratio("mean_tokens"), rate = ratio("tokens_per_second"),
             together = ratio("mean_batch"), context = ratio("mean_context");
  const auto thread_count = [](const BenchRecord& bench) {
    return IntAt(bench.settings, "threads");
  };
  const auto threads = thread_count(*pair.base), threads_after = thread_count(*pair.after);
  if (!tokens || !rate || !together || !context || *rate <= 0 || *together <= 0) {
    f.reason = "The results have no decode times, token counts or batches.";
    f.to_settle = "pawl bench of both models on this machine.";
    return f;
  }
  // tokens/s = tokens a step / seconds a step
  const double step = *together / *rate;
  add("tokens an answer, final / base", tokens, "ratio");
  add("tokens a step (sequences decoded together), final / base", together, "ratio");
  add("seconds a step, final / base", step, "ratio");
  add("decode seconds an answer, final / base: tokens x seconds a step / tokens a step",
      *tokens * step / *together, "ratio");
  add("length of context, final / base (a cause of seconds a step)", context, "ratio");
  if (threads && threads_after && *threads > 0) {
    add("threads, final / base",
        static_cast<double>(*threads_after) / static_cast<double>(*threads), "ratio");
  }
  const bool same = threads == threads_after && *context > 0.9 && *context < 1.1;
  const bool small = step > 0.9 && step < 1.1;
  f.reason = fmt::format(
      "Answers have {:.2f} times the tokens; {:.2f} times as many are decoded together; a step "
      "takes "
      "{:.2f} times as long, with {:.2f} times the context{}.",
      *tokens, *together, step, *context,
      threads == threads_after ? "" : ", on another number of threads");
  if (same && small) {
    f.verdict = Verdict::kNotSupported;
  } else {
    f.to_settle = "pawl speed --model DIR for both models, on a quiet machine.";
  }
  return f;
}

}  // namespace pawl
