// What is wrong with an answer, decided by exact checks of what it writes.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "diagnose/equations.h"
#include "records/records.h"

namespace pawl {

// The first that applies, in this order.
enum class AnswerKind {
  kCorrect,
  kEmpty,          // no text at all
  kTruncated,      // cut at the token limit
  kForm,           // the last number is right; the answer is not in the form that the grader reads
  kArithmetic,     // an equation is wrong
  kForeignNumber,  // an operand is neither in the problem (digits, number words) nor a result
                   // before
  kLastStep,       // equations right, and one more + - * / of the last result with a number of the
                   // problem or an earlier result gives the right answer
  kPlan,           // equations right, and still another answer
  kNoEquation,     // no equation that could be checked
};
inline constexpr int kAnswerKinds = 9;
const char* AnswerKindName(AnswerKind kind);   // "correct", "wrong_arithmetic", ...
const char* AnswerKindWords(AnswerKind kind);  // "an equation is wrong"

struct AnswerCheck {
  AnswerKind kind = AnswerKind::kNoEquation;
  std::vector<CheckedEquation> equations;
};
// sample.completion must be present.
AnswerCheck CheckAnswer(const AnsweredProblem& problem, const AnswerSample& sample);

// Shares over the first answer of each problem that has a text:
// {"answers": n, "kinds": {name: {"count","share","wilson95"}},
//  "equations": {"total","right","rounded","wrong","too_large","wrong_share","wilson95"}}.
// Undefined shares are null.
Json AnswerShares(const BenchRecord& bench);

}  // namespace pawl
