// Filters of single values, and how filters are found and called.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>

#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_text.h"

namespace pawl::jinja {
namespace {

Result<Value> ToJsonFilter(const Value& v, const List& a) {
  JsonStyle style;
  style.ensure_ascii = a[0].Truthy();
  if (a[1].kind == Kind::kInt) {
    style.indent = std::string(static_cast<std::size_t>(std::clamp(a[1].integer, 0LL, 64LL)), ' ');
  } else if (a[1].IsString()) {
    style.indent = a[1].text.bytes;
  }
  if (style.indent) style.item_separator.resize(1);  // without the space
  if (Given(a[2])) {
    PAWL_ASSIGN(const List separators, Iterate(a[2]));
    if (separators.size() != 2 || !separators[0].IsString() || !separators[1].IsString()) {
      return BadFile("tojson: separators must be two strings");
    }
    style.item_separator = separators[0].text.bytes;
    style.key_separator = separators[1].text.bytes;
  }
  style.sort_keys = a[3].Truthy();
  PAWL_ASSIGN(Text json, ToJson(v, style));
  return Value::String(std::move(json));
}

// Python's int() and float() of a string; nothing where they raise ValueError.
std::optional<Value> ParseInteger(std::string text) {
  std::erase(text, '_');
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));
  Value v = Value::Int(0);
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), v.integer);
  if (read.ec == std::errc()) {
    if (negative) v.integer = -v.integer;
    return v;
  }
  if (negative) v.digits.push_back('-');
  v.digits.append(digits);
  return v;
}

std::optional<double> ParseFloat(std::string text) {
  std::erase(text, '_');
  if (text.empty() || text.find_first_of("xXpP( ") != std::string::npos) return std::nullopt;
  char* end = nullptr;
  const double d = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size()) return std::nullopt;
  return d;
}

// An integer from a float, cut towards zero; nothing for what is not finite.
std::optional<Value> Truncated(double d) {
  if (!std::isfinite(d)) return std::nullopt;
  Value v = Value::Int(0);
  if (std::fabs(d) < 9e18) {
    v.integer = static_cast<long long>(d);
  } else {
    v.digits = fmt::format("{:.0f}", d);
  }
  return v;
}

Result<Value> IntFilter(const Value& v, const List& a) {
  const Value fallback = a[0].kind == Kind::kUndefined ? Value::Int(0) : a[0];
  if (Given(a[1]) && !Equal(a[1], Value::Int(10))) return BadFile("int: only base 10 is supported");
  if (v.kind == Kind::kInt) return v;
  if (v.kind == Kind::kBool) return Value::Int(v.AsInt());
  if (v.kind == Kind::kFloat) return Truncated(v.number).value_or(fallback);
  if (!v.IsString()) return fallback;
  const std::string text = Strip(v.text, Sides::kBoth, std::nullopt).bytes;
  if (auto whole = ParseInteger(text)) return *whole;
  if (const auto real = ParseFloat(text)) return Truncated(*real).value_or(fallback);
  return fallback;
}

Result<Value> FloatFilter(const Value& v, const List& a) {
  if (v.IsNumber()) return Value::Float(v.AsDouble());
  const Value fallback = a[0].kind == Kind::kUndefined ? Value::Float(0) : a[0];
  if (!v.IsString()) return fallback;
  const auto real = ParseFloat(Strip(v.text, Sides::kBoth, std::nullopt).bytes);
  return real ? Value::Float(*real) : fallback;
}

Result<Value> AbsFilter(const Value& v, const List&) {
  if (v.kind == Kind::kFloat) return Value::Float(std::fabs(v.number));
  if (!v.IsNumber() || !v.digits.empty() || v.AsInt() == INT64_MIN) {
    return BadFile(fmt::format("bad operand type for abs(): '{}'", TypeName(v)));
  }
  return Value::Int(std::llabs(v.AsInt()));
}

Result<Value> RoundFilter(const Value& v, const List& a) {
  if (!v.IsNumber()) return BadFile(fmt::format("round: '{}' is not a number", TypeName(v)));
  const long long precision = a[0].kind == Kind::kInt ? std::clamp(a[0].integer, -300LL, 300LL) : 0;
  const std::string method = Given(a[1]) ? ToText(a[1]).bytes : "common";
  const double x = v.AsDouble();
  if (method == "common") {
    if (v.kind != Kind::kFloat) return v;
    if (precision >= 0) {
      // Correctly rounded in decimal, ties to even, as Python's round().
      return Value::Float(std::strtod(fmt::format("{:.{}f}", x, precision).c_str(), nullptr));
    }
  } else if (method != "ceil" && method != "floor") {
    return BadFile("method must be common, ceil or floor");
  }
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = x * scale;
  const double rounded = method == "ceil"    ? std::ceil(scaled)
                         : method == "floor" ? std::floor(scaled)
                                             : std::nearbyint(scaled);
  return Value::Float(rounded / scale);
}

Result<Value> DefaultFilter(const Value& v, const List& a) {
  if (v.kind != Kind::kUndefined && !(a[1].Truthy() && !v.Truthy())) return v;
  return a[0].kind == Kind::kUndefined ? Value::String("") : a[0];
}

Result<Value> TrimFilter(const Value& v, const List& a) {
  const auto characters = Given(a[0]) ? std::optional(ToText(a[0]).bytes) : std::nullopt;
  return Value::String(Strip(ToText(v), Sides::kBoth, characters));
}

Result<Value> ReplaceFilter(const Value& v, const List& a) {
  return Value::String(
      Replace(ToText(v), ToText(a[0]), ToText(a[1]), a[2].kind == Kind::kInt ? a[2].integer : -1));
}

Result<Value> IndentFilter(const Value& v, const List& a) {
  const long long width = a[0].kind == Kind::kInt ? std::clamp(a[0].integer, 0LL, 1000LL) : 4;
  const Text pad =
      a[0].IsString() ? a[0].text : Text(std::string(static_cast<std::size_t>(width), ' '));
  return Value::String(Indent(ToText(v), pad, a[1].Truthy(), a[2].Truthy()));
}

Result<Value> CenterFilter(const Value& v, const List& a) {
  return Value::String(Pad(ToText(v), a[0].kind == Kind::kInt ? a[0].integer : 80, Sides::kBoth));
}

template <auto function>
Result<Value> OfText(const Value& v, const List&) {
  return Value::String(function(ToText(v)));
}

Result<Value> Itself(const Value& v, const List&) { return v; }

Result<Value> LengthFilter(const Value& v, const List&) {
  PAWL_ASSIGN(const long long n, LengthOf(v));
  return Value::Int(n);
}

Result<Value> WordCount(const Value& v, const List&) {
  return Value::Int(static_cast<long long>(Split(ToText(v), std::nullopt, -1, false).size()));
}

const std::vector<Filter>& ValueFilters() {
  static const std::vector<Filter> filters = {
      {"tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}, ToJsonFilter},
      {"trim", {"chars"}, TrimFilter},
      {"length", {}, LengthFilter},
      {"count", {}, LengthFilter},
      {"upper", {}, OfText<Upper>},
      {"lower", {}, OfText<Lower>},
      {"title", {}, OfText<TitleFilter>},
      {"capitalize", {}, OfText<Capitalize>},
      {"e", {}, OfText<EscapeHtml>},
      {"escape", {}, OfText<EscapeHtml>},
      {"string",
       {},
       [](const Value& v, const List&) -> Result<Value> { return Value::String(ToText(v)); }},
      {"safe", {}, Itself},
      {"default", {"default_value", "boolean"}, DefaultFilter},
      {"d", {"default_value", "boolean"}, DefaultFilter},
      {"replace", {"old", "new", "count"}, ReplaceFilter},
      {"int", {"default", "base"}, IntFilter},
      {"float", {"default"}, FloatFilter},
      {"abs", {}, AbsFilter},
      {"round", {"precision", "method"}, RoundFilter},
      {"indent", {"width", "first", "blank"}, IndentFilter},
      {"center", {"width"}, CenterFilter},
      {"wordcount", {}, WordCount}};
  return filters;
}

const Filter* FindFilter(const std::string& name) {
  static const std::map<std::string, const Filter*> index = [] {
    std::map<std::string, const Filter*> all;
    for (const auto* table : {&ValueFilters(), &SequenceFilters()}) {
      for (const Filter& filter : *table) all[filter.name] = &filter;
    }
    return all;
  }();
  const auto it = index.find(name);
  return it == index.end() ? nullptr : it->second;
}

// map('upper') and map(attribute='role', default='x').
Result<Value> MapFilter(const Value& value, const Arguments& a) {
  PAWL_ASSIGN(const List items, Iterate(value));
  const bool by_attribute =
      a.positional.empty() && !a.named.empty() && a.named[0].first == "attribute";
  if (!by_attribute && a.positional.empty()) return BadFile("map requires a filter argument");
  Arguments rest;
  std::string name;
  List bound;
  if (by_attribute) {
    constexpr const char* kParameters[] = {"attribute", "default"};
    PAWL_ASSIGN(bound, BindArguments("map", a, kParameters));
  } else {
    name = ToText(a.positional[0]).bytes;
    rest.positional.assign(a.positional.begin() + 1, a.positional.end());
    rest.named = a.named;
  }
  List out;
  for (const Value& item : items) {
    if (by_attribute) {
      PAWL_ASSIGN(Value one, AttributePath(item, bound[0]));
      if (one.kind == Kind::kUndefined && bound[1].kind != Kind::kUndefined) one = bound[1];
      out.push_back(std::move(one));
    } else {
      PAWL_ASSIGN(Value one, ApplyFilter(name, item, rest));
      out.push_back(std::move(one));
    }
  }
  return Value::MakeLazy(std::move(out));
}

// select, reject, selectattr and rejectattr.
Result<Value> SelectFilter(const std::string& name, const Value& value, const Arguments& a) {
  const bool by_attribute = name.ends_with("attr");
  const bool keep = name.starts_with("select");
  PAWL_ASSIGN(const List items, Iterate(value));
  const std::size_t first = by_attribute ? 1 : 0;
  if (a.positional.size() < first) return BadFile("Missing parameter for attribute name");
  Arguments rest;
  if (a.positional.size() > first) {
    rest.positional.assign(a.positional.begin() + static_cast<std::ptrdiff_t>(first) + 1,
                           a.positional.end());
    rest.named = a.named;
  }
  List chosen;
  for (const Value& item : items) {
    Value subject = item;
    if (by_attribute) {
      PAWL_ASSIGN(subject, AttributePath(item, a.positional[0]));
    }
    bool holds = subject.Truthy();
    if (a.positional.size() > first) {
      PAWL_ASSIGN(holds, ApplyTest(ToText(a.positional[first]).bytes, subject, rest));
    }
    if (holds == keep) chosen.push_back(item);
  }
  return Value::MakeLazy(std::move(chosen));
}

}  // namespace

bool Given(const Value& v) { return v.kind != Kind::kUndefined && v.kind != Kind::kNone; }

Result<List> BindArguments(const std::string& function, const Arguments& a,
                           std::span<const char* const> parameters) {
  if (a.positional.size() > parameters.size()) {
    return BadFile(fmt::format("{}() takes at most {} arguments, got {}", function,
                               parameters.size(), a.positional.size()));
  }
  List bound = a.positional;
  for (std::size_t i = bound.size(); i < parameters.size(); ++i) {
    bound.push_back(Value::Undefined(parameters[i]));
  }
  for (const auto& [name, value] : a.named) {
    const auto it = std::find(parameters.begin(), parameters.end(), name);
    const auto at = static_cast<std::size_t>(it - parameters.begin());
    if (it == parameters.end() || at < a.positional.size()) {
      return BadFile(fmt::format("{}() got an unexpected argument '{}'", function, name));
    }
    bound[at] = value;
  }
  return bound;
}

Result<Value> ApplyFilter(const std::string& name, const Value& v, const Arguments& a) {
  if (name == "map") return MapFilter(v, a);
  if (name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr") {
    return SelectFilter(name, v, a);
  }
  if (name == "format") {
    PAWL_ASSIGN(Text text, PercentFormat(ToText(v), a.positional));
    return Value::String(std::move(text));
  }
  const Filter* filter = FindFilter(name);
  if (filter == nullptr) return BadFile(fmt::format("No filter named '{}'.", name));
  PAWL_ASSIGN(const List bound, BindArguments(name, a, filter->parameters));
  return filter->apply(v, bound);
}

}  // namespace pawl::jinja
