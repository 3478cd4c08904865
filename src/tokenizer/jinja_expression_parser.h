// Parses expressions, by Jinja's grammar.  Private to tokenizer/.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/jinja_lexer.h"
#include "tokenizer/jinja_parser.h"

namespace pawl::jinja {

class ExpressionParser {
 public:
  // tokens must end with kEnd.
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  // a, b, c without parentheses is a tuple.
  Result<ExpressionPtr> TupleOrExpression();
  Result<ExpressionPtr> ConditionalExpression();
  Result<ExpressionPtr> Or();

 protected:
  const Token& Now() const { return tokens_[at_]; }
  const Token& Ahead() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  const Token& Take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  bool Is(TokenKind kind, std::string_view text) const {
    return Now().kind == kind && Now().text == text;
  }
  bool IsOperator(std::string_view text) const { return Is(TokenKind::kOperator, text); }
  bool IsName(std::string_view text) const { return Is(TokenKind::kName, text); }
  bool AcceptOperator(std::string_view text) { return Accept(TokenKind::kOperator, text); }
  bool AcceptName(std::string_view text) { return Accept(TokenKind::kName, text); }
  tl::unexpected<Error> Bad(const std::string& what) const;
  Status Need(TokenKind kind, std::string_view text, const char* what);
  Status NeedOperator(std::string_view text);
  Result<std::string> Name();
  // One level deeper; an error beyond a limit that keeps the machine's stack safe.
  Status Enter();
  void Leave() { --depth_; }

 private:
  using Level = Result<ExpressionPtr> (ExpressionParser::*)();

  bool Accept(TokenKind kind, std::string_view text);
  // Left-associative operators of one rank.
  Result<ExpressionPtr> Chain(Level next, std::initializer_list<std::string_view> operators);
  Result<ExpressionPtr> And();
  Result<ExpressionPtr> Not();
  Result<ExpressionPtr> Comparison();
  std::string ComparisonOperator();
  Result<ExpressionPtr> Sum();
  Result<ExpressionPtr> Concatenation();
  Result<ExpressionPtr> Product();
  Result<ExpressionPtr> Power();
  Result<ExpressionPtr> Unary();
  Result<ExpressionPtr> Signed(bool with_filters);
  Result<ExpressionPtr> Primary();
  Result<ExpressionPtr> Integer();
  Result<ExpressionPtr> Literal(Value value);
  Result<ExpressionPtr> Parenthesis();
  Result<ExpressionPtr> ListLiteral();
  Result<ExpressionPtr> DictLiteral();
  Result<ExpressionPtr> Postfix(ExpressionPtr base);
  Result<ExpressionPtr> Subscript(ExpressionPtr base);
  Result<CallArguments> ReadArguments();
  Result<ExpressionPtr> FiltersAndTests(ExpressionPtr base);
  Status TestArguments(Expression* e);
  // Sets the depth of a node whose children are complete.
  Result<ExpressionPtr> Finished(ExpressionPtr e) const;

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace pawl::jinja
