// JSON in and out of template values, without losing how numbers were spelt.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "base/json.h"
#include "base/text.h"
#include "tokenizer/jinja_value.h"
#include "tokenizer/utf8.h"

namespace pawl::jinja {
namespace {

// A character as JSON writes it inside a string; empty: as it is.
std::string EscapedInJson(char32_t c, bool ensure_ascii) {
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    default:
      break;
  }
  const auto code = static_cast<unsigned>(c);
  if (c < 0x20 || (ensure_ascii && c >= 0x7F && c < 0x10000)) {
    return fmt::format("\\u{:04x}", code);
  }
  if (!ensure_ascii || c < 0x80) return "";
  return fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10),
                     0xDC00 + ((code - 0x10000) & 0x3FF));
}

void AppendJsonString(const Text& text, bool ensure_ascii, Text* out) {
  out->Append("\"");
  std::size_t copied = 0;  // text[copied, at) is still to be copied as it is
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const std::string escaped = EscapedInJson(DecodeUtf8(text.bytes, &at), ensure_ascii);
    if (escaped.empty()) continue;
    out->Append(text.Sub(copied, begin - copied));
    out->Append(escaped);
    copied = at;
  }
  out->Append(text.Sub(copied));
  out->Append("\"");
}

// A dict's key as json.dumps writes it.
Result<Text> JsonKey(const Value& key) {
  switch (key.kind) {
    case Kind::kString:
    case Kind::kInt:
    case Kind::kFloat:
      return ToText(key);
    case Kind::kNone:
      return Text("null");
    case Kind::kBool:
      return Text(key.flag ? "true" : "false");
    default:
      return BadFile(
          fmt::format("keys must be str, int, float, bool or None, not {}", TypeName(key)));
  }
}

class JsonWriter {
 public:
  explicit JsonWriter(const JsonStyle& style) : style_(style) {}

  Status Write(const Value& v, int depth) {
    switch (v.kind) {
      case Kind::kNone:
        out_.Append("null");
        return {};
      case Kind::kBool:
        out_.Append(v.flag ? "true" : "false");
        return {};
      case Kind::kInt:
        out_.Append(ToText(v));
        return {};
      case Kind::kFloat:
        out_.Append(std::isnan(v.number)   ? "NaN"
                    : std::isinf(v.number) ? (v.number > 0 ? "Infinity" : "-Infinity")
                                           : FloatText(v.number));
        return {};
      case Kind::kString:
        AppendJsonString(v.text, style_.ensure_ascii, &out_);
        return {};
      case Kind::kList:
      case Kind::kTuple:
        if (v.lazy) break;
        return Items("[", "]", v.list->size(), depth,
                     [&](std::size_t i) { return Write((*v.list)[i], depth + 1); });
      case Kind::kDict:
        return WriteDict(v, depth);
      default:
        break;
    }
    return BadFile(fmt::format("Object of type {} is not JSON serializable", TypeName(v)));
  }
  Text Take() { return std::move(out_); }

 private:
  Status WriteDict(const Value& v, int depth) {
    std::vector<std::pair<Text, const Value*>> items;
    for (const auto& [key, value] : *v.dict) {
      PAWL_ASSIGN(Text text, JsonKey(key));
      items.emplace_back(std::move(text), &value);
    }
    if (style_.sort_keys) {
      std::stable_sort(items.begin(), items.end(),
                       [](const auto& a, const auto& b) { return a.first.bytes < b.first.bytes; });
    }
    return Items("{", "}", items.size(), depth, [&](std::size_t i) -> Status {
      AppendJsonString(items[i].first, style_.ensure_ascii, &out_);
      out_.Append(style_.key_separator);
      return Write(*items[i].second, depth + 1);
    });
  }
  void NewLine(int depth) {
    if (!style_.indent) return;
    out_.Append("\n");
    for (int i = 0; i < depth; ++i) out_.Append(*style_.indent);
  }
  template <class One>
  Status Items(const char* open, const char* close, std::size_t count, int depth, One one) {
    out_.Append(open);
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out_.Append(style_.item_separator);
      NewLine(depth + 1);
      PAWL_TRY(one(i));
    }
    if (count > 0) NewLine(depth);
    out_.Append(close);
    return {};
  }

  const JsonStyle& style_;
  Text out_;
};

// With long double, so that 1e400, which Python reads as infinity, is no error.
using WideJson = nlohmann::basic_json<std::map, std::vector, std::string, bool, std::int64_t,
                                      std::uint64_t, long double>;

// Builds values from nlohmann's events, which give the spelling of floats.
class ValueBuilder : public nlohmann::json_sax<WideJson> {
 public:
  explicit ValueBuilder(bool outside) : outside_(outside) {}

  bool null() override { return Put(Value::None()); }
  bool boolean(bool b) override { return Put(Value::Bool(b)); }
  bool number_integer(number_integer_t i) override { return Put(Value::Int(i)); }
  bool number_unsigned(number_unsigned_t u) override {
    if (u <= static_cast<number_unsigned_t>(INT64_MAX))
      return Put(Value::Int(static_cast<long long>(u)));
    Value v = Value::Int(0);
    v.digits = std::to_string(u);
    return Put(std::move(v));
  }
  bool number_float(number_float_t f, const string_t& spelling) override {
    if (spelling.find_first_of(".eE") != std::string::npos) {
      double d = 0;
      const auto read = std::from_chars(spelling.data(), spelling.data() + spelling.size(), d);
      if (read.ec == std::errc::result_out_of_range) {
        const double huge = std::numeric_limits<double>::infinity();
        d = std::fabs(f) < 1 ? 0.0 : huge;
        if (spelling[0] == '-') d = -d;
      }
      return Put(Value::Float(d));
    }
    Value v = Value::Int(0);  // an integer beyond 64 bits
    v.digits = spelling;
    return Put(std::move(v));
  }
  bool string(string_t& s) override { return Put(Value::String(Text(s, outside_))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Open(Value::MakeDict({})); }
  bool start_array(std::size_t) override { return Open(Value::MakeList({})); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& k) override {
    keys_.back() = Value::String(Text(k, outside_));
    return true;
  }
  bool parse_error(std::size_t at, const std::string&,
                   const nlohmann::detail::exception& error) override {
    const bool range = error.id == 406;
    problem_ = range ? "a number is out of range" : fmt::format("not valid JSON at byte {}", at);
    return false;
  }
  const std::string& problem() const { return problem_; }
  Value Take() { return std::move(root_); }

 private:
  bool Open(Value v) {
    if (open_.size() > 64) {
      problem_ = "nested deeper than 64 levels";
      return false;
    }
    open_.push_back(std::move(v));
    keys_.emplace_back();
    return true;
  }
  bool Close() {
    Value v = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    return Put(std::move(v));
  }
  bool Put(Value v) {
    if (open_.empty()) {
      root_ = std::move(v);
      return true;
    }
    Value& parent = open_.back();
    parent.depth = std::max(parent.depth, v.depth + 1);
    if (parent.kind == Kind::kList) {
      parent.list->push_back(std::move(v));
      return true;
    }
    // A repeated key: the last one wins, in the place of the first.
    for (auto& [k, old] : *parent.dict) {
      if (Equal(k, keys_.back())) {
        old = std::move(v);
        return true;
      }
    }
    parent.dict->emplace_back(keys_.back(), std::move(v));
    return true;
  }

  bool outside_;
  Value root_;
  std::vector<Value> open_, keys_;
  std::string problem_;
};

}  // namespace

Result<Text> ToJson(const Value& value, const JsonStyle& style) {
  JsonWriter writer(style);
  PAWL_TRY(writer.Write(value, 0));
  return writer.Take();
}

Result<Value> ParseJsonValue(std::string_view text, bool outside, const std::string& place) {
  PAWL_TRY(CheckNoNul(text, place));
  ValueBuilder builder(outside);
  if (!WideJson::sax_parse(text, &builder)) return BadFile(place + ": " + builder.problem());
  return builder.Take();
}

}  // namespace pawl::jinja
