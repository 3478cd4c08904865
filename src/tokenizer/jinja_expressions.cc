// Evaluates the expressions of a template.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_interpreter.h"
#include "tokenizer/jinja_text.h"

namespace pawl::jinja {
namespace {

constexpr std::size_t kBytesPerStep = 256;  // of a string that an operation walks through
constexpr std::size_t kItemsPerStep = 16;   // of a list or dict

tl::unexpected<Error> BadOperands(const std::string& op, const Value& a, const Value& b) {
  for (const Value* v : {&a, &b}) {
    if (v->kind == Kind::kUndefined) {
      return BadFile(fmt::format("'{}' is undefined", v->text.bytes));
    }
  }
  return BadFile(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", op, TypeName(a),
                             TypeName(b)));
}

// Python's floor division and remainder; b is neither 0 nor -1.
long long FloorDivide(long long a, long long b) {
  return a / b - (a % b != 0 && (a % b < 0) != (b < 0) ? 1 : 0);
}
long long FloorRest(long long a, long long b) {
  const long long rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

Result<Value> Power(long long base, long long exponent) {
  long long out = 1;
  for (; exponent > 0; --exponent) {
    if (__builtin_mul_overflow(out, base, &out)) return BadFile("an integer is beyond 64 bits");
    if (base == 0 || base == 1) break;
    if (base == -1) return Value::Int(exponent % 2 == 0 ? 1 : -1);
  }
  return Value::Int(out);
}

Result<Value> IntegerArithmetic(const std::string& op, long long a, long long b) {
  long long out = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a, b, &out);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a, b, &out);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a, b, &out);
  } else if (b == 0) {
    return BadFile("integer division or modulo by zero");
  } else if (b == -1) {
    if (op == "//") overflow = __builtin_sub_overflow(0LL, a, &out);
  } else {
    out = op == "//" ? FloorDivide(a, b) : FloorRest(a, b);
  }
  if (overflow) return BadFile("an integer is beyond 64 bits");
  return Value::Int(out);
}

Result<Value> Arithmetic(const std::string& op, const Value& a, const Value& b) {
  if (!a.digits.empty() || !b.digits.empty()) {
    return BadFile("arithmetic with integers beyond 64 bits is not supported");
  }
  const bool whole = a.kind != Kind::kFloat && b.kind != Kind::kFloat;
  if (whole && op == "**" && b.AsInt() >= 0) return Power(a.AsInt(), b.AsInt());
  if (whole && op != "/" && op != "**") return IntegerArithmetic(op, a.AsInt(), b.AsInt());
  const double x = a.AsDouble(), y = b.AsDouble();
  if (op == "+") return Value::Float(x + y);
  if (op == "-") return Value::Float(x - y);
  if (op == "*") return Value::Float(x * y);
  if (op == "**") {
    const double power = std::pow(x, y);
    if (!std::isfinite(power) && std::isfinite(x) && std::isfinite(y)) {
      return BadFile("a power is out of range");
    }
    return Value::Float(power);
  }
  if (y == 0) return BadFile("float division by zero");
  if (op == "/") return Value::Float(x / y);
  double rest = std::fmod(x, y);
  if (rest != 0 && (rest < 0) != (y < 0)) rest += y;
  return Value::Float(op == "%" ? rest : std::floor((x - rest) / y + 0.5));
}

// A string or list times a number.
Result<Value> Repeat(const Value& what, const Value& times) {
  if ((times.kind != Kind::kInt && times.kind != Kind::kBool) || !times.digits.empty()) {
    return BadFile(fmt::format("can't multiply sequence by non-int of type '{}'", TypeName(times)));
  }
  const long long count = std::max(0LL, times.AsInt());
  if (what.IsString()) {
    Text out;
    for (long long i = 0; i < count && what.text.size() > 0 && !out.too_long; ++i) {
      out.Append(what.text);
    }
    return Value::String(std::move(out));
  }
  List out;
  for (long long i = 0; i < count && !what.list->empty() && out.size() <= kMaxListItems; ++i) {
    out.insert(out.end(), what.list->begin(), what.list->end());
  }
  return Value::MakeList(std::move(out), what.kind == Kind::kTuple);
}

}  // namespace

Status Interpreter::Step(const Value* walked) {
  ++steps_;
  if (walked != nullptr) {
    if (walked->IsString()) steps_ += static_cast<long long>(walked->text.size() / kBytesPerStep);
    if (walked->list) steps_ += static_cast<long long>(walked->list->size() / kItemsPerStep);
    if (walked->dict) steps_ += static_cast<long long>(walked->dict->size() / kItemsPerStep);
  }
  if (steps_ <= limits_.steps) return {};
  return BadFile(fmt::format("the template took more than {} steps", limits_.steps));
}

Status Interpreter::Enter() {
  if (depth_ >= limits_.depth) {
    return BadFile(fmt::format("the template is nested deeper than {}", limits_.depth));
  }
  ++depth_;
  return {};
}

Status Interpreter::Check(const Value& value) const {
  if (value.text.too_long) {
    return BadFile(fmt::format("a string is longer than {} bytes", kMaxTextBytes));
  }
  if (value.list && value.list->size() > kMaxListItems) {
    return BadFile(fmt::format("a list has more than {} items", kMaxListItems));
  }
  if (value.depth > kMaxValueDepth) {
    return BadFile(fmt::format("lists are nested deeper than {}", kMaxValueDepth));
  }
  return {};
}

Value Interpreter::Lookup(const std::string& name) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    const auto found = scope->find(name);
    if (found != scope->end()) return found->second;
  }
  return Value::Undefined(name);
}

Result<Value> Interpreter::Evaluate(const Expression& e) {
  PAWL_TRY(Step());
  PAWL_TRY(Enter());
  Result<Value> value = EvaluateKind(e);
  --depth_;
  if (!value) return value;
  PAWL_TRY(Check(*value));
  return value;
}

Result<Value> Interpreter::EvaluateKind(const Expression& e) {
  switch (e.kind) {
    case ExpressionKind::kLiteral:
      return e.value;
    case ExpressionKind::kName:
      return Lookup(e.name);
    case ExpressionKind::kList:
    case ExpressionKind::kTuple: {
      PAWL_ASSIGN(List items, EvaluateAll(e.items));
      return Value::MakeList(std::move(items), e.kind == ExpressionKind::kTuple);
    }
    case ExpressionKind::kDict:
      return DictLiteral(e);
    case ExpressionKind::kUnary:
      return Unary(e);
    case ExpressionKind::kBinary:
      return Binary(e);
    case ExpressionKind::kCompare:
      return CompareChain(e);
    case ExpressionKind::kConditional: {
      PAWL_ASSIGN(const Value condition, Evaluate(*e.items[1]));
      if (condition.Truthy()) return Evaluate(*e.items[0]);
      return e.items[2] ? Evaluate(*e.items[2]) : Value::Undefined("the inline if-expression");
    }
    case ExpressionKind::kCall:
      return Call(e);
    default:
      break;
  }
  PAWL_ASSIGN(const Value base, Evaluate(*e.items[0]));
  PAWL_TRY(Step(&base));
  switch (e.kind) {
    case ExpressionKind::kAttribute:
      return Attribute(base, e.name);
    case ExpressionKind::kIndex: {
      PAWL_ASSIGN(const Value key, Evaluate(*e.items[1]));
      return Index(base, key);
    }
    case ExpressionKind::kSlice: {
      std::array<Value, 3> part;
      for (std::size_t i = 0; i < part.size(); ++i) {
        if (!e.items[i + 1]) continue;
        PAWL_ASSIGN(part[i], Evaluate(*e.items[i + 1]));
      }
      return Slice(base, part[0], part[1], part[2]);
    }
    default:
      break;
  }
  PAWL_ASSIGN(const Arguments arguments, EvaluateArguments(e.arguments));
  if (e.kind == ExpressionKind::kFilter) return ApplyFilter(e.name, base, arguments);
  PAWL_ASSIGN(const bool holds, ApplyTest(e.name, base, arguments));
  return Value::Bool(holds != e.negated);
}

Result<List> Interpreter::EvaluateAll(const std::vector<ExpressionPtr>& expressions) {
  List values;
  for (const ExpressionPtr& e : expressions) {
    PAWL_ASSIGN(Value value, Evaluate(*e));
    values.push_back(std::move(value));
  }
  return values;
}

Result<Value> Interpreter::DictLiteral(const Expression& e) {
  Dict items;
  for (std::size_t i = 0; i < e.items.size(); i += 2) {
    PAWL_ASSIGN(Value key, Evaluate(*e.items[i]));
    PAWL_ASSIGN(Value value, Evaluate(*e.items[i + 1]));
    const auto same = std::find_if(items.begin(), items.end(),
                                   [&](const auto& entry) { return Equal(entry.first, key); });
    if (same != items.end()) {
      same->second = std::move(value);
    } else {
      items.emplace_back(std::move(key), std::move(value));
    }
  }
  return Value::MakeDict(std::move(items));
}

Result<Arguments> Interpreter::EvaluateArguments(const CallArguments& call) {
  Arguments out;
  PAWL_ASSIGN(out.positional, EvaluateAll(call.positional));
  for (const auto& [name, e] : call.named) {
    PAWL_ASSIGN(Value value, Evaluate(*e));
    out.named.emplace_back(name, std::move(value));
  }
  return out;
}

Result<Value> Interpreter::Call(const Expression& e) {
  PAWL_ASSIGN(const Value function, Evaluate(*e.items[0]));
  PAWL_ASSIGN(const Arguments arguments, EvaluateArguments(e.arguments));
  if (function.kind == Kind::kUndefined) {
    return BadFile(fmt::format("'{}' is undefined", function.text.bytes));
  }
  if (function.kind != Kind::kCallable) {
    return BadFile(fmt::format("'{}' object is not callable", TypeName(function)));
  }
  Result<Value> value = (*function.call)(arguments);
  if (value && value->kind == Kind::kNamespace) namespaces_.push_back(value->dict);
  return value;
}

Result<Value> Interpreter::Unary(const Expression& e) {
  PAWL_ASSIGN(const Value v, Evaluate(*e.items[0]));
  if (e.name == "not") return Value::Bool(!v.Truthy());
  if (!v.IsNumber()) {
    return BadFile(fmt::format("bad operand type for unary {}: '{}'", e.name, TypeName(v)));
  }
  if (e.name == "+") return v.kind == Kind::kBool ? Value::Int(v.AsInt()) : v;
  if (v.kind == Kind::kFloat) return Value::Float(-v.number);
  return Arithmetic("-", Value::Int(0), v);
}

Result<Value> Interpreter::CompareChain(const Expression& e) {
  PAWL_ASSIGN(Value left, Evaluate(*e.items[0]));
  for (std::size_t i = 0; i < e.operators.size(); ++i) {
    PAWL_ASSIGN(Value right, Evaluate(*e.items[i + 1]));
    PAWL_TRY(Step(&right));
    const std::string& op = e.operators[i];
    bool holds = false;
    if (op == "==" || op == "!=") {
      holds = Equal(left, right) == (op == "==");
    } else if (op == "in" || op == "not in") {
      PAWL_ASSIGN(const bool contained, Contains(right, left));
      holds = contained == (op == "in");
    } else {
      PAWL_ASSIGN(const int order, Compare(left, right));
      holds = op == "<" ? order < 0 : op == "<=" ? order <= 0 : op == ">" ? order > 0 : order >= 0;
    }
    if (!holds) return Value::Bool(false);
    left = std::move(right);
  }
  return Value::Bool(true);
}

Result<Value> Interpreter::Binary(const Expression& e) {
  PAWL_ASSIGN(Value a, Evaluate(*e.items[0]));
  if (e.name == "and" || e.name == "or") {
    if (a.Truthy() != (e.name == "and")) return a;
    return Evaluate(*e.items[1]);
  }
  PAWL_ASSIGN(const Value b, Evaluate(*e.items[1]));
  PAWL_TRY(Step(&a));
  if (e.name == "~") {
    Text text = ToText(a);
    text.Append(ToText(b));
    return Value::String(std::move(text));
  }
  if (e.name == "+" && a.IsString() && b.IsString()) {
    a.text.Append(b.text);
    return a;
  }
  if (e.name == "+" && a.IsSequence() && a.kind == b.kind && !a.lazy && !b.lazy) {
    List items = *a.list;
    items.insert(items.end(), b.list->begin(), b.list->end());
    return Value::MakeList(std::move(items), a.kind == Kind::kTuple);
  }
  if (e.name == "*" && (a.IsString() || a.IsSequence())) return Repeat(a, b);
  if (e.name == "*" && (b.IsString() || b.IsSequence())) return Repeat(b, a);
  if (e.name == "%" && a.IsString()) {
    PAWL_ASSIGN(Text text, PercentFormat(a.text, b.kind == Kind::kTuple ? *b.list : List{b}));
    return Value::String(std::move(text));
  }
  if (!a.IsNumber() || !b.IsNumber()) return BadOperands(e.name, a, b);
  return Arithmetic(e.name, a, b);
}

}  // namespace pawl::jinja
