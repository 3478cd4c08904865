#include "tokenizer/jinja_expression_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace pawl::jinja {
namespace {

constexpr int kMaxNesting = 100;          // of blocks and parentheses in the source
constexpr int kMaxExpressionDepth = 200;  // of trees: a + b + c ... is as deep as it is long

ExpressionPtr Make(ExpressionKind kind, std::string name = "") {
  auto e = std::make_unique<Expression>();
  e->kind = kind;
  e->name = std::move(name);
  return e;
}

ExpressionPtr MakeOver(ExpressionKind kind, std::string name, ExpressionPtr first,
                       ExpressionPtr second = nullptr) {
  ExpressionPtr e = Make(kind, std::move(name));
  e->items.push_back(std::move(first));
  if (second) e->items.push_back(std::move(second));
  return e;
}

}  // namespace

tl::unexpected<Error> ExpressionParser::Bad(const std::string& what) const {
  return BadFile(fmt::format("template line {}: {}", Now().line, what));
}

bool ExpressionParser::Accept(TokenKind kind, std::string_view text) {
  if (!Is(kind, text)) return false;
  Take();
  return true;
}

Status ExpressionParser::Need(TokenKind kind, std::string_view text, const char* what) {
  if (Accept(kind, text)) return {};
  return Bad(fmt::format("expected {}, found \"{}\"", what, Now().text));
}

Status ExpressionParser::NeedOperator(std::string_view text) {
  return Need(TokenKind::kOperator, text, std::string(text).c_str());
}

Result<std::string> ExpressionParser::Name() {
  if (Now().kind == TokenKind::kName) return Take().text;
  return Bad(fmt::format("expected a name, found \"{}\"", Now().text));
}

Status ExpressionParser::Enter() {
  if (++depth_ <= kMaxNesting) return {};
  return Bad(fmt::format("nested deeper than {} levels", kMaxNesting));
}

Result<ExpressionPtr> ExpressionParser::Finished(ExpressionPtr e) const {
  const auto below = [&](const ExpressionPtr& child) {
    if (child) e->depth = std::max(e->depth, child->depth + 1);
  };
  for (const ExpressionPtr& child : e->items) below(child);
  for (const ExpressionPtr& child : e->arguments.positional) below(child);
  for (const auto& [name, child] : e->arguments.named) below(child);
  if (e->depth <= kMaxExpressionDepth) return e;
  return Bad(fmt::format("an expression is deeper than {} operations", kMaxExpressionDepth));
}

Result<ExpressionPtr> ExpressionParser::TupleOrExpression() {
  PAWL_ASSIGN(ExpressionPtr first, ConditionalExpression());
  if (!IsOperator(",")) return first;
  ExpressionPtr tuple = MakeOver(ExpressionKind::kTuple, "", std::move(first));
  while (AcceptOperator(",")) {
    const bool end = Now().kind == TokenKind::kBlockEnd || Now().kind == TokenKind::kOutputEnd ||
                     IsOperator(")") || IsOperator("]");
    if (end) break;
    PAWL_ASSIGN(ExpressionPtr next, ConditionalExpression());
    tuple->items.push_back(std::move(next));
  }
  return Finished(std::move(tuple));
}

Result<ExpressionPtr> ExpressionParser::ConditionalExpression() {
  PAWL_TRY(Enter());
  PAWL_ASSIGN(ExpressionPtr value, Or());
  while (AcceptName("if")) {
    PAWL_ASSIGN(ExpressionPtr condition, Or());
    ExpressionPtr e =
        MakeOver(ExpressionKind::kConditional, "", std::move(value), std::move(condition));
    e->items.emplace_back();
    if (AcceptName("else")) {
      PAWL_ASSIGN(e->items[2], ConditionalExpression());
    }
    PAWL_ASSIGN(value, Finished(std::move(e)));
  }
  Leave();
  return value;
}

Result<ExpressionPtr> ExpressionParser::Chain(Level next,
                                              std::initializer_list<std::string_view> operators) {
  PAWL_ASSIGN(ExpressionPtr left, (this->*next)());
  for (;;) {
    const auto op = std::find_if(operators.begin(), operators.end(), [&](std::string_view o) {
      return IsOperator(o) || (o[0] >= 'a' && o[0] <= 'z' && IsName(o));
    });
    if (op == operators.end()) return left;
    Take();
    PAWL_ASSIGN(ExpressionPtr right, (this->*next)());
    PAWL_ASSIGN(left, Finished(MakeOver(ExpressionKind::kBinary, std::string(*op), std::move(left),
                                        std::move(right))));
  }
}

Result<ExpressionPtr> ExpressionParser::Or() { return Chain(&ExpressionParser::And, {"or"}); }
Result<ExpressionPtr> ExpressionParser::And() { return Chain(&ExpressionParser::Not, {"and"}); }

Result<ExpressionPtr> ExpressionParser::Not() {
  if (!AcceptName("not")) return Comparison();
  PAWL_TRY(Enter());
  PAWL_ASSIGN(ExpressionPtr inner, Not());
  Leave();
  return Finished(MakeOver(ExpressionKind::kUnary, "not", std::move(inner)));
}

std::string ExpressionParser::ComparisonOperator() {
  for (const char* known : {"==", "!=", "<=", ">=", "<", ">"}) {
    if (AcceptOperator(known)) return known;
  }
  if (AcceptName("in")) return "in";
  if (IsName("not") && Ahead().kind == TokenKind::kName && Ahead().text == "in") {
    Take();
    Take();
    return "not in";
  }
  return "";
}

Result<ExpressionPtr> ExpressionParser::Comparison() {
  PAWL_ASSIGN(ExpressionPtr first, Sum());
  std::string op = ComparisonOperator();
  if (op.empty()) return first;
  ExpressionPtr e = MakeOver(ExpressionKind::kCompare, "", std::move(first));
  for (; !op.empty(); op = ComparisonOperator()) {
    e->operators.push_back(op);
    PAWL_ASSIGN(ExpressionPtr next, Sum());
    e->items.push_back(std::move(next));
  }
  return Finished(std::move(e));
}

Result<ExpressionPtr> ExpressionParser::Sum() {
  return Chain(&ExpressionParser::Concatenation, {"+", "-"});
}
Result<ExpressionPtr> ExpressionParser::Concatenation() {
  return Chain(&ExpressionParser::Product, {"~"});
}
Result<ExpressionPtr> ExpressionParser::Product() {
  return Chain(&ExpressionParser::Power, {"*", "//", "/", "%"});
}
Result<ExpressionPtr> ExpressionParser::Power() { return Chain(&ExpressionParser::Unary, {"**"}); }
Result<ExpressionPtr> ExpressionParser::Unary() { return Signed(true); }

// Filters bind weaker than a sign, attributes and calls stronger: -x.y|abs is (-(x.y))|abs.
Result<ExpressionPtr> ExpressionParser::Signed(bool with_filters) {
  ExpressionPtr e;
  if (IsOperator("-") || IsOperator("+")) {
    const std::string sign = Take().text;
    PAWL_TRY(Enter());
    PAWL_ASSIGN(ExpressionPtr inner, Signed(false));
    Leave();
    PAWL_ASSIGN(e, Finished(MakeOver(ExpressionKind::kUnary, sign, std::move(inner))));
  } else {
    PAWL_ASSIGN(e, Primary());
    PAWL_ASSIGN(e, Postfix(std::move(e)));
  }
  if (!with_filters) return e;
  return FiltersAndTests(std::move(e));
}

Result<ExpressionPtr> ExpressionParser::Literal(Value value) {
  Take();
  ExpressionPtr e = Make(ExpressionKind::kLiteral);
  e->value = std::move(value);
  return e;
}

Result<ExpressionPtr> ExpressionParser::Integer() {
  const std::string& text = Now().text;
  const bool prefixed = text.size() > 2 && text[0] == '0' && text[1] > '9';
  const int base = !prefixed                          ? 10
                   : text[1] == 'x' || text[1] == 'X' ? 16
                   : text[1] == 'o' || text[1] == 'O' ? 8
                                                      : 2;
  const char* begin = text.data() + (prefixed ? 2 : 0);
  const char* end = text.data() + text.size();
  long long value = 0;
  const auto read = std::from_chars(begin, end, value, base);
  if (read.ec != std::errc() || read.ptr != end) {
    return Bad(fmt::format("\"{}\" is not an integer of 64 bits", text));
  }
  return Literal(Value::Int(value));
}

Result<ExpressionPtr> ExpressionParser::Primary() {
  const Token& t = Now();
  switch (t.kind) {
    case TokenKind::kString: {
      Text text(t.text);
      while (Ahead().kind == TokenKind::kString) {
        Take();
        text.Append(Now().text);
      }
      return Literal(Value::String(std::move(text)));
    }
    case TokenKind::kInteger:
      return Integer();
    case TokenKind::kFloat:
      return Literal(Value::Float(std::strtod(t.text.c_str(), nullptr)));
    case TokenKind::kName:
      if (t.text == "true" || t.text == "True") return Literal(Value::Bool(true));
      if (t.text == "false" || t.text == "False") return Literal(Value::Bool(false));
      if (t.text == "none" || t.text == "None") return Literal(Value::None());
      return Make(ExpressionKind::kName, Take().text);
    case TokenKind::kOperator:
      break;
    default:
      return Bad("expected an expression");
  }
  if (AcceptOperator("(")) return Parenthesis();
  if (AcceptOperator("[")) return ListLiteral();
  if (AcceptOperator("{")) return DictLiteral();
  return Bad(fmt::format("expected an expression, found \"{}\"", t.text));
}

Result<ExpressionPtr> ExpressionParser::Parenthesis() {
  if (AcceptOperator(")")) return Make(ExpressionKind::kTuple);
  PAWL_ASSIGN(ExpressionPtr e, TupleOrExpression());
  PAWL_TRY(NeedOperator(")"));
  return e;
}

Result<ExpressionPtr> ExpressionParser::ListLiteral() {
  ExpressionPtr e = Make(ExpressionKind::kList);
  while (!AcceptOperator("]")) {
    PAWL_ASSIGN(ExpressionPtr item, ConditionalExpression());
    e->items.push_back(std::move(item));
    if (!IsOperator("]")) PAWL_TRY(NeedOperator(","));
  }
  return Finished(std::move(e));
}

Result<ExpressionPtr> ExpressionParser::DictLiteral() {
  ExpressionPtr e = Make(ExpressionKind::kDict);
  while (!AcceptOperator("}")) {
    PAWL_ASSIGN(ExpressionPtr key, ConditionalExpression());
    PAWL_TRY(NeedOperator(":"));
    PAWL_ASSIGN(ExpressionPtr value, ConditionalExpression());
    e->items.push_back(std::move(key));
    e->items.push_back(std::move(value));
    if (!IsOperator("}")) PAWL_TRY(NeedOperator(","));
  }
  return Finished(std::move(e));
}

Result<ExpressionPtr> ExpressionParser::Postfix(ExpressionPtr base) {
  for (;;) {
    if (AcceptOperator(".")) {
      if (Now().kind == TokenKind::kInteger) {
        PAWL_ASSIGN(ExpressionPtr index, Integer());
        base = MakeOver(ExpressionKind::kIndex, "", std::move(base), std::move(index));
      } else {
        PAWL_ASSIGN(std::string name, Name());
        base = MakeOver(ExpressionKind::kAttribute, std::move(name), std::move(base));
      }
    } else if (AcceptOperator("[")) {
      PAWL_ASSIGN(base, Subscript(std::move(base)));
    } else if (AcceptOperator("(")) {
      base = MakeOver(ExpressionKind::kCall, "", std::move(base));
      PAWL_ASSIGN(base->arguments, ReadArguments());
    } else {
      return base;
    }
    PAWL_ASSIGN(base, Finished(std::move(base)));
  }
}

Result<ExpressionPtr> ExpressionParser::Subscript(ExpressionPtr base) {
  std::array<ExpressionPtr, 3> parts;
  std::size_t part = 0;
  bool slice = false;
  while (!IsOperator("]")) {
    if (AcceptOperator(":")) {
      slice = true;
      if (++part > 2) return Bad("a slice has more than three parts");
      continue;
    }
    if (parts[part]) return Bad("expected ] or :");
    PAWL_ASSIGN(parts[part], TupleOrExpression());
  }
  Take();
  if (!slice && !parts[0]) return Bad("expected an index");
  ExpressionPtr e =
      MakeOver(slice ? ExpressionKind::kSlice : ExpressionKind::kIndex, "", std::move(base));
  for (std::size_t i = 0; i < (slice ? 3u : 1u); ++i) e->items.push_back(std::move(parts[i]));
  return e;
}

Result<CallArguments> ExpressionParser::ReadArguments() {
  CallArguments arguments;
  while (!AcceptOperator(")")) {
    if (IsOperator("*") || IsOperator("**")) return Bad("* and ** in a call are not supported");
    const bool named = Now().kind == TokenKind::kName && Ahead().kind == TokenKind::kOperator &&
                       Ahead().text == "=";
    if (named) {
      std::string name = Take().text;
      Take();
      PAWL_ASSIGN(ExpressionPtr value, ConditionalExpression());
      arguments.named.emplace_back(std::move(name), std::move(value));
    } else {
      PAWL_ASSIGN(ExpressionPtr value, ConditionalExpression());
      arguments.positional.push_back(std::move(value));
    }
    if (!IsOperator(")")) PAWL_TRY(NeedOperator(","));
  }
  return arguments;
}

Result<ExpressionPtr> ExpressionParser::FiltersAndTests(ExpressionPtr base) {
  for (;;) {
    if (AcceptOperator("|")) {
      PAWL_ASSIGN(std::string name, Name());
      base = MakeOver(ExpressionKind::kFilter, std::move(name), std::move(base));
      if (AcceptOperator("(")) {
        PAWL_ASSIGN(base->arguments, ReadArguments());
      }
    } else if (AcceptName("is")) {
      const bool negated = AcceptName("not");
      PAWL_ASSIGN(std::string name, Name());
      base = MakeOver(ExpressionKind::kTest, std::move(name), std::move(base));
      base->negated = negated;
      PAWL_TRY(TestArguments(base.get()));
    } else if (IsOperator("(")) {
      PAWL_ASSIGN(base, Postfix(std::move(base)));
    } else {
      return base;
    }
    PAWL_ASSIGN(base, Finished(std::move(base)));
  }
}

// A test takes its argument in parentheses or as the next primary.
Status ExpressionParser::TestArguments(Expression* e) {
  if (AcceptOperator("(")) {
    PAWL_ASSIGN(e->arguments, ReadArguments());
    return {};
  }
  constexpr std::array<std::string_view, 7> kWords = {"and", "or", "else", "if", "is", "in", "not"};
  const Token& t = Now();
  const bool word =
      t.kind == TokenKind::kName && std::find(kWords.begin(), kWords.end(), t.text) == kWords.end();
  const bool literal = t.kind == TokenKind::kString || t.kind == TokenKind::kInteger ||
                       t.kind == TokenKind::kFloat || IsOperator("[") || IsOperator("{");
  if (!word && !literal) return {};
  PAWL_ASSIGN(ExpressionPtr argument, Primary());
  PAWL_ASSIGN(argument, Postfix(std::move(argument)));
  e->arguments.positional.push_back(std::move(argument));
  return {};
}

}  // namespace pawl::jinja
