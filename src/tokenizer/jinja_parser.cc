#include "tokenizer/jinja_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tokenizer/jinja_lexer.h"

namespace pawl::jinja {
namespace {

constexpr int kMaxDepth = 200;

ExpressionPtr Make(ExpressionKind kind, std::string name = "") {
  auto e = std::make_unique<Expression>();
  e->kind = kind;
  e->name = std::move(name);
  return e;
}

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<Statements> Template() {
    PAWL_ASSIGN(Statements body, Body({}));
    return body;
  }

 private:
  const Token& Now() const { return tokens_[at_]; }
  bool Is(TokenKind kind, std::string_view text) const {
    return Now().kind == kind && Now().text == text;
  }
  bool IsOperator(std::string_view text) const { return Is(TokenKind::kOperator, text); }
  bool IsName(std::string_view text) const { return Is(TokenKind::kName, text); }
  bool Accept(TokenKind kind, std::string_view text) {
    if (!Is(kind, text)) return false;
    ++at_;
    return true;
  }
  bool AcceptOperator(std::string_view text) { return Accept(TokenKind::kOperator, text); }
  bool AcceptName(std::string_view text) { return Accept(TokenKind::kName, text); }
  tl::unexpected<Error> Bad(const std::string& what) const {
    return BadFile(fmt::format("template line {}: {}", Now().line, what));
  }
  Status Need(TokenKind kind, std::string_view text, const char* what) {
    if (!Accept(kind, text)) return Bad(fmt::format("expected {}, found \"{}\"", what, Now().text));
    return {};
  }
  Status NeedOperator(std::string_view text) {
    return Need(TokenKind::kOperator, text, std::string(text).c_str());
  }
  Status EndBlock() { return Need(TokenKind::kBlockEnd, "", "%}"); }
  Result<std::string> Name() {
    if (Now().kind != TokenKind::kName)
      return Bad(fmt::format("expected a name, found \"{}\"", Now().text));
    return tokens_[at_++].text;
  }

  // Statements up to a block whose first word is among `ends`; that word has been read then.
  Result<Statements> Body(const std::vector<std::string>& ends) {
    Statements body;
    for (;;) {
      switch (Now().kind) {
        case TokenKind::kEnd:
          if (!ends.empty()) return Bad(fmt::format("expected {{% {} %}}", ends.back()));
          return body;
        case TokenKind::kText: {
          Statement s;
          s.text = tokens_[at_++].text;
          body.push_back(std::move(s));
          break;
        }
        case TokenKind::kOutputBegin: {
          ++at_;
          Statement s;
          s.kind = StatementKind::kOutput;
          PAWL_ASSIGN(s.expression, TupleOrExpression());
          PAWL_TRY(Need(TokenKind::kOutputEnd, "", "}}"));
          body.push_back(std::move(s));
          break;
        }
        default: {
          ++at_;
          PAWL_ASSIGN(const std::string word, Name());
          if (std::find(ends.begin(), ends.end(), word) != ends.end()) {
            end_word_ = word;
            return body;
          }
          if (++depth_ > kMaxDepth) return Bad("blocks are nested too deeply");
          PAWL_ASSIGN(Statement s, Block(word));
          --depth_;
          body.push_back(std::move(s));
        }
      }
    }
  }

  Result<Statement> Block(const std::string& word) {
    if (word == "if") return If();
    if (word == "for") return For();
    if (word == "set") return Set();
    if (word == "macro") return Macro();
    Statement s;
    if (word == "break" || word == "continue") {
      s.kind = word == "break" ? StatementKind::kBreak : StatementKind::kContinue;
      PAWL_TRY(EndBlock());
      return s;
    }
    if (word == "generation") {  // marks assistant text for training masks; renders its body
      s.kind = StatementKind::kBlock;
      PAWL_TRY(EndBlock());
      PAWL_ASSIGN(s.body, Body({"endgeneration"}));
      PAWL_TRY(EndBlock());
      return s;
    }
    return Bad(fmt::format("{{% {} %}} is not supported", word));
  }

  Result<Statement> If() {
    Statement s;
    s.kind = StatementKind::kIf;
    for (;;) {
      PAWL_ASSIGN(ExpressionPtr condition, TupleOrExpression());
      PAWL_TRY(EndBlock());
      PAWL_ASSIGN(Statements body, Body({"elif", "else", "endif"}));
      s.branches.emplace_back(std::move(condition), std::move(body));
      if (end_word_ != "elif") break;
    }
    if (end_word_ == "else") {
      PAWL_TRY(EndBlock());
      PAWL_ASSIGN(s.otherwise, Body({"endif"}));
    }
    PAWL_TRY(EndBlock());
    return s;
  }

  Result<Statement> For() {
    Statement s;
    s.kind = StatementKind::kFor;
    const bool parenthesis = AcceptOperator("(");
    do {
      PAWL_ASSIGN(std::string name, Name());
      s.names.push_back(std::move(name));
    } while (AcceptOperator(","));
    if (parenthesis) PAWL_TRY(NeedOperator(")"));
    if (!AcceptName("in")) return Bad("expected in");
    PAWL_ASSIGN(s.expression, Or());
    if (AcceptName("if")) {
      PAWL_ASSIGN(s.condition, ConditionalExpression());
    }
    if (IsName("recursive")) return Bad("{% for ... recursive %} is not supported");
    PAWL_TRY(EndBlock());
    PAWL_ASSIGN(s.body, Body({"else", "endfor"}));
    if (end_word_ == "else") {
      PAWL_TRY(EndBlock());
      PAWL_ASSIGN(s.otherwise, Body({"endfor"}));
    }
    PAWL_TRY(EndBlock());
    return s;
  }

  Result<Statement> Set() {
    Statement s;
    s.kind = StatementKind::kSet;
    do {
      PAWL_ASSIGN(std::string name, Name());
      s.names.push_back(std::move(name));
    } while (AcceptOperator(","));
    if (AcceptOperator(".")) {
      PAWL_ASSIGN(s.attribute, Name());
    }
    if (AcceptOperator("=")) {
      PAWL_ASSIGN(s.expression, TupleOrExpression());
      PAWL_TRY(EndBlock());
      return s;
    }
    s.kind = StatementKind::kSetBlock;
    if (IsOperator("|")) return Bad("{% set name | filter %} is not supported");
    PAWL_TRY(EndBlock());
    PAWL_ASSIGN(s.body, Body({"endset"}));
    PAWL_TRY(EndBlock());
    return s;
  }

  Result<Statement> Macro() {
    Statement s;
    s.kind = StatementKind::kMacro;
    PAWL_ASSIGN(s.text, Name());
    PAWL_TRY(NeedOperator("("));
    while (!AcceptOperator(")")) {
      PAWL_ASSIGN(std::string name, Name());
      s.names.push_back(std::move(name));
      if (AcceptOperator("=")) {
        PAWL_ASSIGN(ExpressionPtr value, ConditionalExpression());
        s.defaults.push_back(std::move(value));
      }
      if (!IsOperator(")")) PAWL_TRY(NeedOperator(","));
    }
    PAWL_TRY(EndBlock());
    PAWL_ASSIGN(s.body, Body({"endmacro"}));
    if (Now().kind == TokenKind::kName) ++at_;
    PAWL_TRY(EndBlock());
    return s;
  }

  // a, b, c without parentheses is a tuple.
  Result<ExpressionPtr> TupleOrExpression() {
    PAWL_ASSIGN(ExpressionPtr first, ConditionalExpression());
    if (!IsOperator(",")) return first;
    ExpressionPtr tuple = Make(ExpressionKind::kTuple);
    tuple->items.push_back(std::move(first));
    while (AcceptOperator(",")) {
      if (Now().kind == TokenKind::kBlockEnd || Now().kind == TokenKind::kOutputEnd ||
          IsOperator(")"))
        break;
      PAWL_ASSIGN(ExpressionPtr next, ConditionalExpression());
      tuple->items.push_back(std::move(next));
    }
    return tuple;
  }

  Result<ExpressionPtr> ConditionalExpression() {
    if (++depth_ > kMaxDepth) return Bad("an expression is nested too deeply");
    PAWL_ASSIGN(ExpressionPtr value, Or());
    while (AcceptName("if")) {
      ExpressionPtr e = Make(ExpressionKind::kConditional);
      PAWL_ASSIGN(ExpressionPtr condition, Or());
      e->items.push_back(std::move(value));
      e->items.push_back(std::move(condition));
      e->items.emplace_back();
      if (AcceptName("else")) {
        PAWL_ASSIGN(e->items[2], ConditionalExpression());
      }
      value = std::move(e);
    }
    --depth_;
    return value;
  }

  using Level = Result<ExpressionPtr> (Parser::*)();
  Result<ExpressionPtr> Chain(Level next, std::initializer_list<std::string_view> operators) {
    PAWL_ASSIGN(ExpressionPtr left, (this->*next)());
    for (;;) {
      const auto op = std::find_if(operators.begin(), operators.end(), [&](std::string_view o) {
        return IsOperator(o) || (o[0] >= 'a' && IsName(o));
      });
      if (op == operators.end()) return left;
      ++at_;
      ExpressionPtr e = Make(ExpressionKind::kBinary, std::string(*op));
      PAWL_ASSIGN(ExpressionPtr right, (this->*next)());
      e->items.push_back(std::move(left));
      e->items.push_back(std::move(right));
      left = std::move(e);
    }
  }

  Result<ExpressionPtr> Or() { return Chain(&Parser::And, {"or"}); }
  Result<ExpressionPtr> And() { return Chain(&Parser::Not, {"and"}); }
  Result<ExpressionPtr> Not() {
    if (!AcceptName("not")) return Comparison();
    if (++depth_ > kMaxDepth) return Bad("an expression is nested too deeply");
    ExpressionPtr e = Make(ExpressionKind::kUnary, "not");
    PAWL_ASSIGN(ExpressionPtr inner, Not());
    --depth_;
    e->items.push_back(std::move(inner));
    return e;
  }

  Result<ExpressionPtr> Comparison() {
    PAWL_ASSIGN(ExpressionPtr first, Sum());
    ExpressionPtr e;
    for (;;) {
      std::string op;
      for (const std::string_view known : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (AcceptOperator(known)) {
          op = known;
          break;
        }
      }
      if (op.empty() && AcceptName("in")) op = "in";
      if (op.empty() && IsName("not") && tokens_[at_ + 1].kind == TokenKind::kName &&
          tokens_[at_ + 1].text == "in") {
        at_ += 2;
        op = "not in";
      }
      if (op.empty()) break;
      if (!e) {
        e = Make(ExpressionKind::kCompare);
        e->items.push_back(std::move(first));
      }
      e->operators.push_back(op);
      PAWL_ASSIGN(ExpressionPtr next, Sum());
      e->items.push_back(std::move(next));
    }
    return e ? std::move(e) : std::move(first);
  }

  Result<ExpressionPtr> Sum() { return Chain(&Parser::Concatenation, {"+", "-"}); }
  Result<ExpressionPtr> Concatenation() { return Chain(&Parser::Product, {"~"}); }
  Result<ExpressionPtr> Product() { return Chain(&Parser::Unary, {"*", "//", "/", "%"}); }

  Result<ExpressionPtr> Unary() {
    for (const char* op : {"-", "+"}) {
      if (!AcceptOperator(op)) continue;
      if (++depth_ > kMaxDepth) return Bad("an expression is nested too deeply");
      ExpressionPtr e = Make(ExpressionKind::kUnary, op);
      PAWL_ASSIGN(ExpressionPtr inner, Unary());
      --depth_;
      e->items.push_back(std::move(inner));
      return e;
    }
    PAWL_ASSIGN(ExpressionPtr base, Primary());
    PAWL_ASSIGN(base, Postfix(std::move(base)));
    if (AcceptOperator("**")) {
      ExpressionPtr e = Make(ExpressionKind::kBinary, "**");
      PAWL_ASSIGN(ExpressionPtr power, Unary());
      e->items.push_back(std::move(base));
      e->items.push_back(std::move(power));
      base = std::move(e);
    }
    return FiltersAndTests(std::move(base));
  }

  Result<ExpressionPtr> Literal(Value value) {
    ++at_;
    ExpressionPtr e = Make(ExpressionKind::kLiteral);
    e->value = std::move(value);
    return e;
  }

  Result<ExpressionPtr> Primary() {
    const Token& t = Now();
    switch (t.kind) {
      case TokenKind::kString: {
        Text text(t.text);
        while (tokens_[at_ + 1].kind == TokenKind::kString) text.Append(Text(tokens_[++at_].text));
        return Literal(Value::String(std::move(text)));
      }
      case TokenKind::kInteger:
        if (t.text.size() > 18) return Bad("an integer has too many digits");
        return Literal(Value::Int(std::stoll(t.text)));
      case TokenKind::kFloat:
        return Literal(Value::Float(std::strtod(t.text.c_str(), nullptr)));
      case TokenKind::kName: {
        if (t.text == "true" || t.text == "True") return Literal(Value::Bool(true));
        if (t.text == "false" || t.text == "False") return Literal(Value::Bool(false));
        if (t.text == "none" || t.text == "None") return Literal(Value::None());
        ExpressionPtr e = Make(ExpressionKind::kName, t.text);
        ++at_;
        return e;
      }
      case TokenKind::kOperator:
        break;
      default:
        return Bad("expected an expression");
    }
    if (AcceptOperator("(")) return Parenthesis();
    if (AcceptOperator("[")) return Items("]", ExpressionKind::kList);
    if (AcceptOperator("{")) return DictLiteral();
    return Bad(fmt::format("expected an expression, found \"{}\"", t.text));
  }

  Result<ExpressionPtr> Parenthesis() {
    if (AcceptOperator(")")) return Make(ExpressionKind::kTuple);
    PAWL_ASSIGN(ExpressionPtr e, TupleOrExpression());
    PAWL_TRY(NeedOperator(")"));
    return e;
  }

  Result<ExpressionPtr> Items(std::string_view close, ExpressionKind kind) {
    ExpressionPtr e = Make(kind);
    while (!AcceptOperator(close)) {
      PAWL_ASSIGN(ExpressionPtr item, ConditionalExpression());
      e->items.push_back(std::move(item));
      if (!IsOperator(close)) PAWL_TRY(NeedOperator(","));
    }
    return e;
  }

  Result<ExpressionPtr> DictLiteral() {
    ExpressionPtr e = Make(ExpressionKind::kDict);
    while (!AcceptOperator("}")) {
      PAWL_ASSIGN(ExpressionPtr key, ConditionalExpression());
      PAWL_TRY(NeedOperator(":"));
      PAWL_ASSIGN(ExpressionPtr value, ConditionalExpression());
      e->items.push_back(std::move(key));
      e->items.push_back(std::move(value));
      if (!IsOperator("}")) PAWL_TRY(NeedOperator(","));
    }
    return e;
  }

  Result<ExpressionPtr> Postfix(ExpressionPtr base) {
    for (;;) {
      if (AcceptOperator(".")) {
        ExpressionPtr e;
        if (Now().kind == TokenKind::kInteger) {
          e = Make(ExpressionKind::kIndex);
          e->items.push_back(std::move(base));
          PAWL_ASSIGN(ExpressionPtr index, Primary());
          e->items.push_back(std::move(index));
        } else {
          PAWL_ASSIGN(const std::string name, Name());
          e = Make(ExpressionKind::kAttribute, name);
          e->items.push_back(std::move(base));
        }
        base = std::move(e);
      } else if (AcceptOperator("[")) {
        PAWL_ASSIGN(base, Subscript(std::move(base)));
      } else if (AcceptOperator("(")) {
        ExpressionPtr e = Make(ExpressionKind::kCall);
        e->items.push_back(std::move(base));
        PAWL_ASSIGN(e->arguments, ReadArguments());
        base = std::move(e);
      } else {
        return base;
      }
    }
  }

  Result<ExpressionPtr> Subscript(ExpressionPtr base) {
    std::array<ExpressionPtr, 3> parts;
    std::size_t part = 0;
    bool slice = false;
    while (!IsOperator("]")) {
      if (AcceptOperator(":")) {
        slice = true;
        if (++part > 2) return Bad("a slice has more than three parts");
        continue;
      }
      PAWL_ASSIGN(parts[part], TupleOrExpression());
      if (!IsOperator("]") && !IsOperator(":")) return Bad("expected ] or :");
    }
    ++at_;
    if (!slice && !parts[0]) return Bad("expected an index");
    ExpressionPtr e = Make(slice ? ExpressionKind::kSlice : ExpressionKind::kIndex);
    e->items.push_back(std::move(base));
    for (std::size_t i = 0; i < (slice ? 3u : 1u); ++i) e->items.push_back(std::move(parts[i]));
    return e;
  }

  Result<CallArguments> ReadArguments() {
    CallArguments arguments;
    while (!AcceptOperator(")")) {
      if (IsOperator("*") || IsOperator("**")) return Bad("* and ** in a call are not supported");
      if (Now().kind == TokenKind::kName && tokens_[at_ + 1].kind == TokenKind::kOperator &&
          tokens_[at_ + 1].text == "=") {
        const std::string name = Now().text;
        at_ += 2;
        PAWL_ASSIGN(ExpressionPtr value, ConditionalExpression());
        arguments.named.emplace_back(name, std::move(value));
      } else {
        PAWL_ASSIGN(ExpressionPtr value, ConditionalExpression());
        arguments.positional.push_back(std::move(value));
      }
      if (!IsOperator(")")) PAWL_TRY(NeedOperator(","));
    }
    return arguments;
  }

  Result<ExpressionPtr> FiltersAndTests(ExpressionPtr base) {
    for (;;) {
      if (AcceptOperator("|")) {
        PAWL_ASSIGN(std::string name, Name());
        while (AcceptOperator(".")) {
          PAWL_ASSIGN(const std::string more, Name());
          name += "." + more;
        }
        ExpressionPtr e = Make(ExpressionKind::kFilter, name);
        e->items.push_back(std::move(base));
        if (AcceptOperator("(")) {
          PAWL_ASSIGN(e->arguments, ReadArguments());
        }
        base = std::move(e);
      } else if (AcceptName("is")) {
        const bool negated = AcceptName("not");
        PAWL_ASSIGN(const std::string name, Name());
        ExpressionPtr e = Make(ExpressionKind::kTest, name);
        e->negated = negated;
        e->items.push_back(std::move(base));
        PAWL_TRY(TestArguments(*e));
        base = std::move(e);
      } else if (IsOperator(".") || IsOperator("[") || IsOperator("(")) {
        PAWL_ASSIGN(base, Postfix(std::move(base)));
      } else {
        return base;
      }
    }
  }

  // A test takes its argument in parentheses or as the next primary.
  Status TestArguments(Expression& e) {
    if (AcceptOperator("(")) {
      PAWL_ASSIGN(e.arguments, ReadArguments());
      return {};
    }
    const Token& t = Now();
    const bool word = t.kind == TokenKind::kName && t.text != "and" && t.text != "or" &&
                      t.text != "else" && t.text != "if" && t.text != "is" && t.text != "in" &&
                      t.text != "not";
    if (word || t.kind == TokenKind::kString || t.kind == TokenKind::kInteger ||
        t.kind == TokenKind::kFloat || IsOperator("[") || IsOperator("{")) {
      PAWL_ASSIGN(ExpressionPtr argument, Primary());
      PAWL_ASSIGN(argument, Postfix(std::move(argument)));
      e.arguments.positional.push_back(std::move(argument));
    }
    return {};
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::string end_word_;
  int depth_ = 0;
};

}  // namespace

Result<Statements> Parse(std::string_view source) {
  PAWL_ASSIGN(std::vector<Token> tokens, Tokenize(source));
  return Parser(std::move(tokens)).Template();
}

}  // namespace pawl::jinja
