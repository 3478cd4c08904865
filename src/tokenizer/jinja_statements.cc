// Runs the statements of a template.
#include <fmt/format.h>

#include <algorithm>

#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_interpreter.h"

namespace pawl::jinja {
namespace {

constexpr long long kStepsPerRound = 4;  // a loop's round makes its loop variable
constexpr std::size_t kOuterScopes = 2;  // globals and the template's own names

// The loop variable of round i.
Value LoopValue(const List& items, std::size_t i, const Value& changed) {
  const auto index = static_cast<long long>(i), count = static_cast<long long>(items.size());
  const auto named = [](const char* name, Value value) {
    return std::pair(Value::String(name), std::move(value));
  };
  Dict loop = {
      named("index", Value::Int(index + 1)),
      named("index0", Value::Int(index)),
      named("revindex", Value::Int(count - index)),
      named("revindex0", Value::Int(count - index - 1)),
      named("first", Value::Bool(i == 0)),
      named("last", Value::Bool(index == count - 1)),
      named("length", Value::Int(count)),
      named("depth", Value::Int(1)),
      named("depth0", Value::Int(0)),
      named("previtem", i > 0 ? items[i - 1] : Value::Undefined("previtem")),
      named("nextitem", i + 1 < items.size() ? items[i + 1] : Value::Undefined("nextitem"))};
  loop.push_back(named("cycle", Value::Function([i](const Arguments& a) -> Result<Value> {
                         if (a.positional.empty()) return BadFile("no items for cycling given");
                         return a.positional[i % a.positional.size()];
                       })));
  loop.push_back(named("changed", Value::Function([changed](const Arguments& a) -> Result<Value> {
                         Value now = Value::MakeList(a.positional);
                         const bool differs =
                             changed.list->empty() || !Equal(changed.list->back(), now);
                         changed.list->assign(1, std::move(now));
                         return Value::Bool(differs);
                       })));
  return Value::MakeDict(std::move(loop));
}

}  // namespace

Interpreter::Interpreter(const Dict& variables, const Limits& limits) : limits_(limits) {
  scopes_.resize(kOuterScopes);
  for (auto& [name, value] : Globals()) scopes_[0][name] = std::move(value);
  for (const auto& [key, value] : variables) scopes_[0][key.text.bytes] = value;
}

Interpreter::~Interpreter() {
  scopes_.clear();
  for (const auto& one : namespaces_) one->clear();
}

Result<Text> Interpreter::Run(const Statements& statements) {
  PAWL_TRY(Body(statements));
  return std::move(out_);
}

Status Interpreter::Emit(const Text& text) {
  out_.Append(text);
  if (out_.too_long || out_.size() > limits_.output_bytes) {
    return BadFile(fmt::format("the template wrote more than {} bytes", limits_.output_bytes));
  }
  return {};
}

Result<Interpreter::Flow> Interpreter::Body(const Statements& statements) {
  PAWL_TRY(Enter());
  Result<Flow> flow = Flow::kNormal;
  for (const Statement& s : statements) {
    PAWL_TRY(Step());
    flow = One(s);
    if (!flow || *flow != Flow::kNormal) break;
  }
  --depth_;
  return flow;
}

Result<Interpreter::Flow> Interpreter::One(const Statement& s) {
  switch (s.kind) {
    case StatementKind::kText:
      PAWL_TRY(Emit(Text(s.text)));
      break;
    case StatementKind::kOutput: {
      PAWL_ASSIGN(const Value value, Evaluate(*s.expression));
      PAWL_TRY(Emit(ToText(value)));
      break;
    }
    case StatementKind::kIf:
      for (const auto& [condition, body] : s.branches) {
        PAWL_ASSIGN(const Value value, Evaluate(*condition));
        if (value.Truthy()) return Body(body);
      }
      return Body(s.otherwise);
    case StatementKind::kFor:
      PAWL_TRY(For(s));
      break;
    case StatementKind::kSet:
      PAWL_TRY(Set(s));
      break;
    case StatementKind::kSetBlock: {
      PAWL_ASSIGN(Text text, Captured(s.body));
      scopes_.back()[s.names[0]] = Value::String(std::move(text));
      break;
    }
    case StatementKind::kWith:
      PAWL_TRY(With(s));
      break;
    case StatementKind::kMacro:
      scopes_.back()[s.text] = MacroValue(s);
      break;
    case StatementKind::kBlock:
      return Body(s.body);
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNormal;
}

Result<Text> Interpreter::Captured(const Statements& body) {
  Text saved = std::move(out_);
  out_ = Text();
  const auto flow = Body(body);
  Text text = std::move(out_);
  out_ = std::move(saved);
  if (!flow) return tl::unexpected<Error>(flow.error());
  return text;
}

Status Interpreter::With(const Statement& s) {
  PAWL_ASSIGN(const List values, EvaluateAll(s.defaults));
  scopes_.emplace_back();
  for (std::size_t i = 0; i < values.size(); ++i) scopes_.back()[s.names[i]] = values[i];
  const auto flow = Body(s.body);
  scopes_.pop_back();
  if (!flow) return tl::unexpected<Error>(flow.error());
  return {};
}

Value Interpreter::MacroValue(const Statement& s) {
  return Value::Function([this, &s](const Arguments& a) { return CallMacro(s, a); });
}

Result<Value> Interpreter::CallMacro(const Statement& s, const Arguments& a) {
  // A macro sees the template's own names, not the scopes of its caller.
  std::vector<std::map<std::string, Value>> inner;
  for (std::size_t i = kOuterScopes; i < scopes_.size(); ++i) {
    inner.push_back(std::move(scopes_[i]));
  }
  scopes_.resize(kOuterScopes);
  scopes_.emplace_back();
  const Status bound = Bind(s, a);
  Result<Text> text = Text();
  if (bound) text = Captured(s.body);
  scopes_.resize(kOuterScopes);
  for (auto& scope : inner) scopes_.push_back(std::move(scope));
  PAWL_TRY(bound);
  if (!text) return tl::unexpected<Error>(text.error());
  return Value::String(std::move(*text));
}

Status Interpreter::Bind(const Statement& s, const Arguments& a) {
  std::vector<const char*> parameters;
  for (const std::string& name : s.names) parameters.push_back(name.c_str());
  PAWL_ASSIGN(List bound, BindArguments("macro " + s.text, a, parameters));
  const std::size_t first_default = s.names.size() - s.defaults.size();
  for (std::size_t i = 0; i < s.names.size(); ++i) {
    const bool passed = i < a.positional.size() ||
                        std::any_of(a.named.begin(), a.named.end(),
                                    [&](const auto& named) { return named.first == s.names[i]; });
    if (!passed && i >= first_default) {
      PAWL_ASSIGN(bound[i], Evaluate(*s.defaults[i - first_default]));
    }
    scopes_.back()[s.names[i]] = std::move(bound[i]);
  }
  return {};
}

Status Interpreter::Assign(const std::vector<std::string>& names, const Value& value) {
  if (names.size() == 1) {
    scopes_.back()[names[0]] = value;
    return {};
  }
  PAWL_ASSIGN(const List parts, Iterate(value));
  if (parts.size() != names.size()) {
    return BadFile(fmt::format("expected {} values to unpack, got {}", names.size(), parts.size()));
  }
  for (std::size_t i = 0; i < names.size(); ++i) scopes_.back()[names[i]] = parts[i];
  return {};
}

Status Interpreter::Set(const Statement& s) {
  PAWL_ASSIGN(const Value value, Evaluate(*s.expression));
  if (s.attribute.empty()) return Assign(s.names, value);
  const Value target = Lookup(s.names[0]);
  if (target.kind != Kind::kNamespace) {
    return BadFile("cannot assign attribute on non-namespace object");
  }
  const auto it = std::find_if(target.dict->begin(), target.dict->end(), [&](const auto& entry) {
    return entry.first.text.bytes == s.attribute;
  });
  if (it != target.dict->end()) {
    it->second = value;
  } else {
    target.dict->emplace_back(Value::String(s.attribute), value);
  }
  return {};
}

Status Interpreter::For(const Statement& s) {
  PAWL_ASSIGN(const Value iterable, Evaluate(*s.expression));
  PAWL_TRY(Step(&iterable));
  PAWL_ASSIGN(List items, Iterate(iterable));
  if (s.condition) PAWL_TRY(FilterItems(s, &items));
  if (items.empty()) {
    PAWL_TRY(Body(s.otherwise));
    return {};
  }
  const Value changed = Value::MakeList({});
  Result<Flow> flow = Flow::kNormal;
  for (std::size_t i = 0; i < items.size() && flow && *flow != Flow::kBreak; ++i) {
    flow = Round(s, items, i, changed);
  }
  if (!flow) return tl::unexpected<Error>(flow.error());
  return {};
}

Result<Interpreter::Flow> Interpreter::Round(const Statement& s, const List& items, std::size_t i,
                                             const Value& changed) {
  steps_ += kStepsPerRound;
  PAWL_TRY(Step());
  scopes_.emplace_back();
  Result<Flow> flow = Flow::kNormal;
  if (const Status assigned = Assign(s.names, items[i]); !assigned) {
    flow = tl::unexpected<Error>(assigned.error());
  } else {
    scopes_.back()["loop"] = LoopValue(items, i, changed);
    flow = Body(s.body);
  }
  scopes_.pop_back();
  return flow;
}

Status Interpreter::FilterItems(const Statement& s, List* items) {
  List kept;
  for (Value& item : *items) {
    scopes_.emplace_back();
    const Status assigned = Assign(s.names, item);
    Result<Value> holds = Value::Bool(false);
    if (assigned) holds = Evaluate(*s.condition);
    scopes_.pop_back();
    PAWL_TRY(assigned);
    if (!holds) return tl::unexpected<Error>(holds.error());
    if (holds->Truthy()) kept.push_back(std::move(item));
  }
  *items = std::move(kept);
  return {};
}

Result<Text> Render(const Statements& statements, const Dict& variables, const Limits& limits) {
  return Interpreter(variables, limits).Run(statements);
}

}  // namespace pawl::jinja
