#include "data/renumber.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace pawl {
namespace {

constexpr long long kLargest = 1'000'000'000;  // products of two stay exact
constexpr int kDraws = 200;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// A number in a text: [begin, end) of its characters.  value -1: not a whole number below kLargest.
struct Number {
  std::size_t begin = 0, end = 0;
  long long value = 0;
};

// "1,200" and "2.5" are one number each, so that their parts are not mistaken for others.
Number NumberAt(std::string_view text, std::size_t begin) {
  Number n{begin, begin, 0};
  bool whole = true;
  while (n.end < text.size()) {
    const char c = text[n.end];
    const bool digit_follows = n.end + 1 < text.size() && IsDigit(text[n.end + 1]);
    if (IsDigit(c)) {
      n.value = std::min(n.value * 10 + (c - '0'), kLargest + 1);
    } else if ((c == '.' || c == ',') && digit_follows) {
      whole = false;
    } else {
      break;
    }
    ++n.end;
  }
  if (!whole || n.value > kLargest) n.value = -1;
  return n;
}

std::vector<Number> NumbersOf(std::string_view text) {
  std::vector<Number> numbers;
  for (std::size_t i = 0; i < text.size();) {
    if (!IsDigit(text[i])) {
      ++i;
      continue;
    }
    numbers.push_back(NumberAt(text, i));
    i = numbers.back().end;
  }
  return numbers;
}

using Mapping = std::map<long long, long long>;  // old number -> new number

// Left to right: sums of products of numbers and brackets.  With a mapping, numbers in it are
// replaced by their new values.
class Expression {
 public:
  Expression(std::string_view text, const Mapping* mapping) : text_(text), mapping_(mapping) {}

  // The value of the whole text; absent where it is no such expression, has no operator, or leaves
  // the whole numbers.
  std::optional<long long> Value() {
    const auto value = Sum();
    Space();
    if (at_ != text_.size() || operators_ == 0) return std::nullopt;
    return value;
  }
  const std::vector<long long>& operands() const { return operands_; }

 private:
  void Space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  bool Take(char c) {
    Space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::optional<long long> Sum() {
    auto value = Term();
    while (value) {
      const bool plus = Take('+');
      if (!plus && !Take('-')) break;
      ++operators_;
      const auto next = Term();
      if (!next) return std::nullopt;
      value = Bounded(plus ? *value + *next : *value - *next);
    }
    return value;
  }
  std::optional<long long> Term() {
    auto value = Factor();
    while (value) {
      const bool times = Take('*');
      if (!times && !Take('/')) break;
      ++operators_;
      const auto next = Factor();
      if (!next || (!times && (*next == 0 || *value % *next != 0))) return std::nullopt;
      value = Bounded(times ? *value * *next : *value / *next);
    }
    return value;
  }
  std::optional<long long> Factor() {
    if (Take('(')) {
      if (++depth_ > 32) return std::nullopt;
      const auto value = Sum();
      --depth_;
      return Take(')') ? value : std::nullopt;
    }
    if (at_ >= text_.size() || !IsDigit(text_[at_])) return std::nullopt;
    const Number n = NumberAt(text_, at_);
    if (n.value < 0) return std::nullopt;
    at_ = n.end;
    operands_.push_back(n.value);
    if (mapping_ == nullptr) return n.value;
    const auto found = mapping_->find(n.value);
    return found == mapping_->end() ? n.value : found->second;
  }
  static std::optional<long long> Bounded(long long value) {
    return value > kLargest || value < -kLargest ? std::nullopt : std::optional(value);
  }

  std::string_view text_;
  const Mapping* mapping_;
  std::size_t at_ = 0;
  int operators_ = 0, depth_ = 0;
  std::vector<long long> operands_;
};

struct Equation {
  std::string_view left;
  long long result = 0;
  std::vector<long long> operands;
};

// The contents of all << >>, a line each.
std::string Annotations(std::string_view solution) {
  std::string out;
  for (std::size_t open = solution.find("<<"); open != std::string_view::npos;
       open = solution.find("<<", open + 2)) {
    const std::size_t close = solution.find(">>", open);
    if (close == std::string_view::npos) break;
    out += solution.substr(open + 2, close - open - 2);
    out += '\n';
  }
  return out;
}

// Every "expression = number" of the text; absent where one is wrong or cannot be read.  The
// equations point into it.
std::optional<std::vector<Equation>> EquationsOf(std::string_view solution) {
  constexpr std::string_view kLeft = "0123456789+-*/() ";
  std::vector<Equation> equations;
  for (std::size_t equals = solution.find('='); equals != std::string_view::npos;
       equals = solution.find('=', equals + 1)) {
    std::size_t begin = equals;
    while (begin > 0 && kLeft.find(solution[begin - 1]) != kLeft.npos) --begin;
    while (begin < equals && (solution[begin] == ' ' || solution[begin] == ')')) ++begin;
    std::size_t right = equals + 1;
    while (right < solution.size() && solution[right] == ' ') ++right;
    if (right >= solution.size() || !IsDigit(solution[right])) return std::nullopt;
    Equation equation{solution.substr(begin, equals - begin), NumberAt(solution, right).value, {}};
    Expression expression(equation.left, nullptr);
    const auto value = expression.Value();
    if (!value || *value != equation.result) return std::nullopt;
    equation.operands = expression.operands();
    equations.push_back(std::move(equation));
  }
  return equations;
}

// All equations under the new numbers, results added to the mapping.
bool Recompute(const std::vector<Equation>& equations, Mapping& mapping) {
  for (const Equation& equation : equations) {
    const auto value = Expression(equation.left, &mapping).Value();
    if (!value || *value < 1) return false;
    const auto [known, is_new] = mapping.emplace(equation.result, *value);
    if (!is_new && known->second != *value) return false;
  }
  return true;
}

std::string Replaced(std::string_view text, const Mapping& mapping) {
  std::string out;
  std::size_t copied = 0;
  for (const Number& n : NumbersOf(text)) {
    const auto found = mapping.find(n.value);
    if (found == mapping.end()) continue;
    out += text.substr(copied, n.begin - copied);
    out += std::to_string(found->second);
    copied = n.end;
  }
  return out += text.substr(copied);
}

}  // namespace

std::optional<Problem> Renumber(const Problem& problem, RandomStream& random) {
  const std::string annotations = Annotations(problem.solution);
  const auto equations = EquationsOf(annotations.empty() ? problem.solution : annotations);
  const auto answer = NumbersOf(problem.answer);
  if (!equations || equations->empty() || answer.size() != 1 || answer[0].value < 0 ||
      answer[0].end - answer[0].begin != problem.answer.size()) {
    return std::nullopt;
  }
  std::set<long long> given, used;
  for (const Number& n : NumbersOf(problem.question)) given.insert(n.value);
  for (const Equation& equation : *equations) {
    for (const long long operand : equation.operands) {
      if (operand > 0 && given.contains(operand)) used.insert(operand);
    }
  }
  for (int draw = 0; draw < kDraws && !used.empty(); ++draw) {
    Mapping mapping;
    for (const long long old : used) {
      // Of about the same size, so that the problem stays as hard.
      const long long reach = std::max(2LL, old / 4);
      const auto shift = static_cast<long long>(
          random.Below(static_cast<std::uint32_t>(std::min(2 * reach + 1, 1'000'000LL))));
      mapping[old] = std::max(2LL, old - reach + shift);
    }
    if (!Recompute(*equations, mapping)) continue;
    const auto new_answer = mapping.find(answer[0].value);
    if (new_answer == mapping.end() || new_answer->second == answer[0].value) continue;
    Problem changed = problem;
    changed.id += "-renumbered";
    changed.question = Replaced(problem.question, mapping);
    changed.solution = Replaced(problem.solution, mapping);
    changed.answer = std::to_string(new_answer->second);
    return changed;
  }
  return std::nullopt;
}

}  // namespace pawl
