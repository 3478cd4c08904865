#include "base/json.h"

#include <fmt/format.h>

#include <unordered_set>
#include <vector>

#include "base/text.h"

namespace pawl {
namespace {

constexpr std::size_t kMaxDepth = 64;

// Builds the value from the parser's events.  The library's own builder looks every new key up
// among those before it, which takes 12 s for an object of 80,000 keys; this one takes a hash
// look-up.
class Builder : public nlohmann::json_sax<Json> {
 public:
  const std::string& problem() const { return problem_; }
  Json& value() { return value_; }

  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(number_integer_t value) override { return Add(value); }
  bool number_unsigned(number_unsigned_t value) override { return Add(value); }
  bool number_float(number_float_t value, const string_t&) override { return Add(value); }
  bool string(string_t& value) override { return Add(std::move(value)); }
  bool binary(binary_t&) override { return Stop("binary data"); }
  bool start_object(std::size_t) override { return Open(Json::object()); }
  bool start_array(std::size_t) override { return Open(Json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(string_t& key) override {
    Level& level = levels_.back();
    // Few keys are compared one by one; a hash set pays from some tens on.
    if (level.value.size() < kFewKeys ? level.value.contains(key) : InKeys(level, key)) {
      return Stop(fmt::format("key \"{}\" occurs twice in one object", key));
    }
    level.key = std::move(key);
    return true;
  }
  bool parse_error(std::size_t byte, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // 406: a number that no double holds.
    return Stop(error.id == 406 ? "JSON number out of range"
                                : fmt::format("not valid JSON at byte {}", byte));
  }

 private:
  static constexpr std::size_t kFewKeys = 32;
  struct Level {
    Json value;
    std::string key;                       // of the member to come, in an object
    std::unordered_set<std::string> keys;  // of an object with kFewKeys members or more
  };

  static bool InKeys(Level& level, const std::string& key) {
    if (level.keys.empty()) {
      for (const auto& [name, value] : level.value.items()) level.keys.insert(name);
    }
    return !level.keys.insert(key).second;
  }
  bool Stop(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  bool Add(Json value) {
    if (levels_.empty()) {
      value_ = std::move(value);
      return true;
    }
    Level& level = levels_.back();
    if (level.value.is_array()) {
      level.value.push_back(std::move(value));
    } else {  // its vector, not its map: the key is known to be new
      static_cast<Json::object_t::Container&>(level.value.get_ref<Json::object_t&>())
          .emplace_back(std::move(level.key), std::move(value));
    }
    return true;
  }
  bool Open(Json value) {
    if (levels_.size() == kMaxDepth) return Stop("nested deeper than 64 levels");
    levels_.push_back({std::move(value), {}, {}});
    return true;
  }
  bool Close() {
    Json value = std::move(levels_.back().value);
    levels_.pop_back();
    return Add(std::move(value));
  }

  std::vector<Level> levels_;
  Json value_;
  std::string problem_;
};

Error Wrong(const Json& object, const char* key, const std::string& place, const char* expected) {
  const bool missing = !object.is_object() || !object.contains(key);
  return {ErrorCode::kBadFile,
          missing ? fmt::format("{}: key \"{}\" is missing, expected {}", place, key, expected)
                  : fmt::format("{}: \"{}\" is {}, expected {}", place, key,
                                object.at(key).type_name(), expected)};
}

}  // namespace

Result<Json> ParseJson(std::string_view text, const std::string& place) {
  PAWL_TRY(CheckNoNul(text, place));
  Builder builder;
  if (!Json::sax_parse(text, &builder)) return BadFile(place + ": " + builder.problem());
  return std::move(builder.value());
}

std::string WriteJson(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string WriteJsonPretty(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<std::string> JsonString(const Json& object, const char* key, const std::string& place) {
  if (object.is_object() && object.contains(key) && object.at(key).is_string()) {
    return object.at(key).get<std::string>();
  }
  return tl::unexpected<Error>(Wrong(object, key, place, "a string"));
}

Result<double> JsonNumber(const Json& object, const char* key, const std::string& place) {
  if (object.is_object() && object.contains(key) && object.at(key).is_number()) {
    return object.at(key).get<double>();
  }
  return tl::unexpected<Error>(Wrong(object, key, place, "a number"));
}

Result<long long> JsonInt(const Json& object, const char* key, const std::string& place) {
  if (object.is_object() && object.contains(key) && object.at(key).is_number_integer()) {
    return object.at(key).get<long long>();
  }
  return tl::unexpected<Error>(Wrong(object, key, place, "an integer"));
}

Result<bool> JsonBool(const Json& object, const char* key, const std::string& place) {
  if (object.is_object() && object.contains(key) && object.at(key).is_boolean()) {
    return object.at(key).get<bool>();
  }
  return tl::unexpected<Error>(Wrong(object, key, place, "true or false"));
}

}  // namespace pawl
