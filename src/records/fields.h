// Fields of records that may be missing or of another type: nothing then, never an exception.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"

namespace pawl {

const Json& FieldAt(const Json& object, const std::string& key);  // null where missing
std::optional<double> NumberAt(const Json& object, const std::string& key);
std::optional<long long> IntAt(const Json& object, const std::string& key);
std::optional<bool> BoolAt(const Json& object, const std::string& key);
std::optional<std::string> TextAt(const Json& object, const std::string& key);

// null for an absent number.
Json NumberJson(const std::optional<double>& value);

}  // namespace pawl
