// Filters that make, sort or reduce lists.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_text.h"

namespace pawl::jinja {
namespace {

constexpr std::size_t kMaxQuadratic = 10'000;  // items of what compares every pair

// What an item is compared by: an attribute of it, strings without regard to case unless wanted.
Result<Value> SortKey(const Value& item, const Value& attribute, bool case_sensitive) {
  Value key = item;
  if (Given(attribute)) {
    PAWL_ASSIGN(key, AttributePath(item, attribute));
  }
  if (key.IsString() && !case_sensitive) key = Value::String(Lower(key.text));
  return key;
}

Result<Value> Sorted(const Value& value, bool reverse, bool case_sensitive,
                     const Value& attribute) {
  PAWL_ASSIGN(const List items, Iterate(value));
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : items) {
    PAWL_ASSIGN(Value key, SortKey(item, attribute, case_sensitive));
    keyed.emplace_back(std::move(key), item);
  }
  // Neighbours that compare make every pair compare: kinds are then all alike.
  for (std::size_t i = 1; i < keyed.size(); ++i) {
    PAWL_TRY(Compare(keyed[i - 1].first, keyed[i].first));
  }
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    const auto order = reverse ? Compare(b.first, a.first) : Compare(a.first, b.first);
    return order && *order < 0;
  });
  List out;
  for (auto& entry : keyed) out.push_back(std::move(entry.second));
  return Value::MakeList(std::move(out));
}

Result<Value> SortFilter(const Value& v, const List& a) {
  return Sorted(v, a[0].Truthy(), a[1].Truthy(), a[2]);
}

Result<Value> DictSort(const Value& v, const List& a) {
  PAWL_ASSIGN(List items, ItemsOf(v));
  const std::string by = Given(a[1]) ? ToText(a[1]).bytes : "key";
  if (by != "key" && by != "value") return BadFile("dictsort: by must be key or value");
  return Sorted(Value::MakeList(std::move(items)), a[2].Truthy(), a[0].Truthy(),
                Value::Int(by == "value" ? 1 : 0));
}

Result<Value> ItemsFilter(const Value& v, const List&) {
  if (v.kind == Kind::kUndefined) return Value::MakeLazy({});
  PAWL_ASSIGN(List items, ItemsOf(v));
  return Value::MakeLazy(std::move(items));
}

Result<Value> ListFilter(const Value& v, const List&) {
  PAWL_ASSIGN(List items, Iterate(v));
  return Value::MakeList(std::move(items));
}

Result<Value> FirstFilter(const Value& v, const List&) {
  PAWL_ASSIGN(const List items, Iterate(v));
  return items.empty() ? Value::Undefined("first") : items.front();
}

Result<Value> LastFilter(const Value& v, const List&) {
  PAWL_ASSIGN(const List items, Iterate(v));
  return items.empty() ? Value::Undefined("last") : items.back();
}

Result<Value> ReverseFilter(const Value& v, const List&) {
  PAWL_ASSIGN(List items, Iterate(v));
  std::reverse(items.begin(), items.end());
  if (!v.IsString()) return Value::MakeLazy(std::move(items));
  Text out;
  for (const Value& c : items) out.Append(c.text);
  return Value::String(std::move(out));
}

Result<Value> JoinFilter(const Value& v, const List& a) { return JoinItems(v, ToText(a[0]), a[1]); }

Result<Value> SumFilter(const Value& v, const List& a) {
  PAWL_ASSIGN(const List items, Iterate(v));
  long long whole = 0;
  double sum = 0;
  bool real = false;
  const auto add = [&](const Value& one) -> Status {
    if (!one.IsNumber() || !one.digits.empty()) {
      return BadFile(fmt::format("sum: '{}' cannot be added", TypeName(one)));
    }
    real = real || one.kind == Kind::kFloat;
    sum += one.AsDouble();
    if (__builtin_add_overflow(whole, one.AsInt(), &whole) && !real) {
      return BadFile("sum: an integer is beyond 64 bits");
    }
    return {};
  };
  if (Given(a[1])) PAWL_TRY(add(a[1]));
  for (const Value& item : items) {
    if (Given(a[0])) {
      PAWL_ASSIGN(const Value one, AttributePath(item, a[0]));
      PAWL_TRY(add(one));
    } else {
      PAWL_TRY(add(item));
    }
  }
  return real ? Value::Float(sum) : Value::Int(whole);
}

Result<Value> Extreme(const Value& v, const List& a, bool largest) {
  PAWL_ASSIGN(const List items, Iterate(v));
  if (items.empty()) return Value::Undefined(largest ? "max" : "min");
  Value best = items[0];
  PAWL_ASSIGN(Value best_key, SortKey(best, a[1], a[0].Truthy()));
  for (const Value& item : items) {
    PAWL_ASSIGN(Value key, SortKey(item, a[1], a[0].Truthy()));
    PAWL_ASSIGN(const int order, Compare(key, best_key));
    if (largest ? order <= 0 : order >= 0) continue;
    best = item;
    best_key = std::move(key);
  }
  return best;
}

Result<Value> MaxFilter(const Value& v, const List& a) { return Extreme(v, a, true); }
Result<Value> MinFilter(const Value& v, const List& a) { return Extreme(v, a, false); }

Result<Value> UniqueFilter(const Value& v, const List& a) {
  PAWL_ASSIGN(const List items, Iterate(v));
  if (items.size() > kMaxQuadratic) {
    return BadFile(
        fmt::format("unique: {} items, expected at most {}", items.size(), kMaxQuadratic));
  }
  List keys, out;
  for (const Value& item : items) {
    PAWL_ASSIGN(Value key, SortKey(item, a[1], a[0].Truthy()));
    const bool seen = std::any_of(keys.begin(), keys.end(),
                                  [&](const Value& other) { return Equal(other, key); });
    if (seen) continue;
    keys.push_back(std::move(key));
    out.push_back(item);
  }
  return Value::MakeLazy(std::move(out));
}

// batch(n, fill): lists of n items, the last one filled up where fill is given.
Result<Value> BatchFilter(const Value& v, const List& a) {
  PAWL_ASSIGN(const List items, Iterate(v));
  if (a[0].kind != Kind::kInt || a[0].integer < 1) return BadFile("batch: expected a line count");
  const auto size = static_cast<std::size_t>(std::min<long long>(a[0].integer, kMaxListItems));
  List out;
  for (std::size_t begin = 0; begin < items.size(); begin += size) {
    const std::size_t end = std::min(items.size(), begin + size);
    List line(items.begin() + static_cast<std::ptrdiff_t>(begin),
              items.begin() + static_cast<std::ptrdiff_t>(end));
    if (Given(a[1])) line.resize(size, a[1]);
    out.push_back(Value::MakeList(std::move(line)));
  }
  return Value::MakeLazy(std::move(out));
}

}  // namespace

Result<Value> AttributePath(const Value& item, const Value& attribute) {
  if (!attribute.IsString()) return Index(item, attribute);
  Value at = item;
  const std::string& path = attribute.text.bytes;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t dot = std::min(path.find('.', begin), path.size());
    const std::string name = path.substr(begin, dot - begin);
    const bool digits = !name.empty() && name.size() < 10 &&
                        name.find_first_not_of("0123456789") == std::string::npos;
    PAWL_ASSIGN(at, Index(at, digits ? Value::Int(std::stoll(name)) : Value::String(name)));
    begin = dot + 1;
  }
  return at;
}

Result<List> ItemsOf(const Value& v) {
  if (v.kind != Kind::kDict) return BadFile("Can only get item pairs from a mapping.");
  List out;
  for (const auto& [key, value] : *v.dict) out.push_back(Value::MakeList({key, value}, true));
  return out;
}

Result<Value> JoinItems(const Value& value, const Text& separator, const Value& attribute) {
  PAWL_ASSIGN(const List items, Iterate(value));
  Text out;
  for (std::size_t i = 0; i < items.size() && !out.too_long; ++i) {
    if (i > 0) out.Append(separator);
    Value one = items[i];
    if (Given(attribute)) {
      PAWL_ASSIGN(one, AttributePath(one, attribute));
    }
    out.Append(ToText(one));
  }
  return Value::String(std::move(out));
}

const std::vector<Filter>& SequenceFilters() {
  static const std::vector<Filter> filters = {
      {"list", {}, ListFilter},
      {"first", {}, FirstFilter},
      {"last", {}, LastFilter},
      {"reverse", {}, ReverseFilter},
      {"join", {"d", "attribute"}, JoinFilter},
      {"items", {}, ItemsFilter},
      {"sort", {"reverse", "case_sensitive", "attribute"}, SortFilter},
      {"dictsort", {"case_sensitive", "by", "reverse"}, DictSort},
      {"sum", {"attribute", "start"}, SumFilter},
      {"max", {"case_sensitive", "attribute"}, MaxFilter},
      {"min", {"case_sensitive", "attribute"}, MinFilter},
      {"unique", {"case_sensitive", "attribute"}, UniqueFilter},
      {"batch", {"linecount", "fill_with"}, BatchFilter}};
  return filters;
}

}  // namespace pawl::jinja
