#include "diagnose/answers.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>

#include "diagnose/finding.h"
#include "stats/intervals.h"

namespace pawl {
namespace {

// English number words: those below 20, the tens, and fractions and multiples with one meaning.
const std::map<std::string, Fraction, std::less<>>& NumberWords() {
  static const std::map<std::string, Fraction, std::less<>> words = [] {
    std::map<std::string, Fraction, std::less<>> map;
    constexpr std::array kSmall = {"zero",    "one",     "two",       "three",    "four",
                                   "five",    "six",     "seven",     "eight",    "nine",
                                   "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                   "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
    constexpr std::array kTens = {"twenty", "thirty",  "forty",  "fifty",
                                  "sixty",  "seventy", "eighty", "ninety"};
    for (std::size_t i = 0; i < kSmall.size(); ++i) map[kSmall[i]] = {static_cast<int>(i), 1};
    for (std::size_t i = 0; i < kTens.size(); ++i)
      map[kTens[i]] = {static_cast<int>(i) * 10 + 20, 1};
    for (const auto& [word, value] : {std::pair("hundred", 100),
                                      {"thousand", 1000},
                                      {"dozen", 12},
                                      {"once", 1},
                                      {"twice", 2},
                                      {"double", 2},
                                      {"triple", 3},
                                      {"thrice", 3},
                                      {"half", 2},
                                      {"third", 3},
                                      {"quarter", 4}}) {
      map[word] = {value, 1};
    }
    return map;
  }();
  return words;
}

std::vector<Fraction> ProblemNumbers(std::string_view question) {
  std::vector<Fraction> numbers = NumbersIn(question);
  std::string word;
  for (std::size_t i = 0; i <= question.size(); ++i) {
    const char c = i < question.size() ? question[i] : ' ';
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      continue;
    }
    const auto known = NumberWords().find(word);
    if (known != NumberWords().end()) numbers.push_back(known->second);
    word.clear();
  }
  return numbers;
}

bool Holds(const std::vector<Fraction>& numbers, const Fraction& x) {
  return std::find(numbers.begin(), numbers.end(), x) != numbers.end();
}

bool HasForeignNumber(const std::vector<CheckedEquation>& equations, std::vector<Fraction> known) {
  for (const CheckedEquation& equation : equations) {
    for (const Fraction& operand : equation.operands) {
      if (!Holds(known, operand)) return true;
    }
    known.push_back(equation.result);
  }
  return false;
}

// Whether one more operation on the last result and another number in sight gives `gold`.
bool OneStepShort(const std::vector<CheckedEquation>& equations, std::vector<Fraction> known,
                  const Fraction& gold) {
  const Fraction last = equations.back().result;
  for (std::size_t i = 0; i + 1 < equations.size(); ++i) known.push_back(equations[i].result);
  return std::any_of(known.begin(), known.end(), [&](const Fraction& x) {
    return Add(last, x) == gold || Subtract(last, x) == gold || Subtract(x, last) == gold ||
           Multiply(last, x) == gold || Divide(last, x) == gold || Divide(x, last) == gold;
  });
}

AnswerKind KindOfWrong(const AnsweredProblem& problem, const AnswerSample& sample,
                       const std::vector<CheckedEquation>& equations) {
  if (sample.completion->find_first_not_of(" \t\r\n") == std::string::npos) {
    return AnswerKind::kEmpty;
  }
  if (sample.truncated == true) return AnswerKind::kTruncated;
  const auto gold = ParseFraction(problem.gold);
  const auto numbers = NumbersIn(*sample.completion);
  if (gold && !numbers.empty() && numbers.back() == *gold) return AnswerKind::kForm;
  if (equations.empty()) return AnswerKind::kNoEquation;
  if (std::any_of(equations.begin(), equations.end(),
                  [](const CheckedEquation& e) { return e.check == EquationCheck::kWrong; })) {
    return AnswerKind::kArithmetic;
  }
  const auto known = ProblemNumbers(problem.question);
  if (HasForeignNumber(equations, known)) return AnswerKind::kForeignNumber;
  if (gold && OneStepShort(equations, known, *gold)) return AnswerKind::kLastStep;
  return AnswerKind::kPlan;
}

Json ShareJson(long long count, long long total) {
  return {
      {"count", count},
      {"share", total > 0 ? Json(static_cast<double>(count) / static_cast<double>(total)) : Json()},
      {"wilson95", IntervalJson(Wilson(count, total))}};
}

}  // namespace

const char* AnswerKindName(AnswerKind kind) {
  constexpr std::array kNames = {"correct",           "empty",
                                 "truncated",         "answer_format",
                                 "wrong_arithmetic",  "number_not_in_problem",
                                 "last_step_missing", "wrong_plan",
                                 "no_equation"};
  return kNames[static_cast<std::size_t>(kind)];
}

const char* AnswerKindWords(AnswerKind kind) {
  constexpr std::array kWords = {"correct",
                                 "no text",
                                 "cut at the token limit",
                                 "last number right, not in the grader's form",
                                 "an equation is wrong",
                                 "arithmetic right, a number that is not in the problem",
                                 "arithmetic right, the last step is missing",
                                 "arithmetic right, wrong plan",
                                 "no equation to check"};
  return kWords[static_cast<std::size_t>(kind)];
}

AnswerCheck CheckAnswer(const AnsweredProblem& problem, const AnswerSample& sample) {
  AnswerCheck check;
  check.equations = CheckEquations(*sample.completion);
  check.kind =
      sample.correct ? AnswerKind::kCorrect : KindOfWrong(problem, sample, check.equations);
  return check;
}

Json AnswerShares(const BenchRecord& bench) {
  std::array<long long, kAnswerKinds> kinds{};
  std::array<long long, 4> checks{};
  long long answers = 0, equations = 0;
  for (const AnsweredProblem& problem : bench.problems) {
    if (problem.samples.empty() || !problem.samples[0].completion) continue;
    const AnswerCheck check = CheckAnswer(problem, problem.samples[0]);
    ++answers;
    ++kinds[static_cast<std::size_t>(check.kind)];
    for (const CheckedEquation& equation : check.equations) {
      ++equations;
      ++checks[static_cast<std::size_t>(equation.check)];
    }
  }
  Json json{{"answers", answers}, {"kinds", Json::object()}};
  for (int k = 0; k < kAnswerKinds; ++k) {
    json["kinds"][AnswerKindName(static_cast<AnswerKind>(k))] =
        ShareJson(kinds[static_cast<std::size_t>(k)], answers);
  }
  const long long judged = equations - checks[3];
  const Json wrong = ShareJson(checks[2], judged);
  json["equations"] = {{"total", equations},
                       {"right", checks[0]},
                       {"rounded", checks[1]},
                       {"wrong", checks[2]},
                       {"too_large", checks[3]},
                       {"wrong_share", wrong.at("share")},
                       {"wilson95", wrong.at("wilson95")}};
  return json;
}

}  // namespace pawl
