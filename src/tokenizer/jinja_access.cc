// Length, iteration, membership, indexing and slicing.
#include <fmt/format.h>

#include <algorithm>

#include "tokenizer/jinja_builtins.h"

namespace pawl::jinja {

Result<long long> LengthOf(const Value& v) {
  switch (v.kind) {
    case Kind::kString:
      return static_cast<long long>(CodePoints(v.text.bytes).size()) - 1;
    case Kind::kList:
    case Kind::kTuple:
      if (v.lazy) break;
      return static_cast<long long>(v.list->size());
    case Kind::kDict:
      return static_cast<long long>(v.dict->size());
    case Kind::kUndefined:
      return 0;
    default:
      break;
  }
  return BadFile(fmt::format("object of type '{}' has no len()", TypeName(v)));
}

Result<List> Iterate(const Value& v) {
  switch (v.kind) {
    case Kind::kList:
    case Kind::kTuple:
      return *v.list;
    case Kind::kDict: {
      List keys;
      for (const auto& entry : *v.dict) keys.push_back(entry.first);
      return keys;
    }
    case Kind::kString: {
      List characters;
      const auto offsets = CodePoints(v.text.bytes);
      for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
        characters.push_back(Value::String(v.text.Sub(offsets[i], offsets[i + 1] - offsets[i])));
      }
      return characters;
    }
    case Kind::kUndefined:
      return List{};
    default:
      return BadFile(fmt::format("'{}' object is not iterable", TypeName(v)));
  }
}

Result<bool> Contains(const Value& container, const Value& item) {
  switch (container.kind) {
    case Kind::kString:
      if (!item.IsString()) return BadFile("'in <string>' requires string as left operand");
      return container.text.bytes.find(item.text.bytes) != std::string::npos;
    case Kind::kList:
    case Kind::kTuple:
      return std::any_of(container.list->begin(), container.list->end(),
                         [&](const Value& v) { return Equal(v, item); });
    case Kind::kDict:
      return std::any_of(container.dict->begin(), container.dict->end(),
                         [&](const auto& entry) { return Equal(entry.first, item); });
    case Kind::kUndefined:
      return false;
    default:
      return BadFile(fmt::format("argument of type '{}' is not iterable", TypeName(container)));
  }
}

Result<Value> Attribute(const Value& v, const std::string& name) {
  if (v.kind == Kind::kUndefined) return BadFile(fmt::format("'{}' is undefined", v.text.bytes));
  // As Python's getattr: a dict's method hides a key of that name.
  if (auto method = Method(v, name)) return std::move(*method);
  if (const Value* found = v.Find(name)) return *found;
  return Value::Undefined(name);
}

Result<Value> Index(const Value& v, const Value& key) {
  if (v.kind == Kind::kUndefined) return BadFile(fmt::format("'{}' is undefined", v.text.bytes));
  if (v.kind == Kind::kDict) {
    for (const auto& entry : *v.dict) {
      if (Equal(entry.first, key)) return entry.second;
    }
    return Value::Undefined(ToText(key).bytes);
  }
  if (v.kind == Kind::kNamespace && key.IsString()) return Attribute(v, key.text.bytes);
  if (v.lazy || (key.kind != Kind::kInt && key.kind != Kind::kBool) || !key.digits.empty())
    return Value::Undefined(ToText(key).bytes);
  long long i = key.AsInt();
  if (v.IsSequence()) {
    if (i < 0) i += static_cast<long long>(v.list->size());
    if (i < 0 || i >= static_cast<long long>(v.list->size()))
      return Value::Undefined(ToText(key).bytes);
    return (*v.list)[static_cast<std::size_t>(i)];
  }
  if (v.IsString()) {
    const auto offsets = CodePoints(v.text.bytes);
    const auto count = static_cast<long long>(offsets.size()) - 1;
    if (i < 0) i += count;
    if (i < 0 || i >= count) return Value::Undefined(ToText(key).bytes);
    const auto at = static_cast<std::size_t>(i);
    return Value::String(v.text.Sub(offsets[at], offsets[at + 1] - offsets[at]));
  }
  return Value::Undefined(ToText(key).bytes);
}

Result<Value> Slice(const Value& v, const Value& begin, const Value& end, const Value& step_value) {
  if (v.kind == Kind::kUndefined) return BadFile(fmt::format("'{}' is undefined", v.text.bytes));
  if ((!v.IsString() && !v.IsSequence()) || v.lazy) return Value::Undefined("slice");
  for (const Value* part : {&begin, &end, &step_value}) {
    const bool absent = part->kind == Kind::kUndefined || part->kind == Kind::kNone;
    if (!absent && (part->kind != Kind::kInt || !part->digits.empty())) {
      return Value::Undefined("slice");
    }
  }
  PAWL_ASSIGN(const List items, Iterate(v));
  const auto n = static_cast<long long>(items.size());
  // Steps beyond the length all do the same; the bound keeps sums from overflowing.
  const long long step =
      step_value.kind == Kind::kInt ? std::clamp(step_value.integer, -n - 1, n + 1) : 1;
  if (step == 0) return BadFile("slice step cannot be zero");
  const auto bound = [&](const Value& given, long long fallback) {
    if (given.kind != Kind::kInt) return fallback;
    const long long i = given.integer < 0 ? given.integer + n : given.integer;
    return step > 0 ? std::clamp(i, 0LL, n) : std::clamp(i, -1LL, n - 1);
  };
  const long long first = bound(begin, step > 0 ? 0 : n - 1), last = bound(end, step > 0 ? n : -1);
  List chosen;
  for (long long i = first; step > 0 ? i < last : i > last; i += step)
    chosen.push_back(items[static_cast<std::size_t>(i)]);
  if (!v.IsString()) return Value::MakeList(std::move(chosen), v.kind == Kind::kTuple);
  Text text;
  for (const Value& c : chosen) text.Append(c.text);
  return Value::String(std::move(text));
}

}  // namespace pawl::jinja
