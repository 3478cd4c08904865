// The functions that every template sees.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "tokenizer/jinja_builtins.h"

namespace pawl::jinja {
namespace {

constexpr std::size_t kMaxRange = 100'000;  // of Jinja's sandbox

Result<Value> RaiseException(const Arguments& a) {
  constexpr const char* kParameters[] = {"message"};
  PAWL_ASSIGN(const List bound, BindArguments("raise_exception", a, kParameters));
  return BadFile(ToText(bound[0]).bytes);
}

Result<Value> Range(const Arguments& a) {
  std::array<long long, 3> part = {0, 0, 1};
  if (a.positional.empty() || a.positional.size() > 3 || !a.named.empty()) {
    return BadFile("range expected 1 to 3 arguments");
  }
  for (std::size_t i = 0; i < a.positional.size(); ++i) {
    const Value& v = a.positional[i];
    if ((v.kind != Kind::kInt && v.kind != Kind::kBool) || !v.digits.empty()) {
      return BadFile(fmt::format("'{}' object cannot be interpreted as an integer", TypeName(v)));
    }
    part[i] = v.AsInt();
  }
  if (a.positional.size() == 1) std::swap(part[0], part[1]);
  if (part[2] == 0) return BadFile("range() arg 3 must not be zero");
  List items;
  for (long long i = part[0]; part[2] > 0 ? i < part[1] : i > part[1];) {
    if (items.size() >= kMaxRange) {
      return BadFile(fmt::format(
          "Range too big. The sandbox blocks ranges larger than MAX_RANGE ({}).", kMaxRange));
    }
    items.push_back(Value::Int(i));
    if (__builtin_add_overflow(i, part[2], &i)) break;
  }
  return Value::MakeList(std::move(items));
}

// dict(other, a=1) and namespace(other, a=1).
template <Kind kind>
Result<Value> FromNames(const Arguments& a) {
  Dict items;
  if (!a.positional.empty()) {
    if (a.positional.size() > 1 || a.positional[0].kind != Kind::kDict) {
      return BadFile("dict and namespace take at most one mapping and names");
    }
    items = *a.positional[0].dict;
  }
  for (const auto& [name, value] : a.named) {
    const auto same = std::find_if(items.begin(), items.end(), [&key = name](const auto& entry) {
      return entry.first.text.bytes == key;
    });
    if (same != items.end()) {
      same->second = value;
    } else {
      items.emplace_back(Value::String(name), value);
    }
  }
  Value v = Value::MakeDict(std::move(items));
  v.kind = kind;
  return v;
}

Result<Value> StrftimeNow(const Arguments& a) {
  constexpr const char* kParameters[] = {"format"};
  PAWL_ASSIGN(const List bound, BindArguments("strftime_now", a, kParameters));
  if (!bound[0].IsString()) return BadFile("strftime_now: expected a format");
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char buffer[512];
  const std::string& format = bound[0].text.bytes;
  const std::size_t n = std::strftime(buffer, sizeof buffer, format.c_str(), &local);
  if (n == 0 && !format.empty()) return BadFile("strftime_now: the format is too long");
  return Value::String(std::string(buffer, n));
}

}  // namespace

std::vector<std::pair<std::string, Value>> Globals() {
  return {{"raise_exception", Value::Function(RaiseException)},
          {"range", Value::Function(Range)},
          {"namespace", Value::Function(FromNames<Kind::kNamespace>)},
          {"dict", Value::Function(FromNames<Kind::kDict>)},
          {"strftime_now", Value::Function(StrftimeNow)}};
}

}  // namespace pawl::jinja
