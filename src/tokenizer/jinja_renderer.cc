#include "tokenizer/jinja_renderer.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <map>

#include "tokenizer/jinja_builtins.h"

namespace pawl::jinja {
namespace {

enum class Flow { kNormal, kBreak, kContinue };

class Renderer {
 public:
  Renderer(const Dict& variables, const Limits& limits) : limits_(limits) {
    scopes_.emplace_back();
    AddGlobals();
    for (const auto& [key, value] : variables) scopes_[0][key.text.bytes] = value;
    scopes_.emplace_back();
  }

  Result<Text> Run(const Statements& statements) {
    PAWL_ASSIGN(const Flow flow, Body(statements));
    static_cast<void>(flow);
    return std::move(out_);
  }

 private:
  void AddGlobals() {
    auto& g = scopes_[0];
    g["raise_exception"] = Value::Function([](const Arguments& a) -> Result<Value> {
      return BadFile(a.positional.empty() ? std::string() : ToText(a.positional[0]).bytes);
    });
    g["range"] = Value::Function([](const Arguments& a) -> Result<Value> {
      long long part[3] = {0, 0, 1};
      for (std::size_t i = 0; i < a.positional.size() && i < 3; ++i) {
        if (a.positional[i].kind != Kind::kInt) return BadFile("range: expected integers");
        part[i] = a.positional[i].integer;
      }
      if (a.positional.size() == 1) std::swap(part[0], part[1]);
      if (a.positional.empty() || part[2] == 0) return BadFile("range: bad arguments");
      List items;
      for (long long i = part[0]; part[2] > 0 ? i < part[1] : i > part[1]; i += part[2]) {
        if (items.size() >= 100'000)
          return BadFile(
              "Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
        items.push_back(Value::Int(i));
      }
      return Value::MakeList(std::move(items));
    });
    const auto from_names = [](Kind kind) {
      return [kind](const Arguments& a) -> Result<Value> {
        Value v = Value::MakeDict({});
        if (!a.positional.empty() && a.positional[0].kind == Kind::kDict)
          *v.dict = *a.positional[0].dict;
        for (const auto& [name, value] : a.named) v.dict->emplace_back(Value::String(name), value);
        v.kind = kind;
        return v;
      };
    };
    g["namespace"] = Value::Function(from_names(Kind::kNamespace));
    g["dict"] = Value::Function(from_names(Kind::kDict));
    g["strftime_now"] = Value::Function([](const Arguments& a) -> Result<Value> {
      if (a.positional.empty() || !a.positional[0].IsString())
        return BadFile("strftime_now: expected a format");
      const std::time_t now = std::time(nullptr);
      std::tm local{};
      localtime_r(&now, &local);
      char buffer[256];
      const std::size_t n =
          std::strftime(buffer, sizeof buffer, a.positional[0].text.bytes.c_str(), &local);
      return Value::String(std::string(buffer, n));
    });
  }

  Status Step() {
    if (++steps_ > limits_.steps)
      return BadFile(fmt::format("the template took more than {} steps", limits_.steps));
    return {};
  }
  Status Emit(const Text& text) {
    out_.Append(text);
    if (out_.size() > limits_.output_bytes) {
      return BadFile(fmt::format("the template wrote more than {} bytes", limits_.output_bytes));
    }
    return {};
  }

  Value Lookup(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      const auto found = scope->find(name);
      if (found != scope->end()) return found->second;
    }
    return Value::Undefined(name);
  }

  Result<Flow> Body(const Statements& statements) {
    for (const Statement& s : statements) {
      PAWL_TRY(Step());
      PAWL_ASSIGN(const Flow flow, One(s));
      if (flow != Flow::kNormal) return flow;
    }
    return Flow::kNormal;
  }

  Result<Flow> One(const Statement& s) {
    switch (s.kind) {
      case StatementKind::kText:
        PAWL_TRY(Emit(Text(s.text)));
        return Flow::kNormal;
      case StatementKind::kOutput: {
        PAWL_ASSIGN(const Value value, Evaluate(*s.expression));
        PAWL_TRY(Emit(ToText(value)));
        return Flow::kNormal;
      }
      case StatementKind::kIf: {
        for (const auto& [condition, body] : s.branches) {
          PAWL_ASSIGN(const Value value, Evaluate(*condition));
          if (value.Truthy()) return Body(body);
        }
        return Body(s.otherwise);
      }
      case StatementKind::kFor:
        PAWL_TRY(For(s));
        return Flow::kNormal;
      case StatementKind::kSet:
        PAWL_TRY(Set(s));
        return Flow::kNormal;
      case StatementKind::kSetBlock: {
        PAWL_ASSIGN(Text text, Captured(s.body));
        scopes_.back()[s.names[0]] = Value::String(std::move(text));
        return Flow::kNormal;
      }
      case StatementKind::kMacro:
        scopes_.back()[s.text] = MacroValue(s);
        return Flow::kNormal;
      case StatementKind::kBlock:
        return Body(s.body);
      case StatementKind::kBreak:
        return Flow::kBreak;
      case StatementKind::kContinue:
        return Flow::kContinue;
    }
    return Flow::kNormal;
  }

  Result<Text> Captured(const Statements& body) {
    Text saved = std::move(out_);
    out_ = Text();
    const auto flow = Body(body);
    Text text = std::move(out_);
    out_ = std::move(saved);
    if (!flow) return tl::unexpected<Error>(flow.error());
    return text;
  }

  Value MacroValue(const Statement& s) {
    return Value::Function([this, &s](const Arguments& a) -> Result<Value> {
      if (++depth_ > limits_.depth) return BadFile("macros are nested too deeply");
      // A macro sees the template's globals, not the scopes of its caller.
      auto saved = std::move(scopes_);
      scopes_.assign(saved.begin(),
                     saved.begin() + std::min<long>(2, static_cast<long>(saved.size())));
      scopes_.emplace_back();
      Status bound = Bind(s, a);
      Result<Text> text =
          bound ? Captured(s.body) : Result<Text>(tl::unexpected<Error>(bound.error()));
      scopes_ = std::move(saved);
      --depth_;
      if (!text) return tl::unexpected<Error>(text.error());
      return Value::String(std::move(*text));
    });
  }

  Status Bind(const Statement& s, const Arguments& a) {
    if (a.positional.size() > s.names.size()) {
      return BadFile(
          fmt::format("macro '{}' takes not more than {} argument(s)", s.text, s.names.size()));
    }
    const std::size_t first_default = s.names.size() - s.defaults.size();
    for (std::size_t i = 0; i < s.names.size(); ++i) {
      Value value = Value::Undefined(s.names[i]);
      if (i < a.positional.size()) {
        value = a.positional[i];
      } else {
        const auto named = std::find_if(a.named.begin(), a.named.end(),
                                        [&](const auto& n) { return n.first == s.names[i]; });
        if (named != a.named.end()) {
          value = named->second;
        } else if (i >= first_default) {
          PAWL_ASSIGN(value, Evaluate(*s.defaults[i - first_default]));
        }
      }
      scopes_.back()[s.names[i]] = std::move(value);
    }
    for (const auto& [name, value] : a.named) {
      if (std::find(s.names.begin(), s.names.end(), name) == s.names.end()) {
        return BadFile(fmt::format("macro '{}' takes no keyword argument '{}'", s.text, name));
      }
    }
    return {};
  }

  Status Assign(const std::vector<std::string>& names, const Value& value) {
    if (names.size() == 1) {
      scopes_.back()[names[0]] = value;
      return {};
    }
    PAWL_ASSIGN(const List parts, Iterate(value));
    if (parts.size() != names.size())
      return BadFile(
          fmt::format("expected {} values to unpack, got {}", names.size(), parts.size()));
    for (std::size_t i = 0; i < names.size(); ++i) scopes_.back()[names[i]] = parts[i];
    return {};
  }

  Status Set(const Statement& s) {
    PAWL_ASSIGN(const Value value, Evaluate(*s.expression));
    if (s.attribute.empty()) return Assign(s.names, value);
    Value target = Lookup(s.names[0]);
    if (target.kind != Kind::kNamespace)
      return BadFile("cannot assign attribute on non-namespace object");
    for (auto& [k, v] : *target.dict) {
      if (k.text.bytes == s.attribute) {
        v = value;
        return {};
      }
    }
    target.dict->emplace_back(Value::String(s.attribute), value);
    return {};
  }

  Status For(const Statement& s) {
    if (++depth_ > limits_.depth) return BadFile("loops are nested too deeply");
    PAWL_ASSIGN(const Value iterable, Evaluate(*s.expression));
    PAWL_ASSIGN(List items, Iterate(iterable));
    if (s.condition) PAWL_TRY(FilterItems(s, items));
    const auto count = static_cast<long long>(items.size());
    Status status;
    Value changed = Value::MakeList({});
    for (long long i = 0; i < count && status; ++i) {
      scopes_.emplace_back();
      status = Assign(s.names, items[static_cast<std::size_t>(i)]);
      scopes_.back()["loop"] = Loop(items, i, count, changed);
      Result<Flow> flow = Flow::kNormal;
      if (status) flow = Body(s.body);
      scopes_.pop_back();
      if (!flow) status = tl::unexpected<Error>(flow.error());
      if (flow && *flow == Flow::kBreak) break;
    }
    --depth_;
    PAWL_TRY(status);
    if (count == 0) {
      PAWL_ASSIGN(const Flow flow, Body(s.otherwise));
      static_cast<void>(flow);
    }
    return {};
  }

  Status FilterItems(const Statement& s, List& items) {
    List kept;
    for (Value& item : items) {
      PAWL_TRY(Step());
      scopes_.emplace_back();
      Status status = Assign(s.names, item);
      Result<Value> holds = Value::Bool(false);
      if (status) holds = Evaluate(*s.condition);
      scopes_.pop_back();
      PAWL_TRY(status);
      if (!holds) return tl::unexpected<Error>(holds.error());
      if (holds->Truthy()) kept.push_back(std::move(item));
    }
    items = std::move(kept);
    return {};
  }

  static Value Loop(const List& items, long long i, long long count, const Value& changed) {
    const auto at = static_cast<std::size_t>(i);
    Dict loop{{Value::String("index"), Value::Int(i + 1)},
              {Value::String("index0"), Value::Int(i)},
              {Value::String("revindex"), Value::Int(count - i)},
              {Value::String("revindex0"), Value::Int(count - i - 1)},
              {Value::String("first"), Value::Bool(i == 0)},
              {Value::String("last"), Value::Bool(i == count - 1)},
              {Value::String("length"), Value::Int(count)},
              {Value::String("depth"), Value::Int(1)},
              {Value::String("depth0"), Value::Int(0)}};
    loop.emplace_back(Value::String("previtem"),
                      i > 0 ? items[at - 1] : Value::Undefined("previtem"));
    loop.emplace_back(Value::String("nextitem"),
                      i + 1 < count ? items[at + 1] : Value::Undefined("nextitem"));
    loop.emplace_back(Value::String("cycle"),
                      Value::Function([i](const Arguments& a) -> Result<Value> {
                        if (a.positional.empty()) return BadFile("no items for cycling given");
                        return a.positional[static_cast<std::size_t>(i) % a.positional.size()];
                      }));
    loop.emplace_back(
        Value::String("changed"), Value::Function([changed](const Arguments& a) -> Result<Value> {
          const Value now = Value::MakeList(a.positional);
          const bool differs = changed.list->empty() || !Equal(changed.list->back(), now);
          changed.list->assign(1, now);
          return Value::Bool(differs);
        }));
    return Value::MakeDict(std::move(loop));
  }

  Result<Arguments> EvaluateArguments(const CallArguments& call) {
    Arguments out;
    for (const auto& e : call.positional) {
      PAWL_ASSIGN(Value value, Evaluate(*e));
      out.positional.push_back(std::move(value));
    }
    for (const auto& [name, e] : call.named) {
      PAWL_ASSIGN(Value value, Evaluate(*e));
      out.named.emplace_back(name, std::move(value));
    }
    return out;
  }

  Result<Value> Evaluate(const Expression& e) {
    PAWL_TRY(Step());
    switch (e.kind) {
      case ExpressionKind::kLiteral:
        return e.value;
      case ExpressionKind::kName:
        return Lookup(e.name);
      case ExpressionKind::kList:
      case ExpressionKind::kTuple: {
        List items;
        for (const auto& item : e.items) {
          PAWL_ASSIGN(Value value, Evaluate(*item));
          items.push_back(std::move(value));
        }
        return Value::MakeList(std::move(items), e.kind == ExpressionKind::kTuple);
      }
      case ExpressionKind::kDict: {
        Dict items;
        for (std::size_t i = 0; i < e.items.size(); i += 2) {
          PAWL_ASSIGN(Value key, Evaluate(*e.items[i]));
          PAWL_ASSIGN(Value value, Evaluate(*e.items[i + 1]));
          items.emplace_back(std::move(key), std::move(value));
        }
        return Value::MakeDict(std::move(items));
      }
      case ExpressionKind::kUnary:
        return Unary(e);
      case ExpressionKind::kBinary:
        return Binary(e);
      case ExpressionKind::kCompare:
        return CompareChain(e);
      case ExpressionKind::kConditional: {
        PAWL_ASSIGN(const Value condition, Evaluate(*e.items[1]));
        if (condition.Truthy()) return Evaluate(*e.items[0]);
        return e.items[2] ? Evaluate(*e.items[2]) : Value::Undefined("");
      }
      case ExpressionKind::kAttribute: {
        PAWL_ASSIGN(const Value base, Evaluate(*e.items[0]));
        if (base.kind == Kind::kUndefined)
          return BadFile(fmt::format("'{}' is undefined", base.text.bytes));
        return Attribute(base, e.name);
      }
      case ExpressionKind::kIndex: {
        PAWL_ASSIGN(const Value base, Evaluate(*e.items[0]));
        PAWL_ASSIGN(const Value key, Evaluate(*e.items[1]));
        return Index(base, key);
      }
      case ExpressionKind::kSlice: {
        PAWL_ASSIGN(const Value base, Evaluate(*e.items[0]));
        Value part[3];
        for (std::size_t i = 0; i < 3; ++i) {
          if (!e.items[i + 1]) continue;
          PAWL_ASSIGN(part[i], Evaluate(*e.items[i + 1]));
        }
        return Slice(base, part[0], part[1], part[2]);
      }
      case ExpressionKind::kCall:
        return Call(e);
      case ExpressionKind::kFilter: {
        PAWL_ASSIGN(const Value value, Evaluate(*e.items[0]));
        PAWL_ASSIGN(const Arguments arguments, EvaluateArguments(e.arguments));
        return ApplyFilter(e.name, value, arguments);
      }
      case ExpressionKind::kTest: {
        PAWL_ASSIGN(const Value value, Evaluate(*e.items[0]));
        PAWL_ASSIGN(const Arguments arguments, EvaluateArguments(e.arguments));
        PAWL_ASSIGN(const bool holds, ApplyTest(e.name, value, arguments));
        return Value::Bool(holds != e.negated);
      }
    }
    return Value();
  }

  Result<Value> Call(const Expression& e) {
    const Expression& callee = *e.items[0];
    PAWL_ASSIGN(const Arguments arguments, EvaluateArguments(e.arguments));
    if (callee.kind == ExpressionKind::kAttribute) {
      PAWL_ASSIGN(const Value base, Evaluate(*callee.items[0]));
      const Value member = base.kind == Kind::kUndefined ? Value() : Attribute(base, callee.name);
      if (member.kind == Kind::kCallable) return (*member.call)(arguments);
      return CallMethod(base, callee.name, arguments);
    }
    PAWL_ASSIGN(const Value function, Evaluate(callee));
    if (function.kind == Kind::kCallable) return (*function.call)(arguments);
    if (function.kind == Kind::kUndefined)
      return BadFile(fmt::format("'{}' is undefined", function.text.bytes));
    return BadFile(fmt::format("'{}' object is not callable", TypeName(function)));
  }

  Result<Value> Unary(const Expression& e) {
    PAWL_ASSIGN(const Value v, Evaluate(*e.items[0]));
    if (e.name == "not") return Value::Bool(!v.Truthy());
    if (!v.IsNumber())
      return BadFile(fmt::format("bad operand type for unary {}: '{}'", e.name, TypeName(v)));
    if (e.name == "+") return v;
    return v.kind == Kind::kFloat ? Value::Float(-v.number) : Value::Int(-v.AsInt());
  }

  Result<Value> CompareChain(const Expression& e) {
    PAWL_ASSIGN(Value left, Evaluate(*e.items[0]));
    for (std::size_t i = 0; i < e.operators.size(); ++i) {
      PAWL_ASSIGN(Value right, Evaluate(*e.items[i + 1]));
      const std::string& op = e.operators[i];
      bool holds = false;
      if (op == "==" || op == "!=") {
        holds = Equal(left, right) == (op == "==");
      } else if (op == "in" || op == "not in") {
        PAWL_ASSIGN(holds, Contains(right, left));
        if (op == "not in") holds = !holds;
      } else {
        PAWL_ASSIGN(const int order, Compare(left, right));
        holds = op == "<"    ? order < 0
                : op == "<=" ? order <= 0
                : op == ">"  ? order > 0
                             : order >= 0;
      }
      if (!holds) return Value::Bool(false);
      left = std::move(right);
    }
    return Value::Bool(true);
  }

  Result<Value> Binary(const Expression& e) {
    PAWL_ASSIGN(Value a, Evaluate(*e.items[0]));
    if (e.name == "and") return a.Truthy() ? Evaluate(*e.items[1]) : Result<Value>(a);
    if (e.name == "or") return a.Truthy() ? Result<Value>(a) : Evaluate(*e.items[1]);
    PAWL_ASSIGN(const Value b, Evaluate(*e.items[1]));
    if (e.name == "~") {
      Text text = ToText(a);
      text.Append(ToText(b));
      return Value::String(std::move(text));
    }
    if (e.name == "+" && a.IsString() && b.IsString()) {
      a.text.Append(b.text);
      return a;
    }
    if (e.name == "+" && a.IsSequence() && a.kind == b.kind) {
      List items = *a.list;
      items.insert(items.end(), b.list->begin(), b.list->end());
      return Value::MakeList(std::move(items), a.kind == Kind::kTuple);
    }
    if (e.name == "*" && (a.IsString() || b.IsString())) {
      const Value& text = a.IsString() ? a : b;
      const Value& times = a.IsString() ? b : a;
      if (times.kind != Kind::kInt) return BadFile("can't multiply a str by a non-int");
      if (times.integer > 0 &&
          static_cast<std::size_t>(times.integer) >
              limits_.output_bytes / std::max<std::size_t>(1, text.text.size())) {
        return BadFile("a repeated string is too long");
      }
      Text out;
      for (long long i = 0; i < times.integer; ++i) out.Append(text.text);
      return Value::String(std::move(out));
    }
    if (!a.IsNumber() || !b.IsNumber()) {
      const Value& undefined = a.kind == Kind::kUndefined ? a : b;
      if (undefined.kind == Kind::kUndefined)
        return BadFile(fmt::format("'{}' is undefined", undefined.text.bytes));
      return BadFile(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", e.name,
                                 TypeName(a), TypeName(b)));
    }
    return Arithmetic(e.name, a, b);
  }

  static Result<Value> Arithmetic(const std::string& op, const Value& a, const Value& b) {
    const bool whole = a.kind != Kind::kFloat && b.kind != Kind::kFloat;
    const double x = a.AsDouble(), y = b.AsDouble();
    if ((op == "/" || op == "//" || op == "%") && y == 0) return BadFile("division by zero");
    if (op == "/") return Value::Float(x / y);
    if (whole && op != "**") {
      const long long i = a.AsInt(), j = b.AsInt();
      long long out = 0;
      bool overflow = false;
      if (op == "+") overflow = __builtin_add_overflow(i, j, &out);
      if (op == "-") overflow = __builtin_sub_overflow(i, j, &out);
      if (op == "*") overflow = __builtin_mul_overflow(i, j, &out);
      if (op == "//") out = j == -1 ? -i : i / j - ((i % j != 0 && (i % j < 0) != (j < 0)) ? 1 : 0);
      if (op == "%") out = j == -1 ? 0 : ((i % j) + j) % j;
      if (overflow) return BadFile("an integer is beyond 64 bits");
      return Value::Int(out);
    }
    if (op == "+") return Value::Float(x + y);
    if (op == "-") return Value::Float(x - y);
    if (op == "*") return Value::Float(x * y);
    if (op == "//") return Value::Float(std::floor(x / y));
    if (op == "%") return Value::Float(x - y * std::floor(x / y));
    const double power = std::pow(x, y);
    if (whole && y >= 0 && std::fabs(power) < 9e18)
      return Value::Int(static_cast<long long>(power));
    return Value::Float(power);
  }

  Limits limits_;
  std::vector<std::map<std::string, Value>> scopes_;
  Text out_;
  long long steps_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<Text> Render(const Statements& statements, const Dict& variables, const Limits& limits) {
  return Renderer(variables, limits).Run(statements);
}

}  // namespace pawl::jinja
