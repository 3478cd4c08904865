// Methods of strings, dicts and lists.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_text.h"
#include "tokenizer/utf8.h"

namespace pawl::jinja {
namespace {

std::optional<std::string> Characters(const Value& v) {
  return Given(v) ? std::optional(ToText(v).bytes) : std::nullopt;
}

template <Sides sides>
Result<Value> StripMethod(const Value& v, const List& a) {
  return Value::String(Strip(v.text, sides, Characters(a[0])));
}

template <auto function>
Result<Value> TextMethod(const Value& v, const List&) {
  return Value::String(function(v.text));
}

template <bool at_start>
Result<Value> StartsOrEnds(const Value& v, const List& a) {
  const List options = a[0].IsSequence() ? *a[0].list : List{a[0]};
  for (const Value& option : options) {
    if (!option.IsString()) {
      return BadFile(fmt::format("{} first arg must be str or a tuple of str, not {}",
                                 at_start ? "startswith" : "endswith", TypeName(option)));
    }
    const std::string& part = option.text.bytes;
    if (at_start ? v.text.bytes.starts_with(part) : v.text.bytes.ends_with(part)) {
      return Value::Bool(true);
    }
  }
  return Value::Bool(false);
}

template <bool from_right>
Result<Value> SplitMethod(const Value& v, const List& a) {
  if (Given(a[0]) && !a[0].IsString()) return BadFile("must be str or None, not another type");
  const auto separator = Characters(a[0]);
  if (separator && separator->empty()) return BadFile("empty separator");
  const long long limit = a[1].kind == Kind::kInt ? a[1].integer : -1;
  return Value::MakeList(Split(v.text, separator, limit, from_right));
}

template <bool from_right>
Result<Value> PartitionMethod(const Value& v, const List& a) {
  if (!a[0].IsString() || a[0].text.size() == 0) return BadFile("empty separator");
  return Value::MakeList(Partition(v.text, a[0].text, from_right), true);
}

Result<Value> SplitLinesMethod(const Value& v, const List& a) {
  return Value::MakeList(SplitLines(v.text, a[0].Truthy()));
}

Result<Value> ReplaceMethod(const Value& v, const List& a) {
  if (!a[0].IsString() || !a[1].IsString()) return BadFile("replace() arguments must be str");
  return Value::String(
      Replace(v.text, a[0].text, a[1].text, a[2].kind == Kind::kInt ? a[2].integer : -1));
}

Result<Value> JoinMethod(const Value& v, const List& a) {
  PAWL_ASSIGN(const List items, Iterate(a[0]));
  for (const Value& item : items) {
    if (!item.IsString()) {
      return BadFile(fmt::format("sequence item: expected str instance, {} found", TypeName(item)));
    }
  }
  return JoinItems(a[0], v.text, {});
}

enum class Search { kFind, kRightFind, kIndex };
template <Search search>
Result<Value> FindMethod(const Value& v, const List& a) {
  if (!a[0].IsString()) return BadFile("must be str");
  const std::string& text = v.text.bytes;
  const std::size_t at =
      search == Search::kRightFind ? text.rfind(a[0].text.bytes) : text.find(a[0].text.bytes);
  if (at != std::string::npos) {
    return Value::Int(static_cast<long long>(CodePoints(text.substr(0, at)).size()) - 1);
  }
  if (search == Search::kIndex) return BadFile("substring not found");
  return Value::Int(-1);
}

Result<Value> CountMethod(const Value& v, const List& a) {
  if (!a[0].IsString()) return BadFile("must be str");
  const std::string& part = a[0].text.bytes;
  if (part.empty()) return Value::Int(static_cast<long long>(CodePoints(v.text.bytes).size()));
  long long count = 0;
  for (std::size_t at = 0; (at = v.text.bytes.find(part, at)) != std::string::npos; ++count) {
    at += part.size();
  }
  return Value::Int(count);
}

template <bool prefix>
Result<Value> RemoveAffix(const Value& v, const List& a) {
  const std::string part = ToText(a[0]).bytes;
  if (prefix && v.text.bytes.starts_with(part)) return Value::String(v.text.Sub(part.size()));
  if (!prefix && v.text.bytes.ends_with(part)) {
    return Value::String(v.text.Sub(0, v.text.size() - part.size()));
  }
  return v;
}

template <auto holds>
Result<Value> AllPoints(const Value& v, const List&) {
  for (std::size_t at = 0; at < v.text.size();) {
    if (!holds(DecodeUtf8(v.text.bytes, &at))) return Value::Bool(false);
  }
  return Value::Bool(v.text.size() > 0);
}
bool IsDigit(char32_t c) { return c >= '0' && c <= '9'; }
bool IsAlphanumeric(char32_t c) { return IsDigit(c) || IsLetter(c); }

template <auto holds>
Result<Value> TextTest(const Value& v, const List&) {
  return Value::Bool(holds(v.text));
}

template <Sides sides>
Result<Value> PadMethod(const Value& v, const List& a) {
  if (a[0].kind != Kind::kInt) return BadFile("width must be an integer");
  return Value::String(Pad(v.text, a[0].integer, sides));
}

const std::vector<Filter>& StringMethods() {
  static const std::vector<Filter> methods = {{"strip", {"chars"}, StripMethod<Sides::kBoth>},
                                              {"lstrip", {"chars"}, StripMethod<Sides::kLeft>},
                                              {"rstrip", {"chars"}, StripMethod<Sides::kRight>},
                                              {"upper", {}, TextMethod<Upper>},
                                              {"lower", {}, TextMethod<Lower>},
                                              {"casefold", {}, TextMethod<Lower>},
                                              {"title", {}, TextMethod<TitleMethod>},
                                              {"capitalize", {}, TextMethod<Capitalize>},
                                              {"startswith", {"prefix"}, StartsOrEnds<true>},
                                              {"endswith", {"suffix"}, StartsOrEnds<false>},
                                              {"split", {"sep", "maxsplit"}, SplitMethod<false>},
                                              {"rsplit", {"sep", "maxsplit"}, SplitMethod<true>},
                                              {"partition", {"sep"}, PartitionMethod<false>},
                                              {"rpartition", {"sep"}, PartitionMethod<true>},
                                              {"splitlines", {"keepends"}, SplitLinesMethod},
                                              {"replace", {"old", "new", "count"}, ReplaceMethod},
                                              {"join", {"iterable"}, JoinMethod},
                                              {"find", {"sub"}, FindMethod<Search::kFind>},
                                              {"rfind", {"sub"}, FindMethod<Search::kRightFind>},
                                              {"index", {"sub"}, FindMethod<Search::kIndex>},
                                              {"count", {"sub"}, CountMethod},
                                              {"removeprefix", {"prefix"}, RemoveAffix<true>},
                                              {"removesuffix", {"suffix"}, RemoveAffix<false>},
                                              {"isdigit", {}, AllPoints<IsDigit>},
                                              {"isspace", {}, AllPoints<IsPythonSpace>},
                                              {"isalpha", {}, AllPoints<IsLetter>},
                                              {"isalnum", {}, AllPoints<IsAlphanumeric>},
                                              {"isupper", {}, TextTest<IsUpper>},
                                              {"islower", {}, TextTest<IsLower>},
                                              {"ljust", {"width"}, PadMethod<Sides::kRight>},
                                              {"rjust", {"width"}, PadMethod<Sides::kLeft>},
                                              {"center", {"width"}, PadMethod<Sides::kBoth>}};
  return methods;
}

template <bool keys>
Result<Value> KeysOrValues(const Value& v, const List&) {
  List out;
  for (const auto& [key, value] : *v.dict) out.push_back(keys ? key : value);
  return Value::MakeList(std::move(out));
}

Result<Value> ItemsMethod(const Value& v, const List&) {
  PAWL_ASSIGN(List items, ItemsOf(v));
  return Value::MakeList(std::move(items));
}

Result<Value> GetMethod(const Value& v, const List& a) {
  for (const auto& [key, value] : *v.dict) {
    if (Equal(key, a[0])) return value;
  }
  return a[1].kind == Kind::kUndefined ? Value::None() : a[1];
}

Result<Value> CopyMethod(const Value& v, const List&) { return v; }

const std::vector<Filter>& DictMethods() {
  static const std::vector<Filter> methods = {{"items", {}, ItemsMethod},
                                              {"keys", {}, KeysOrValues<true>},
                                              {"values", {}, KeysOrValues<false>},
                                              {"get", {"key", "default"}, GetMethod},
                                              {"copy", {}, CopyMethod}};
  return methods;
}

Result<Value> ListCount(const Value& v, const List& a) {
  return Value::Int(std::count_if(v.list->begin(), v.list->end(),
                                  [&](const Value& one) { return Equal(one, a[0]); }));
}

Result<Value> ListIndex(const Value& v, const List& a) {
  const auto it = std::find_if(v.list->begin(), v.list->end(),
                               [&](const Value& one) { return Equal(one, a[0]); });
  if (it == v.list->end()) return BadFile(ToText(a[0]).bytes + " is not in list");
  return Value::Int(it - v.list->begin());
}

const std::vector<Filter>& ListMethods() {
  static const std::vector<Filter> methods = {
      {"count", {"value"}, ListCount}, {"index", {"value"}, ListIndex}, {"copy", {}, CopyMethod}};
  return methods;
}

// What changes a list or dict: the reference's sandbox forbids it.
bool IsUnsafe(const Value& v, const std::string& name) {
  constexpr std::array<const char*, 8> kList = {"append", "clear",  "extend",  "insert",
                                                "pop",    "remove", "reverse", "sort"};
  constexpr std::array<const char*, 5> kDict = {"clear", "pop", "popitem", "setdefault", "update"};
  const auto named = [&](const char* one) { return name == one; };
  if (v.kind == Kind::kList) return std::any_of(kList.begin(), kList.end(), named);
  return v.kind == Kind::kDict && std::any_of(kDict.begin(), kDict.end(), named);
}

// Python's methods of str that the interpreter lacks: an error that names them, where an unknown
// name would only be undefined.
bool IsUnsupported(const std::string& name) {
  constexpr std::array<const char*, 15> kNames = {
      "encode",      "expandtabs", "format",    "format_map", "isascii",
      "isdecimal",   "isnumeric",  "maketrans", "rindex",     "isidentifier",
      "isprintable", "istitle",    "swapcase",  "translate",  "zfill"};
  return std::any_of(kNames.begin(), kNames.end(), [&](const char* one) { return name == one; });
}

Value Failing(std::string message) {
  return Value::Function([message = std::move(message)](const Arguments&) -> Result<Value> {
    return BadFile(message);
  });
}

}  // namespace

std::optional<Value> Method(const Value& v, const std::string& name) {
  const std::vector<Filter>* methods = v.IsString()                ? &StringMethods()
                                       : v.kind == Kind::kDict     ? &DictMethods()
                                       : v.IsSequence() && !v.lazy ? &ListMethods()
                                                                   : nullptr;
  if (methods == nullptr) return std::nullopt;
  if (IsUnsafe(v, name)) {
    return Failing(
        fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, TypeName(v)));
  }
  if (v.IsString() && IsUnsupported(name)) {
    return Failing(fmt::format("the method str.{} is not supported in templates", name));
  }
  const auto it = std::find_if(methods->begin(), methods->end(),
                               [&](const Filter& method) { return name == method.name; });
  if (it == methods->end()) return std::nullopt;
  const Filter* method = &*it;
  return Value::Function([v, method](const Arguments& a) -> Result<Value> {
    PAWL_ASSIGN(const List bound, BindArguments(method->name, a, method->parameters));
    return method->apply(v, bound);
  });
}

}  // namespace pawl::jinja
