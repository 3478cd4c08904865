#include "records/fields.h"

namespace pawl {

const Json& FieldAt(const Json& object, const std::string& key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::optional<double> NumberAt(const Json& object, const std::string& key) {
  const Json& field = FieldAt(object, key);
  return field.is_number() ? std::optional(field.get<double>()) : std::nullopt;
}

std::optional<long long> IntAt(const Json& object, const std::string& key) {
  const Json& field = FieldAt(object, key);
  return field.is_number_integer() ? std::optional(field.get<long long>()) : std::nullopt;
}

std::optional<bool> BoolAt(const Json& object, const std::string& key) {
  const Json& field = FieldAt(object, key);
  return field.is_boolean() ? std::optional(field.get<bool>()) : std::nullopt;
}

std::optional<std::string> TextAt(const Json& object, const std::string& key) {
  const Json& field = FieldAt(object, key);
  return field.is_string() ? std::optional(field.get<std::string>()) : std::nullopt;
}

Json NumberJson(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

}  // namespace pawl
