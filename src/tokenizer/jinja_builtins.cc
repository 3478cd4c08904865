#include "tokenizer/jinja_builtins.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "tokenizer/utf8.h"

namespace pawl::jinja {
namespace {

// The argument at `position` or called `name`; undefined where it is not given.
Value Argument(const Arguments& a, std::size_t position, const char* name = "") {
  if (position < a.positional.size()) return a.positional[position];
  for (const auto& [key, value] : a.named) {
    if (key == name) return value;
  }
  return Value::Undefined(name);
}
bool Given(const Value& v) { return v.kind != Kind::kUndefined && v.kind != Kind::kNone; }

bool IsSpacePoint(char32_t c) {
  return c == ' ' || (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x1f) || c == 0x85 ||
         c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
         c == 0x202f || c == 0x205f || c == 0x3000;
}

// Python's strip family; `characters` empty: white space.
Text Strip(const Text& text, bool left, bool right, const std::optional<std::string>& characters) {
  const auto offsets = CodePoints(text.bytes);
  const auto drop = [&](std::size_t i) {
    std::size_t at = offsets[i];
    if (characters) {
      const std::string one = text.bytes.substr(at, offsets[i + 1] - at);
      for (const std::size_t c : CodePoints(*characters)) {
        if (c < characters->size() && characters->compare(c, one.size(), one) == 0) return true;
      }
      return false;
    }
    return IsSpacePoint(DecodeUtf8(text.bytes, &at));
  };
  std::size_t begin = 0, end = offsets.size() - 1;
  while (left && begin < end && drop(begin)) ++begin;
  while (right && end > begin && drop(end - 1)) --end;
  return text.Sub(offsets[begin], offsets[end] - offsets[begin]);
}

// One code point mapped, its marks kept.
template <class Map>
Text MapPoints(const Text& text, Map map) {
  Text out;
  const auto offsets = CodePoints(text.bytes);
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    std::size_t at = offsets[i];
    const char32_t c = DecodeUtf8(text.bytes, &at);
    utf8proc_uint8_t buffer[4];
    const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(map(c, i)), buffer);
    out.Append(
        Text(std::string(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(size)),
             text.marks[offsets[i]] != 0));
  }
  return out;
}
char32_t Upper(char32_t c) {
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c)));
}
char32_t Lower(char32_t c) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}
bool IsLetter(char32_t c) {
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}
Text Title(const Text& text) {
  bool inside = false;
  return MapPoints(text, [&](char32_t c, std::size_t) {
    const char32_t out = inside ? Lower(c) : Upper(c);
    inside = IsLetter(c);
    return out;
  });
}
Text Capitalize(const Text& text) {
  return MapPoints(text, [](char32_t c, std::size_t i) { return i == 0 ? Upper(c) : Lower(c); });
}

Text Replace(const Text& text, const Text& from, const Text& to, long long count) {
  Text out;
  std::size_t at = 0;
  if (from.size() == 0) {
    const auto offsets = CodePoints(text.bytes);
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      if (count != 0) {
        out.Append(to);
        --count;
      }
      if (i + 1 < offsets.size()) out.Append(text.Sub(offsets[i], offsets[i + 1] - offsets[i]));
    }
    return out;
  }
  for (std::size_t found;
       count != 0 && (found = text.bytes.find(from.bytes, at)) != std::string::npos; --count) {
    out.Append(text.Sub(at, found - at));
    out.Append(to);
    at = found + from.size();
  }
  out.Append(text.Sub(at));
  return out;
}

Value SplitText(const Text& text, const std::optional<std::string>& separator, long long limit,
                bool from_right) {
  List parts;
  if (separator) {
    std::vector<std::size_t> cuts;
    if (from_right) {
      for (std::size_t end = text.size(); limit != 0;) {
        if (end < separator->size()) break;
        const std::size_t found = text.bytes.rfind(*separator, end - separator->size());
        if (found == std::string::npos) break;
        cuts.insert(cuts.begin(), found);
        end = found;
        --limit;
      }
    } else {
      for (std::size_t at = 0, found;
           limit != 0 && (found = text.bytes.find(*separator, at)) != std::string::npos; --limit) {
        cuts.push_back(found);
        at = found + separator->size();
      }
    }
    std::size_t at = 0;
    for (const std::size_t cut : cuts) {
      parts.push_back(Value::String(text.Sub(at, cut - at)));
      at = cut + separator->size();
    }
    parts.push_back(Value::String(text.Sub(at)));
    return Value::MakeList(std::move(parts));
  }
  Text rest = Strip(text, true, false, std::nullopt);
  while (rest.size() > 0) {
    if (limit == 0) {
      parts.push_back(Value::String(Strip(rest, false, true, std::nullopt)));
      break;
    }
    const auto offsets = CodePoints(rest.bytes);
    std::size_t i = 0;
    for (; i + 1 < offsets.size(); ++i) {
      std::size_t at = offsets[i];
      if (IsSpacePoint(DecodeUtf8(rest.bytes, &at))) break;
    }
    parts.push_back(Value::String(rest.Sub(0, offsets[i])));
    rest = Strip(rest.Sub(offsets[i]), true, false, std::nullopt);
    --limit;
  }
  return Value::MakeList(std::move(parts));
}

Value SplitLines(const Text& text) {
  List lines;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = text.bytes.find_first_of("\n\r\v\f", at);
    if (end == std::string::npos) end = text.size();
    lines.push_back(Value::String(text.Sub(at, end - at)));
    at = end + (text.bytes.compare(end, 2, "\r\n") == 0 ? 2 : 1);
  }
  return Value::MakeList(std::move(lines));
}

// value or value.attribute, dotted names allowed.
Result<Value> ByAttribute(const Value& item, const Value& attribute) {
  if (!attribute.IsString()) return Index(item, attribute);
  Value at = item;
  std::string path = attribute.text.bytes;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t dot = std::min(path.find('.', begin), path.size());
    PAWL_ASSIGN(at, Index(at, Value::String(path.substr(begin, dot - begin))));
    begin = dot + 1;
  }
  return at;
}

Result<Value> SelectItems(const Value& value, const Arguments& a, bool by_attribute, bool keep) {
  PAWL_ASSIGN(const List items, Iterate(value));
  const std::size_t first = by_attribute ? 1 : 0;
  if (by_attribute && a.positional.empty())
    return BadFile("selectattr: the attribute's name is missing");
  List chosen;
  for (const Value& item : items) {
    Value subject = item;
    if (by_attribute) {
      PAWL_ASSIGN(subject, ByAttribute(item, a.positional[0]));
    }
    bool holds = subject.Truthy();
    if (a.positional.size() > first) {
      Arguments rest;
      rest.positional.assign(a.positional.begin() + static_cast<long>(first) + 1,
                             a.positional.end());
      PAWL_ASSIGN(holds, ApplyTest(ToText(a.positional[first]).bytes, subject, rest));
    }
    if (holds == keep) chosen.push_back(item);
  }
  return Value::MakeList(std::move(chosen));
}

Result<Value> MapItems(const Value& value, const Arguments& a) {
  PAWL_ASSIGN(const List items, Iterate(value));
  const Value attribute = Argument(a, 99, "attribute");
  const Value fallback = Argument(a, 99, "default");
  List out;
  for (const Value& item : items) {
    if (Given(attribute)) {
      PAWL_ASSIGN(Value one, ByAttribute(item, attribute));
      if (one.kind == Kind::kUndefined && Given(fallback)) one = fallback;
      out.push_back(std::move(one));
    } else {
      if (a.positional.empty()) return BadFile("map: needs a filter or attribute=");
      Arguments rest;
      rest.positional.assign(a.positional.begin() + 1, a.positional.end());
      rest.named = a.named;
      PAWL_ASSIGN(Value one, ApplyFilter(ToText(a.positional[0]).bytes, item, rest));
      out.push_back(std::move(one));
    }
  }
  return Value::MakeList(std::move(out));
}

// Sorts by a key; strings without regard to case, as Jinja does by default.
Result<Value> Sorted(const Value& value, bool reverse, bool case_sensitive,
                     const Value& attribute) {
  PAWL_ASSIGN(const List items, Iterate(value));
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : items) {
    Value key = item;
    if (Given(attribute)) {
      PAWL_ASSIGN(key, ByAttribute(item, attribute));
    }
    if (key.IsString() && !case_sensitive) {
      key = Value::String(MapPoints(key.text, [](char32_t c, std::size_t) { return Lower(c); }));
    }
    keyed.emplace_back(std::move(key), item);
  }
  std::optional<Error> problem;
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    const auto order = Compare(reverse ? b.first : a.first, reverse ? a.first : b.first);
    if (!order && !problem) problem = order.error();
    return order && *order < 0;
  });
  if (problem) return tl::unexpected<Error>(*problem);
  List out;
  for (auto& entry : keyed) out.push_back(std::move(entry.second));
  return Value::MakeList(std::move(out));
}

Result<Value> Items(const Value& value) {
  if (value.kind == Kind::kUndefined) return Value::MakeList({});
  if (value.kind != Kind::kDict) return BadFile("Can only get item pairs from a mapping.");
  List out;
  for (const auto& [k, v] : *value.dict) out.push_back(Value::MakeList({k, v}, true));
  return Value::MakeList(std::move(out));
}

Result<Value> ToInteger(const Value& v, const Value& fallback) {
  const Value otherwise = Given(fallback) ? fallback : Value::Int(0);
  if (v.kind == Kind::kInt) return v;
  if (v.kind == Kind::kBool) return Value::Int(v.AsInt());
  if (v.kind == Kind::kFloat)
    return std::isfinite(v.number) ? Value::Int(static_cast<long long>(v.number)) : otherwise;
  if (!v.IsString()) return otherwise;
  const std::string text = Strip(v.text, true, true, std::nullopt).bytes;
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(number)) return otherwise;
  return Value::Int(static_cast<long long>(number));
}

Result<Value> Rounded(const Value& v, const Arguments& a) {
  const Value precision = Argument(a, 0, "precision");
  const Value method = Argument(a, 1, "method");
  const double scale =
      std::pow(10.0, precision.kind == Kind::kInt ? static_cast<double>(precision.integer) : 0.0);
  const double x = v.AsDouble() * scale;
  const std::string how = method.IsString() ? method.text.bytes : "common";
  const double r = how == "ceil"    ? std::ceil(x)
                   : how == "floor" ? std::floor(x)
                                    : std::nearbyint(x);
  return Value::Float(r / scale);
}

Text Indented(const Text& text, const Value& width, bool first, bool blank) {
  const std::string pad =
      width.IsString() ? width.text.bytes
                       : std::string(width.kind == Kind::kInt
                                         ? static_cast<std::size_t>(std::max(0LL, width.integer))
                                         : 4,
                                     ' ');
  Text out;
  std::size_t at = 0;
  for (bool begin = true; at <= text.size(); begin = false) {
    const std::size_t end = std::min(text.bytes.find('\n', at), text.size());
    if (!begin) out.Append(Text("\n"));
    if ((begin ? first : true) && (blank || end > at || (begin && first))) out.Append(Text(pad));
    out.Append(text.Sub(at, end - at));
    at = end + 1;
  }
  return out;
}

Text EscapedHtml(const Text& text) {
  Text out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text.bytes[i];
    const char* name = c == '&'    ? "&amp;"
                       : c == '<'  ? "&lt;"
                       : c == '>'  ? "&gt;"
                       : c == '"'  ? "&#34;"
                       : c == '\'' ? "&#39;"
                                   : nullptr;
    out.Append(name != nullptr ? Text(name) : text.Sub(i, 1));
  }
  return out;
}

Result<Value> JoinItems(const Value& value, const Text& separator, const Value& attribute) {
  PAWL_ASSIGN(const List items, Iterate(value));
  Text out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.Append(separator);
    Value one = items[i];
    if (Given(attribute)) {
      PAWL_ASSIGN(one, ByAttribute(one, attribute));
    }
    out.Append(ToText(one));
  }
  return Value::String(std::move(out));
}

Result<Value> SumItems(const Value& value, const Arguments& a) {
  PAWL_ASSIGN(const List items, Iterate(value));
  const Value attribute = Argument(a, 0, "attribute");
  double sum = 0;
  bool whole = true;
  for (const Value& item : items) {
    Value one = item;
    if (Given(attribute)) {
      PAWL_ASSIGN(one, ByAttribute(one, attribute));
    }
    if (!one.IsNumber()) return BadFile("sum: an item is not a number");
    whole = whole && one.kind != Kind::kFloat;
    sum += one.AsDouble();
  }
  return whole ? Value::Int(static_cast<long long>(sum)) : Value::Float(sum);
}

Result<Value> Extreme(const Value& value, bool largest) {
  PAWL_ASSIGN(const List items, Iterate(value));
  if (items.empty()) return Value::Undefined("max");
  Value best = items[0];
  for (const Value& item : items) {
    PAWL_ASSIGN(const int order, Compare(item, best));
    if (largest ? order > 0 : order < 0) best = item;
  }
  return best;
}

Result<Value> Unique(const Value& value) {
  PAWL_ASSIGN(const List items, Iterate(value));
  List out;
  for (const Value& item : items) {
    if (std::none_of(out.begin(), out.end(), [&](const Value& v) { return Equal(v, item); }))
      out.push_back(item);
  }
  return Value::MakeList(std::move(out));
}

}  // namespace

Result<Value> ApplyFilter(const std::string& name, const Value& v, const Arguments& a) {
  const auto text = [&] { return ToText(v); };
  if (name == "tojson") {
    const Value indent = Argument(a, 1, "indent"), sort = Argument(a, 3, "sort_keys");
    std::optional<int> width;
    if (indent.kind == Kind::kInt) width = static_cast<int>(std::clamp(indent.integer, 0LL, 64LL));
    PAWL_ASSIGN(Text json, ToJson(v, width, sort.Truthy()));
    return Value::String(std::move(json));
  }
  if (name == "trim") {
    const Value chars = Argument(a, 0, "chars");
    return Value::String(Strip(text(), true, true,
                               Given(chars) ? std::optional(ToText(chars).bytes) : std::nullopt));
  }
  if (name == "length" || name == "count") {
    PAWL_ASSIGN(const long long n, LengthOf(v));
    return Value::Int(n);
  }
  if (name == "upper")
    return Value::String(MapPoints(text(), [](char32_t c, std::size_t) { return Upper(c); }));
  if (name == "lower")
    return Value::String(MapPoints(text(), [](char32_t c, std::size_t) { return Lower(c); }));
  if (name == "title") return Value::String(Title(text()));
  if (name == "capitalize") return Value::String(Capitalize(text()));
  if (name == "string") return Value::String(text());
  if (name == "safe") return v;
  if (name == "e" || name == "escape") return Value::String(EscapedHtml(text()));
  if (name == "default" || name == "d") {
    const Value fallback = Argument(a, 0, "default_value");
    const bool use =
        v.kind == Kind::kUndefined || (Argument(a, 1, "boolean").Truthy() && !v.Truthy());
    if (!use) return v;
    return fallback.kind == Kind::kUndefined ? Value::String("") : fallback;
  }
  if (name == "join") return JoinItems(v, ToText(Argument(a, 0, "d")), Argument(a, 1, "attribute"));
  if (name == "replace") {
    const Value count = Argument(a, 2, "count");
    return Value::String(Replace(text(), ToText(Argument(a, 0, "old")),
                                 ToText(Argument(a, 1, "new")),
                                 count.kind == Kind::kInt ? count.integer : -1));
  }
  if (name == "first" || name == "last") {
    PAWL_ASSIGN(const List items, Iterate(v));
    if (items.empty()) return Value::Undefined(name);
    return name == "first" ? items.front() : items.back();
  }
  if (name == "list") {
    PAWL_ASSIGN(List items, Iterate(v));
    return Value::MakeList(std::move(items));
  }
  if (name == "reverse") {
    PAWL_ASSIGN(List items, Iterate(v));
    std::reverse(items.begin(), items.end());
    if (!v.IsString()) return Value::MakeList(std::move(items));
    Text out;
    for (const Value& c : items) out.Append(c.text);
    return Value::String(std::move(out));
  }
  if (name == "int") return ToInteger(v, Argument(a, 0, "default"));
  if (name == "float") {
    if (v.IsNumber()) return Value::Float(v.AsDouble());
    char* end = nullptr;
    const std::string number = Strip(text(), true, true, std::nullopt).bytes;
    const double d = std::strtod(number.c_str(), &end);
    const Value fallback = Argument(a, 0, "default");
    if (number.empty() || *end != '\0') return Given(fallback) ? fallback : Value::Float(0);
    return Value::Float(d);
  }
  if (name == "abs") {
    if (v.kind == Kind::kFloat) return Value::Float(std::fabs(v.number));
    if (v.IsNumber()) return Value::Int(std::llabs(v.AsInt()));
    return BadFile("abs: not a number");
  }
  if (name == "round") return Rounded(v, a);
  if (name == "items") return Items(v);
  if (name == "dictsort") {
    PAWL_ASSIGN(const Value pairs, Items(v));
    const Value by = Argument(a, 1, "by");
    return Sorted(pairs, Argument(a, 2, "reverse").Truthy(),
                  Argument(a, 0, "case_sensitive").Truthy(),
                  Value::Int(by.IsString() && by.text.bytes == "value" ? 1 : 0));
  }
  if (name == "sort") {
    return Sorted(v, Argument(a, 0, "reverse").Truthy(), Argument(a, 1, "case_sensitive").Truthy(),
                  Argument(a, 2, "attribute"));
  }
  if (name == "map") return MapItems(v, a);
  if (name == "select") return SelectItems(v, a, false, true);
  if (name == "reject") return SelectItems(v, a, false, false);
  if (name == "selectattr") return SelectItems(v, a, true, true);
  if (name == "rejectattr") return SelectItems(v, a, true, false);
  if (name == "sum") return SumItems(v, a);
  if (name == "max" || name == "min") return Extreme(v, name == "max");
  if (name == "unique") return Unique(v);
  if (name == "indent") {
    return Value::String(Indented(text(), Argument(a, 0, "width"), Argument(a, 1, "first").Truthy(),
                                  Argument(a, 2, "blank").Truthy()));
  }
  return BadFile(fmt::format("No filter named '{}'.", name));
}

Result<bool> ApplyTest(const std::string& name, const Value& v, const Arguments& a) {
  const Value other = Argument(a, 0);
  if (name == "defined") return v.kind != Kind::kUndefined;
  if (name == "undefined") return v.kind == Kind::kUndefined;
  if (name == "none") return v.kind == Kind::kNone;
  if (name == "string") return v.IsString();
  if (name == "mapping") return v.kind == Kind::kDict;
  if (name == "number") return v.IsNumber();
  if (name == "integer") return v.kind == Kind::kInt;
  if (name == "float") return v.kind == Kind::kFloat;
  if (name == "boolean") return v.kind == Kind::kBool;
  if (name == "true" || name == "false") return v.kind == Kind::kBool && v.flag == (name == "true");
  if (name == "iterable")
    return v.IsString() || v.IsSequence() || v.kind == Kind::kDict || v.kind == Kind::kUndefined;
  if (name == "sequence")
    return v.IsString() || v.IsSequence() || v.kind == Kind::kDict || v.kind == Kind::kUndefined;
  if (name == "callable") return v.kind == Kind::kCallable;
  if (name == "sameas") return v.kind == other.kind && Equal(v, other);
  if (name == "in") return Contains(other, v);
  if (name == "odd" || name == "even" || name == "divisibleby") {
    const long long by = name == "divisibleby" ? other.AsInt() : 2;
    if (!v.IsNumber() || by == 0) return BadFile(fmt::format("test {}: not a number", name));
    const long long rest = ((v.AsInt() % by) + by) % by;
    return name == "odd" ? rest == 1 : rest == 0;
  }
  if (name == "upper" || name == "lower") {
    const Text text = ToText(v);
    const auto wanted = name == "upper" ? Upper : Lower;
    const auto unwanted = name == "upper" ? Lower : Upper;
    return MapPoints(text, [&](char32_t c, std::size_t) { return wanted(c); }).bytes ==
               text.bytes &&
           MapPoints(text, [&](char32_t c, std::size_t) { return unwanted(c); }).bytes !=
               text.bytes;
  }
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

namespace {

Result<Value> StringMethod(const Text& text, const std::string& name, const Arguments& a) {
  const Value first = Argument(a, 0), second = Argument(a, 1);
  const auto optional_text = [&](const Value& v) {
    return Given(v) ? std::optional(ToText(v).bytes) : std::nullopt;
  };
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    return Value::String(Strip(text, name != "rstrip", name != "lstrip", optional_text(first)));
  }
  if (name == "upper" || name == "lower" || name == "title" || name == "capitalize") {
    return ApplyFilter(name, Value::String(text), {});
  }
  if (name == "startswith" || name == "endswith") {
    const List options = first.IsSequence() ? *first.list : List{first};
    for (const Value& option : options) {
      if (!option.IsString()) return BadFile(name + ": the argument must be a str");
      if (name == "startswith" ? text.bytes.starts_with(option.text.bytes)
                               : text.bytes.ends_with(option.text.bytes)) {
        return Value::Bool(true);
      }
    }
    return Value::Bool(false);
  }
  if (name == "split" || name == "rsplit") {
    const Value separator = Argument(a, 0, "sep"), limit = Argument(a, 1, "maxsplit");
    const auto by = optional_text(separator);
    if (by && by->empty()) return BadFile("empty separator");
    return SplitText(text, by, limit.kind == Kind::kInt ? limit.integer : -1, name == "rsplit");
  }
  if (name == "splitlines") return SplitLines(text);
  if (name == "replace") {
    const Value count = Argument(a, 2, "count");
    return Value::String(Replace(text, ToText(first), ToText(second),
                                 count.kind == Kind::kInt ? count.integer : -1));
  }
  if (name == "join") return JoinItems(first, text, Value());
  if (name == "find" || name == "rfind" || name == "index") {
    const std::string needle = ToText(first).bytes;
    const std::size_t at = name == "rfind" ? text.bytes.rfind(needle) : text.bytes.find(needle);
    if (at == std::string::npos) {
      if (name == "index") return BadFile("substring not found");
      return Value::Int(-1);
    }
    return Value::Int(static_cast<long long>(CodePoints(text.bytes.substr(0, at)).size()) - 1);
  }
  if (name == "count") {
    const std::string needle = ToText(first).bytes;
    long long n = 0;
    for (std::size_t at = 0;
         !needle.empty() && (at = text.bytes.find(needle, at)) != std::string::npos;
         at += needle.size())
      ++n;
    return Value::Int(n);
  }
  if (name == "removeprefix" || name == "removesuffix") {
    const std::string part = ToText(first).bytes;
    if (name == "removeprefix" && text.bytes.starts_with(part))
      return Value::String(text.Sub(part.size()));
    if (name == "removesuffix" && text.bytes.ends_with(part))
      return Value::String(text.Sub(0, text.size() - part.size()));
    return Value::String(text);
  }
  if (name == "isdigit" || name == "isspace" || name == "isalpha" || name == "isupper" ||
      name == "islower") {
    if (name == "isupper" || name == "islower") {
      PAWL_ASSIGN(const bool is, ApplyTest(name.substr(2), Value::String(text), {}));
      return Value::Bool(is);
    }
    bool all = text.size() > 0;
    for (std::size_t at = 0; at < text.size();) {
      const char32_t c = DecodeUtf8(text.bytes, &at);
      all = all && (name == "isdigit"   ? c >= '0' && c <= '9'
                    : name == "isspace" ? IsSpacePoint(c)
                                        : IsLetter(c));
    }
    return Value::Bool(all);
  }
  return BadFile(fmt::format("'str object' has no attribute '{}'", name));
}

Result<Value> DictMethod(const Value& dict, const std::string& name, const Arguments& a) {
  if (name == "items") return Items(dict);
  if (name == "keys" || name == "values") {
    List out;
    for (const auto& [k, v] : *dict.dict) out.push_back(name == "keys" ? k : v);
    return Value::MakeList(std::move(out));
  }
  if (name == "get") {
    for (const auto& [k, v] : *dict.dict) {
      if (Equal(k, Argument(a, 0, "key"))) return v;
    }
    const Value fallback = Argument(a, 1, "default");
    return fallback.kind == Kind::kUndefined ? Value::None() : fallback;
  }
  return BadFile(fmt::format("'dict object' has no attribute '{}'", name));
}

}  // namespace

Result<Value> CallMethod(const Value& v, const std::string& name, const Arguments& a) {
  if (v.IsString()) return StringMethod(v.text, name, a);
  if (v.kind == Kind::kDict) return DictMethod(v, name, a);
  if (v.IsSequence()) {
    const Value item = Argument(a, 0);
    long long at = 0, count = 0, found = -1;
    for (const Value& one : *v.list) {
      if (Equal(one, item)) {
        ++count;
        if (found < 0) found = at;
      }
      ++at;
    }
    if (name == "count") return Value::Int(count);
    if (name == "index" && found >= 0) return Value::Int(found);
    // append and the like: the sandbox of the reference forbids changing lists.
    return BadFile(
        fmt::format("access to attribute '{}' of 'list' object is unsafe or unknown", name));
  }
  if (v.kind == Kind::kUndefined) return BadFile(fmt::format("'{}' is undefined", v.text.bytes));
  return BadFile(fmt::format("'{} object' has no attribute '{}'", TypeName(v), name));
}

}  // namespace pawl::jinja
