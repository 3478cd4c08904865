#include "base/json.h"

#include <fmt/format.h>

#include <set>
#include <vector>

namespace pawl {
namespace {

constexpr int kMaxDepth = 64;

// Watches depth and duplicate keys while the library builds the value.
class Watch {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxDepth && problem_.empty()) problem_ = "nested deeper than 64 levels";
    switch (event) {
      case Json::parse_event_t::object_start:
        keys_.emplace_back();
        break;
      case Json::parse_event_t::object_end:
        if (!keys_.empty()) keys_.pop_back();
        break;
      case Json::parse_event_t::key:
        if (!keys_.empty() && !keys_.back().insert(parsed.get<std::string>()).second &&
            problem_.empty()) {
          problem_ =
              fmt::format("key \"{}\" occurs twice in one object", parsed.get<std::string>());
        }
        break;
      default:
        break;
    }
    return depth <= kMaxDepth;
  }
  const std::string& problem() const { return problem_; }

 private:
  std::vector<std::set<std::string>> keys_;
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
  Watch watch;
  try {
    Json value = Json::parse(text, std::ref(watch));
    if (!watch.problem().empty()) return BadFile(place + ": " + watch.problem());
    return value;
  } catch (const Json::parse_error& error) {
    return BadFile(fmt::format("{}: not valid JSON at byte {}", place, error.byte));
  } catch (const Json::exception&) {
    return BadFile(place + ": JSON number out of range");
  }
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
