#include "tokenizer/jinja_value.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "tokenizer/utf8.h"

namespace pawl::jinja {

Value Value::None() {
  Value v;
  v.kind = Kind::kNone;
  return v;
}
Value Value::Bool(bool b) {
  Value v;
  v.kind = Kind::kBool;
  v.flag = b;
  return v;
}
Value Value::Int(long long i) {
  Value v;
  v.kind = Kind::kInt;
  v.integer = i;
  return v;
}
Value Value::Float(double d) {
  Value v;
  v.kind = Kind::kFloat;
  v.number = d;
  return v;
}
Value Value::String(Text t) {
  Value v;
  v.kind = Kind::kString;
  v.text = std::move(t);
  return v;
}
Value Value::MakeList(List items, bool tuple) {
  Value v;
  v.kind = tuple ? Kind::kTuple : Kind::kList;
  for (const Value& item : items) v.depth = std::max(v.depth, item.depth + 1);
  v.list = std::make_shared<List>(std::move(items));
  return v;
}
Value Value::MakeLazy(List items) {
  Value v = MakeList(std::move(items));
  v.lazy = true;
  return v;
}
Value Value::MakeDict(Dict items) {
  Value v;
  v.kind = Kind::kDict;
  for (const auto& entry : items) v.depth = std::max(v.depth, entry.second.depth + 1);
  v.dict = std::make_shared<Dict>(std::move(items));
  return v;
}
Value Value::Undefined(const std::string& name) {
  Value v;
  v.text = Text(name);
  return v;
}
Value Value::Function(Callable f) {
  Value v;
  v.kind = Kind::kCallable;
  v.call = std::make_shared<Callable>(std::move(f));
  return v;
}

double Value::AsDouble() const {
  if (kind == Kind::kFloat) return number;
  if (!digits.empty()) return std::strtod(digits.c_str(), nullptr);
  return static_cast<double>(AsInt());
}

bool Value::Truthy() const {
  switch (kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return flag;
    case Kind::kInt:
      return integer != 0 || !digits.empty();
    case Kind::kFloat:
      return number != 0;
    case Kind::kString:
      return text.size() > 0;
    case Kind::kList:
    case Kind::kTuple:
      return lazy || !list->empty();
    case Kind::kDict:
      return !dict->empty();
    default:
      return true;
  }
}

const Value* Value::Find(const std::string& key) const {
  if (!dict) return nullptr;
  for (const auto& [k, v] : *dict) {
    if (k.IsString() && k.text.bytes == key) return &v;
  }
  return nullptr;
}

const char* TypeName(const Value& v) {
  switch (v.kind) {
    case Kind::kUndefined:
      return "undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kList:
      return v.lazy ? "generator" : "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kCallable:
      return "function";
  }
  return "";
}

bool Equal(const Value& a, const Value& b) {
  if (a.IsNumber() && b.IsNumber()) {
    if (!a.digits.empty() || !b.digits.empty()) return a.digits == b.digits;
    if (a.kind != Kind::kFloat && b.kind != Kind::kFloat) return a.AsInt() == b.AsInt();
    return a.AsDouble() == b.AsDouble();
  }
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      return a.text.bytes == b.text.bytes;
    case Kind::kList:
    case Kind::kTuple:
      return std::equal(a.list->begin(), a.list->end(), b.list->begin(), b.list->end(), Equal);
    case Kind::kDict: {
      if (a.dict->size() != b.dict->size()) return false;
      return std::all_of(a.dict->begin(), a.dict->end(), [&](const auto& entry) {
        return std::any_of(b.dict->begin(), b.dict->end(), [&](const auto& other) {
          return Equal(entry.first, other.first) && Equal(entry.second, other.second);
        });
      });
    }
    default:
      return a.dict == b.dict && a.call == b.call;
  }
}

Result<int> Compare(const Value& a, const Value& b) {
  const auto order = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  if (a.IsNumber() && b.IsNumber()) {
    if (a.kind != Kind::kFloat && b.kind != Kind::kFloat && a.digits.empty() && b.digits.empty()) {
      return order(a.AsInt(), b.AsInt());
    }
    return order(a.AsDouble(), b.AsDouble());
  }
  // UTF-8 sorts as code points do.
  if (a.IsString() && b.IsString()) return order(a.text.bytes.compare(b.text.bytes), 0);
  if (a.IsSequence() && a.kind == b.kind) {
    for (std::size_t i = 0; i < std::min(a.list->size(), b.list->size()); ++i) {
      if (Equal((*a.list)[i], (*b.list)[i])) continue;
      return Compare((*a.list)[i], (*b.list)[i]);
    }
    return order(a.list->size(), b.list->size());
  }
  return BadFile(fmt::format("'<' not supported between instances of '{}' and '{}'", TypeName(a),
                             TypeName(b)));
}

std::string FloatText(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d > 0 ? "inf" : "-inf";
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::scientific).ptr;
  std::string digits(buffer, end);
  const std::size_t e = digits.find('e');
  const int exponent = std::stoi(digits.substr(e + 1));
  digits.resize(e);
  const std::string sign = digits[0] == '-' ? "-" : "";
  std::erase(digits, '-');
  std::erase(digits, '.');
  if (exponent < -4 || exponent >= 16) {
    std::string mantissa = digits.substr(0, 1);
    if (digits.size() > 1) mantissa += "." + digits.substr(1);
    return fmt::format("{}{}e{}{:02}", sign, mantissa, exponent < 0 ? '-' : '+',
                       std::abs(exponent));
  }
  if (exponent < 0) {
    return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  }
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

namespace {

Text Joined(const char* open, const List& items, const char* close) {
  Text out{std::string(open)};
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.Append(", ");
    out.Append(Repr(items[i]));
  }
  out.Append(close);
  return out;
}

// str.isprintable() of one character.
bool IsPrintable(char32_t c) {
  if (c == ' ') return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

std::string EscapedPoint(char32_t c) {
  const auto code = static_cast<unsigned>(c);
  if (c == '\n') return "\\n";
  if (c == '\r') return "\\r";
  if (c == '\t') return "\\t";
  if (c < 0x100) return fmt::format("\\x{:02x}", code);
  if (c < 0x10000) return fmt::format("\\u{:04x}", code);
  return fmt::format("\\U{:08x}", code);
}

// Python's repr of a string: single quotes unless it holds one and no double quote.
Text ReprString(const Text& text) {
  const bool single = text.bytes.find('\'') != std::string::npos;
  const char quote = single && text.bytes.find('"') == std::string::npos ? '"' : '\'';
  const std::string_view quote_text(&quote, 1);
  Text out;
  out.Append(quote_text);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t c = DecodeUtf8(text.bytes, &at);
    if (c == static_cast<unsigned char>(quote) || c == '\\') out.Append("\\");
    if (IsPrintable(c)) {
      out.Append(text.Sub(begin, at - begin));
    } else {
      out.Append(EscapedPoint(c));
    }
  }
  out.Append(quote_text);
  return out;
}

}  // namespace

Text Repr(const Value& v) {
  if (v.IsString()) return ReprString(v.text);
  if (v.kind == Kind::kUndefined) return Text("Undefined");
  return ToText(v);
}

Text ToText(const Value& v) {
  switch (v.kind) {
    case Kind::kUndefined:
      return Text();
    case Kind::kNone:
      return Text("None");
    case Kind::kBool:
      return Text(v.flag ? "True" : "False");
    case Kind::kInt:
      return Text(v.digits.empty() ? std::to_string(v.integer) : v.digits);
    case Kind::kFloat:
      return Text(FloatText(v.number));
    case Kind::kString:
      return v.text;
    case Kind::kList:
      return Joined("[", *v.list, "]");
    case Kind::kTuple:
      return Joined("(", *v.list, v.list->size() == 1 ? ",)" : ")");
    case Kind::kDict: {
      Text out("{");
      for (std::size_t i = 0; i < v.dict->size(); ++i) {
        if (i > 0) out.Append(", ");
        out.Append(Repr((*v.dict)[i].first));
        out.Append(": ");
        out.Append(Repr((*v.dict)[i].second));
      }
      out.Append("}");
      return out;
    }
    case Kind::kNamespace:
      return Text("<Namespace>");
    case Kind::kCallable:
      return Text("<function>");
  }
  return Text();
}

std::vector<std::size_t> CodePoints(const std::string& bytes) {
  std::vector<std::size_t> offsets;
  for (std::size_t at = 0; at < bytes.size();
       at += NextUtf8(std::string_view(bytes).substr(at)).length) {
    offsets.push_back(at);
  }
  offsets.push_back(bytes.size());
  return offsets;
}

}  // namespace pawl::jinja
