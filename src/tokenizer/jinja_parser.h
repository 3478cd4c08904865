// Templates as trees: Jinja's statements and expressions, the subset that chat templates use.  An
// unsupported construct is an error that names it.  Private to tokenizer/.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/jinja_value.h"

namespace pawl::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
};

enum class ExpressionKind {
  kLiteral,      // value
  kName,         // name
  kList,         // items
  kTuple,        // items
  kDict,         // items: key, value, key, value ...
  kUnary,        // name: "-", "+", "not"; items[0]
  kBinary,       // name: operator; items[0], items[1]
  kCompare,      // items[0] then chain of (operators[i], items[i + 1])
  kConditional,  // items: then, condition, else (may be null)
  kAttribute,    // items[0], name
  kIndex,        // items[0], items[1]
  kSlice,        // items[0], begin, end, step (may be null)
  kCall,         // items[0], arguments
  kFilter,       // items[0], name, arguments
  kTest,         // items[0], name, arguments; negated
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kLiteral;
  Value value;
  std::string name;
  std::vector<ExpressionPtr> items;
  std::vector<std::string> operators;
  CallArguments arguments;
  bool negated = false;
  int depth = 1;  // of the tree below and with this node
};

enum class StatementKind {
  kText,
  kOutput,
  kIf,
  kFor,
  kSet,
  kSetBlock,
  kMacro,
  kWith,
  kBlock,
  kBreak,
  kContinue
};

struct Statement;
using Statements = std::vector<Statement>;

struct Statement {
  StatementKind kind = StatementKind::kText;
  std::string text;                     // kText; macro's name
  std::vector<std::string> names;       // targets of for and set; macro's parameters
  std::string attribute;                // set ns.attribute
  ExpressionPtr expression, condition;  // output, set value, for's iterable; for's filter
  std::vector<std::pair<ExpressionPtr, Statements>> branches;  // if and elif
  Statements body, otherwise;
  std::vector<ExpressionPtr> defaults;  // macro: of the last parameters; with: the values
};

Result<Statements> Parse(std::string_view source);

}  // namespace pawl::jinja
