// The machine that runs a parsed template: scopes, output, limits.  Private to tokenizer/.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tokenizer/jinja_parser.h"
#include "tokenizer/jinja_renderer.h"

namespace pawl::jinja {

class Interpreter {
 public:
  Interpreter(const Dict& variables, const Limits& limits);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  Result<Text> Run(const Statements& statements);

 private:
  enum class Flow { kNormal, kBreak, kContinue };

  // Statements (jinja_statements.cc).
  Result<Flow> Body(const Statements& statements);
  Result<Flow> One(const Statement& s);
  Status For(const Statement& s);
  Result<Flow> Round(const Statement& s, const List& items, std::size_t i, const Value& changed);
  Status FilterItems(const Statement& s, List* items);
  Status Set(const Statement& s);
  Status With(const Statement& s);
  Status Assign(const std::vector<std::string>& names, const Value& value);
  Value MacroValue(const Statement& s);
  Result<Value> CallMacro(const Statement& s, const Arguments& a);
  Status Bind(const Statement& s, const Arguments& a);
  Result<Text> Captured(const Statements& body);
  Status Emit(const Text& text);

  // Expressions (jinja_expressions.cc).
  Result<Value> Evaluate(const Expression& e);
  Result<Value> EvaluateKind(const Expression& e);
  Result<List> EvaluateAll(const std::vector<ExpressionPtr>& expressions);
  Result<Value> DictLiteral(const Expression& e);
  Result<Arguments> EvaluateArguments(const CallArguments& call);
  Result<Value> Call(const Expression& e);
  Result<Value> Unary(const Expression& e);
  Result<Value> Binary(const Expression& e);
  Result<Value> CompareChain(const Expression& e);
  Value Lookup(const std::string& name) const;

  // One step, and as many more as the size of a value that an operation walks through asks.
  Status Step(const Value* walked = nullptr);
  // One level deeper into statements and expressions; the caller leaves it with --depth_.
  Status Enter();
  // Refuses values that are too large or nested too deeply.
  Status Check(const Value& value) const;

  Limits limits_;
  std::vector<std::map<std::string, Value>>
      scopes_;  // globals, the template's own, then inner ones
  // All namespaces: they may refer to each other in circles, which are cut at the end.
  std::vector<std::shared_ptr<Dict>> namespaces_;
  Text out_;
  long long steps_ = 0;
  int depth_ = 0;
};

}  // namespace pawl::jinja
