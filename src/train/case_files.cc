#include "train/case_files.h"

#include <cmath>

#include "base/file.h"

namespace pawl {

Result<Json> ReadCases(const std::filesystem::path& file) {
  PAWL_ASSIGN(const std::string text, ReadFile(file));
  PAWL_ASSIGN(const Json json, ParseJson(text, file.string()));
  if (!json.is_object() || !json.contains("cases") || !json.at("cases").is_array()) {
    return BadFile(file.string() + ": expected a list \"cases\"");
  }
  for (const Json& c : json.at("cases")) {
    if (!c.is_object()) return BadFile(file.string() + ": each of \"cases\" must be an object");
  }
  return json.at("cases");
}

Result<double> OptionalNumber(const Json& object, const char* key, double fallback,
                              const std::string& place) {
  if (!object.contains(key) || object.at(key).is_null()) return fallback;
  return JsonNumber(object, key, place);
}

std::vector<float> Float32(const std::vector<double>& values) {
  std::vector<float> out;
  out.reserve(values.size());
  for (const double value : values) out.push_back(static_cast<float>(value));
  return out;
}

}  // namespace pawl
