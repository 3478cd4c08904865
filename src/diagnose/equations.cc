#include "diagnose/equations.h"

#include "diagnose/tokens.h"

namespace pawl {
namespace {

constexpr int kMostUnits = 3;  // words after a number that may be its unit
constexpr int kDeepestBracket = 32;

// Reads sums of products from a place in the tokens.  `value` absent: undefined or too large.
class Reader {
 public:
  explicit Reader(const std::vector<EquationToken>& tokens) : tokens_(tokens) {}

  struct Read {
    std::optional<Fraction> value;
    std::vector<Fraction> operands;
    int operators = 0, decimals = 0;
    bool divided_by_zero = false;
    std::size_t end = 0;  // first token after it
  };
  // nullopt: no expression stands here.
  std::optional<Read> Expression(std::size_t begin) {
    at_ = begin;
    read_ = {};
    std::optional<Fraction> value;
    if (!Sum(value, 0)) return std::nullopt;
    read_.value = value;
    read_.end = at_;
    return read_;
  }

 private:
  bool Is(std::size_t i, TokenKind kind) const {
    return i < tokens_.size() && tokens_[i].kind == kind;
  }

  // An operator at `at_` that is followed by something to work on.
  char Operator() const {
    if (at_ >= tokens_.size()) return 0;
    const EquationToken& token = tokens_[at_];
    if (token.kind == TokenKind::kOperator) return token.op;
    const bool between =
        token.op == 'x' && (Is(at_ + 1, TokenKind::kNumber) || Is(at_ + 1, TokenKind::kOpen));
    return between ? '*' : 0;
  }

  std::optional<Fraction> Apply(char op, const std::optional<Fraction>& a,
                                const std::optional<Fraction>& b) {
    ++read_.operators;
    if (!a || !b) return std::nullopt;
    switch (op) {
      case '+':
        return Add(*a, *b);
      case '-':
        return Subtract(*a, *b);
      case '*':
        return Multiply(*a, *b);
      default:
        read_.divided_by_zero = read_.divided_by_zero || b->numerator == 0;
        return Divide(*a, *b);
    }
  }

  // Left to right over operators of one precedence; an operator without a right side is left.
  template <class Next>
  bool Chain(std::optional<Fraction>& value, std::string_view operators, const Next& next) {
    if (!next(value)) return false;
    for (char op = Operator(); op != 0 && operators.find(op) != std::string_view::npos;
         op = Operator()) {
      const std::size_t before = at_++;
      std::optional<Fraction> right;
      if (!next(right)) {
        at_ = before;
        break;
      }
      value = Apply(op, value, right);
    }
    return true;
  }
  bool Sum(std::optional<Fraction>& value, int depth) {
    return Chain(value, "+-", [&](auto& v) { return Product(v, depth); });
  }
  bool Product(std::optional<Fraction>& value, int depth) {
    return Chain(value, "*/", [&](auto& v) { return Factor(v, depth); });
  }

  bool Factor(std::optional<Fraction>& value, int depth) {
    if (depth > kDeepestBracket) return false;
    const std::size_t begin = at_;
    bool negative = false;
    if (Is(at_, TokenKind::kOperator) && tokens_[at_].op == '-') {
      negative = true;
      ++at_;
    }
    if (Is(at_, TokenKind::kOpen)) {
      ++at_;
      if (!Sum(value, depth + 1) || !Is(at_, TokenKind::kClose)) {
        at_ = begin;
        return false;
      }
      ++at_;
    } else if (Is(at_, TokenKind::kNumber)) {
      value = tokens_[at_].value;
      if (value) read_.operands.push_back(*value);
      read_.decimals = tokens_[at_].decimals;
      ++at_;
    } else {
      at_ = begin;
      return false;
    }
    if (Is(at_, TokenKind::kPercent)) {
      if (value) value = Divide(*value, {100, 1});
      read_.decimals += 2;
      ++at_;
    }
    if (negative && value) value->numerator = -value->numerator;
    SkipUnit();
    return true;
  }

  // Words after a number count as its unit where an operator, '=' or bracket follows them.
  void SkipUnit() {
    std::size_t end = at_;
    while (end < tokens_.size() && tokens_[end].kind == TokenKind::kWord &&
           end - at_ <= kMostUnits) {
      if (tokens_[end].op == 'x' && Is(end + 1, TokenKind::kNumber)) break;
      ++end;
    }
    if (end == at_ || end - at_ > kMostUnits || end >= tokens_.size()) return;
    const TokenKind kind = tokens_[end].kind;
    if (kind == TokenKind::kOperator || kind == TokenKind::kEquals || kind == TokenKind::kClose ||
        tokens_[end].op == 'x') {
      at_ = end;
    }
  }

  const std::vector<EquationToken>& tokens_;
  std::size_t at_ = 0;
  Read read_;
};

// |left - right| at most half a unit of the last digit that is written on the right.
bool IsRounded(Fraction left, Fraction right, int decimals) {
  const auto difference = Subtract(left, right);
  if (!difference) return false;
  Fraction twice{2, 1};
  for (int i = 0; i < decimals; ++i) {
    const auto more = Multiply(twice, {10, 1});
    if (!more) return false;
    twice = *more;
  }
  const auto scaled = Multiply(*difference, twice);
  if (!scaled) return false;
  const Int128 size = scaled->numerator < 0 ? -scaled->numerator : scaled->numerator;
  return size <= scaled->denominator;
}

EquationCheck Judge(const Reader::Read& left, const Reader::Read& right) {
  if (left.divided_by_zero || right.divided_by_zero) return EquationCheck::kWrong;
  if (!left.value || !right.value) return EquationCheck::kTooLarge;
  if (*left.value == *right.value) return EquationCheck::kRight;
  return right.operators == 0 && IsRounded(*left.value, *right.value, right.decimals)
             ? EquationCheck::kRounded
             : EquationCheck::kWrong;
}

}  // namespace

std::vector<CheckedEquation> CheckEquations(std::string_view text) {
  const std::vector<EquationToken> tokens = EquationTokens(text);
  std::vector<CheckedEquation> equations;
  Reader reader(tokens);
  for (std::size_t at = 0; at < tokens.size();) {
    const auto left = reader.Expression(at);
    if (!left) {
      ++at;
      continue;
    }
    const bool equals = left->end < tokens.size() && tokens[left->end].kind == TokenKind::kEquals;
    const auto right = equals ? reader.Expression(left->end + 1) : std::nullopt;
    if (!right) {
      at = left->end;
      continue;
    }
    if (left->operators > 0) {
      CheckedEquation equation;
      const std::size_t begin = tokens[at].begin;
      equation.text = std::string(text.substr(begin, tokens[right->end - 1].end - begin));
      equation.check = Judge(*left, *right);
      equation.operands = left->operands;
      equation.result = right->value.value_or(Fraction{});
      equations.push_back(std::move(equation));
    }
    at = left->end + 1;  // the right side may be the left one of the next '='
  }
  return equations;
}

}  // namespace pawl
