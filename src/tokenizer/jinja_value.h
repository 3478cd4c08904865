// Values of the template interpreter: Python's, as far as chat templates need them.  A string
// remembers which of its bytes came from message contents, so that they can be encoded as plain
// text.  Private to tokenizer/.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace pawl::jinja {

constexpr std::size_t kMaxTextBytes = std::size_t{16} << 20;  // of any string of a template
constexpr std::size_t kMaxListItems = 200'000;                // a value takes some 200 bytes
constexpr int kMaxValueDepth = 100;                           // of lists in lists

// Text with one mark a byte: '\1' where it came from outside.
struct Text {
  std::string bytes, marks;
  bool too_long = false;  // it would have passed kMaxTextBytes; the interpreter refuses it

  Text() = default;
  explicit Text(std::string text, bool outside = false)
      : bytes(std::move(text)), marks(bytes.size(), outside ? '\1' : '\0') {}
  std::size_t size() const { return bytes.size(); }
  Text Sub(std::size_t begin, std::size_t count = std::string::npos) const {
    Text part;
    part.bytes = bytes.substr(begin, count);
    part.marks = marks.substr(begin, count);
    return part;
  }
  void Append(const Text& more) {
    too_long = too_long || more.too_long || bytes.size() + more.bytes.size() > kMaxTextBytes;
    if (too_long) return;
    bytes += more.bytes;
    marks += more.marks;
  }
  // `more` is the template's or the interpreter's own.
  void Append(std::string_view more) {
    too_long = too_long || bytes.size() + more.size() > kMaxTextBytes;
    if (too_long) return;
    bytes += more;
    marks.append(more.size(), '\0');
  }
};

struct Value;
using List = std::vector<Value>;
using Dict = std::vector<std::pair<Value, Value>>;  // insertion order

struct Arguments {
  List positional;
  std::vector<std::pair<std::string, Value>> named;
};
using Callable = std::function<Result<Value>(const Arguments&)>;

enum class Kind {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kNamespace,
  kCallable
};

struct Value {
  Kind kind = Kind::kUndefined;
  bool flag = false;
  long long integer = 0;
  double number = 0;
  std::string digits;  // an integer beyond 64 bits, as written: may be printed and compared only
  Text text;           // of strings; of an undefined value: its name
  std::shared_ptr<List> list;
  std::shared_ptr<Dict> dict;  // of dicts and namespaces
  std::shared_ptr<Callable> call;
  bool lazy = false;  // a list that is an iterator in Python: always true, without a length
  int depth = 0;      // of the deepest list below

  static Value None();
  static Value Bool(bool b);
  static Value Int(long long i);
  static Value Float(double d);
  static Value String(Text t);
  static Value String(std::string s) { return String(Text(std::move(s))); }
  static Value MakeList(List items, bool tuple = false);
  static Value MakeLazy(List items);  // what is an iterator in Python
  static Value MakeDict(Dict items);  // keys must be distinct
  static Value Undefined(const std::string& name);
  static Value Function(Callable f);

  bool IsString() const { return kind == Kind::kString; }
  bool IsNumber() const {
    return kind == Kind::kInt || kind == Kind::kFloat || kind == Kind::kBool;
  }
  bool IsSequence() const { return kind == Kind::kList || kind == Kind::kTuple; }
  double AsDouble() const;
  long long AsInt() const { return kind == Kind::kBool ? (flag ? 1 : 0) : integer; }
  bool Truthy() const;
  const Value* Find(const std::string& key) const;  // in a dict, by string key
};

bool Equal(const Value& a, const Value& b);
// -1, 0, 1; an error where Python raises TypeError.
Result<int> Compare(const Value& a, const Value& b);

Text ToText(const Value& value);  // Python's str()
Text Repr(const Value& value);    // Python's repr()
std::string FloatText(double d);  // Python's repr of a float
const char* TypeName(const Value& value);

struct JsonStyle {
  std::optional<std::string> indent;  // one level's; absent: one line
  bool sort_keys = false, ensure_ascii = false;
  std::string item_separator = ", ", key_separator = ": ";  // Python's defaults without indent
};
// json.dumps of a value; an error for what JSON cannot hold.
Result<Text> ToJson(const Value& value, const JsonStyle& style);

// A JSON text as a value: numbers and key order keep their spelling; every string (of keys too) is
// marked as outside when `outside` is set.  place names the text in errors.
Result<Value> ParseJsonValue(std::string_view text, bool outside, const std::string& place);

// Code points of a string: offsets of each and one past the end.
std::vector<std::size_t> CodePoints(const std::string& bytes);

}  // namespace pawl::jinja
