// Tests: value is name(arguments).
#include <fmt/format.h>

#include <map>

#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_text.h"

namespace pawl::jinja {
namespace {

using Kinds = bool (*)(const Value& v);

bool IsIterable(const Value& v) {
  return v.IsString() || v.IsSequence() || v.kind == Kind::kDict || v.kind == Kind::kUndefined;
}

// Tests of the value alone, which cannot fail.
const std::map<std::string, Kinds>& KindTests() {
  static const std::map<std::string, Kinds> tests = {
      {"defined", [](const Value& v) { return v.kind != Kind::kUndefined; }},
      {"undefined", [](const Value& v) { return v.kind == Kind::kUndefined; }},
      {"none", [](const Value& v) { return v.kind == Kind::kNone; }},
      {"string", [](const Value& v) { return v.IsString(); }},
      {"mapping", [](const Value& v) { return v.kind == Kind::kDict; }},
      {"number", [](const Value& v) { return v.IsNumber(); }},
      {"integer", [](const Value& v) { return v.kind == Kind::kInt; }},
      {"float", [](const Value& v) { return v.kind == Kind::kFloat; }},
      {"boolean", [](const Value& v) { return v.kind == Kind::kBool; }},
      {"true", [](const Value& v) { return v.kind == Kind::kBool && v.flag; }},
      {"false", [](const Value& v) { return v.kind == Kind::kBool && !v.flag; }},
      {"iterable", IsIterable},
      {"sequence", [](const Value& v) { return IsIterable(v) && !v.lazy; }},
      {"callable", [](const Value& v) { return v.kind == Kind::kCallable; }},
      {"upper", [](const Value& v) { return IsUpper(ToText(v)); }},
      {"lower", [](const Value& v) { return IsLower(ToText(v)); }}};
  return tests;
}

Result<bool> Remainder(const std::string& name, const Value& v, const Value& other) {
  const long long by = name == "divisibleby" ? other.AsInt() : 2;
  const bool numbers = v.IsNumber() && v.kind != Kind::kFloat && v.digits.empty();
  if (!numbers || by == 0 || (name == "divisibleby" && other.kind != Kind::kInt)) {
    return BadFile(fmt::format("test '{}' needs integers", name));
  }
  const bool divisible = by == -1 || v.AsInt() % by == 0;
  return name == "odd" ? !divisible : divisible;
}

// Identity: the same object, or equal values of a kind that Python shares.
bool SameAs(const Value& a, const Value& b) {
  if (a.kind != b.kind) return false;
  if (a.list || b.list) return a.list == b.list;
  if (a.dict || b.dict) return a.dict == b.dict;
  return Equal(a, b);
}

}  // namespace

Result<bool> ApplyTest(const std::string& name, const Value& v, const Arguments& a) {
  if (const auto it = KindTests().find(name); it != KindTests().end()) {
    PAWL_TRY(BindArguments(name, a, {}));
    return it->second(v);
  }
  if (name == "odd" || name == "even") return Remainder(name, v, {});
  constexpr const char* kOther[] = {"other"};
  PAWL_ASSIGN(const List bound, BindArguments(name, a, kOther));
  const Value& other = bound[0];
  if (name == "divisibleby") return Remainder(name, v, other);
  if (name == "sameas") return SameAs(v, other);
  if (name == "in") return Contains(other, v);
  static const std::map<std::string, std::string> kComparisons = {
      {"eq", "=="}, {"equalto", "=="}, {"==", "=="},         {"ne", "!="}, {"!=", "!="},
      {"lt", "<"},  {"lessthan", "<"}, {"<", "<"},           {"le", "<="}, {"<=", "<="},
      {"gt", ">"},  {">", ">"},        {"greaterthan", ">"}, {"ge", ">="}, {">=", ">="}};
  const auto comparison = kComparisons.find(name);
  if (comparison == kComparisons.end()) return BadFile(fmt::format("No test named '{}'.", name));
  if (comparison->second == "==") return Equal(v, other);
  if (comparison->second == "!=") return !Equal(v, other);
  PAWL_ASSIGN(const int order, Compare(v, other));
  if (comparison->second == "<") return order < 0;
  if (comparison->second == "<=") return order <= 0;
  return comparison->second == ">" ? order > 0 : order >= 0;
}

}  // namespace pawl::jinja
