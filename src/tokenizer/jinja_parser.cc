#include "tokenizer/jinja_parser.h"

#include <fmt/format.h>

#include <algorithm>

#include "tokenizer/jinja_expression_parser.h"
#include "tokenizer/jinja_lexer.h"

namespace pawl::jinja {
namespace {

class Parser : private ExpressionParser {
 public:
  explicit Parser(std::vector<Token> tokens) : ExpressionParser(std::move(tokens)) {}

  Result<Statements> Template() { return Body({}); }

 private:
  Status EndBlock() { return Need(TokenKind::kBlockEnd, "", "%}"); }

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
          s.text = Take().text;
          body.push_back(std::move(s));
          break;
        }
        case TokenKind::kOutputBegin: {
          Take();
          Statement s;
          s.kind = StatementKind::kOutput;
          PAWL_ASSIGN(s.expression, TupleOrExpression());
          PAWL_TRY(Need(TokenKind::kOutputEnd, "", "}}"));
          body.push_back(std::move(s));
          break;
        }
        default: {
          Take();
          PAWL_ASSIGN(const std::string word, Name());
          if (std::find(ends.begin(), ends.end(), word) != ends.end()) {
            end_word_ = word;
            return body;
          }
          PAWL_TRY(Enter());
          PAWL_ASSIGN(Statement s, Block(word));
          Leave();
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
    if (word == "with") return With();
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
      } else if (!s.defaults.empty()) {
        return Bad("a macro's parameter without a default follows one with a default");
      }
      if (!IsOperator(")")) PAWL_TRY(NeedOperator(","));
    }
    PAWL_TRY(EndBlock());
    PAWL_ASSIGN(s.body, Body({"endmacro"}));
    if (Now().kind == TokenKind::kName) Take();
    PAWL_TRY(EndBlock());
    return s;
  }

  Result<Statement> With() {
    Statement s;
    s.kind = StatementKind::kWith;
    while (Now().kind != TokenKind::kBlockEnd) {
      PAWL_ASSIGN(std::string name, Name());
      s.names.push_back(std::move(name));
      PAWL_TRY(NeedOperator("="));
      PAWL_ASSIGN(ExpressionPtr value, ConditionalExpression());
      s.defaults.push_back(std::move(value));
      if (Now().kind != TokenKind::kBlockEnd) PAWL_TRY(NeedOperator(","));
    }
    PAWL_TRY(EndBlock());
    PAWL_ASSIGN(s.body, Body({"endwith"}));
    PAWL_TRY(EndBlock());
    return s;
  }

  std::string end_word_;
};

}  // namespace

Result<Statements> Parse(std::string_view source) {
  PAWL_ASSIGN(std::vector<Token> tokens, Tokenize(source));
  return Parser(std::move(tokens)).Template();
}

}  // namespace pawl::jinja
