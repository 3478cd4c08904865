// JSON in and out of template values, without losing how numbers were spelt.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/json.h"
#include "tokenizer/jinja_value.h"

namespace pawl::jinja {
namespace {

void AppendJsonString(const Text& text, Text& out) {
  out.Append(Text("\""));
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text.bytes[i];
    switch (c) {
      case '"':
        out.Append(Text("\\\""));
        break;
      case '\\':
        out.Append(Text("\\\\"));
        break;
      case '\n':
        out.Append(Text("\\n"));
        break;
      case '\r':
        out.Append(Text("\\r"));
        break;
      case '\t':
        out.Append(Text("\\t"));
        break;
      case '\b':
        out.Append(Text("\\b"));
        break;
      case '\f':
        out.Append(Text("\\f"));
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out.Append(Text(fmt::format("\\u{:04x}", static_cast<unsigned char>(c))));
        } else {
          out.Append(text.Sub(i, 1));
        }
    }
  }
  out.Append(Text("\""));
}

class JsonWriter {
 public:
  JsonWriter(std::optional<int> indent, bool sort_keys) : indent_(indent), sort_keys_(sort_keys) {}

  Status Write(const Value& v, int depth) {
    if (depth > 100) return BadFile("tojson: nested too deeply");
    switch (v.kind) {
      case Kind::kNone:
        out_.Append(Text("null"));
        return {};
      case Kind::kBool:
        out_.Append(Text(v.flag ? "true" : "false"));
        return {};
      case Kind::kInt:
        out_.Append(ToText(v));
        return {};
      case Kind::kFloat:
        out_.Append(Text(std::isnan(v.number)   ? "NaN"
                         : std::isinf(v.number) ? (v.number > 0 ? "Infinity" : "-Infinity")
                                                : FloatText(v.number)));
        return {};
      case Kind::kString:
        AppendJsonString(v.text, out_);
        return {};
      case Kind::kList:
      case Kind::kTuple:
        return Items("[", "]", v.list->size(), depth,
                     [&](std::size_t i) { return Write((*v.list)[i], depth + 1); });
      case Kind::kDict: {
        Dict items = *v.dict;
        if (sort_keys_) {
          std::stable_sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
            return ToText(a.first).bytes < ToText(b.first).bytes;
          });
        }
        return Items("{", "}", items.size(), depth, [&](std::size_t i) -> Status {
          AppendJsonString(ToText(items[i].first), out_);
          out_.Append(Text(": "));
          return Write(items[i].second, depth + 1);
        });
      }
      default:
        return BadFile(fmt::format("Object of type {} is not JSON serializable", TypeName(v)));
    }
  }
  Text Take() { return std::move(out_); }

 private:
  void NewLine(int depth) {
    if (indent_)
      out_.Append(Text("\n" + std::string(static_cast<std::size_t>(depth * *indent_), ' ')));
  }
  template <class One>
  Status Items(const char* open, const char* close, std::size_t count, int depth, One one) {
    out_.Append(Text(open));
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out_.Append(Text(indent_ ? "," : ", "));
      NewLine(depth + 1);
      PAWL_TRY(one(i));
    }
    if (count > 0) NewLine(depth);
    out_.Append(Text(close));
    return {};
  }

  std::optional<int> indent_;
  bool sort_keys_;
  Text out_;
};

// Builds values from nlohmann's events, which give the spelling of floats.
class ValueBuilder : public nlohmann::json_sax<nlohmann::json> {
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
    if (spelling.find_first_of(".eE") != std::string::npos) return Put(Value::Float(f));
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
    keys_.back() = Value::String(Text(k, false));
    return true;
  }
  bool parse_error(std::size_t at, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // 1e400 and the like: Python reads infinity.
    problem_ =
        error.id == 406 ? "a number out of range" : fmt::format("not valid JSON at byte {}", at);
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
    if (parent.kind == Kind::kList) {
      parent.list->push_back(std::move(v));
      return true;
    }
    for (auto& [k, old] :
         *parent.dict) {  // a repeated key: the last one wins, in the first one's place
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

Result<Text> ToJson(const Value& value, std::optional<int> indent, bool sort_keys) {
  JsonWriter writer(indent, sort_keys);
  PAWL_TRY(writer.Write(value, 0));
  return writer.Take();
}

Result<Value> ParseJsonValue(std::string_view text, bool outside) {
  ValueBuilder builder(outside);
  if (!nlohmann::json::sax_parse(text, &builder)) return BadFile("line: " + builder.problem());
  return builder.Take();
}

}  // namespace pawl::jinja
