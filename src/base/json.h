// JSON in and out, over nlohmann-json.  Parsing never throws, refuses nesting deeper than 64 and
// duplicate keys, and names the byte of a mistake.  Doubles are written so that reading them back
// gives the same bits; a float goes out as the double it equals.  Non-finite numbers become null.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pawl {

using Json = nlohmann::ordered_json;  // keeps the order of keys, as chat templates and users expect

// place: what to call the text in an error ("tokenizer.json", "train.jsonl: line 3").
Result<Json> ParseJson(std::string_view text, const std::string& place);

// One line without spaces after separators; invalid UTF-8 is written as U+FFFD.
std::string WriteJson(const Json& value);
// Indented by two spaces, with a final newline.
std::string WriteJsonPretty(const Json& value);

// Typed access to an object's fields.  place names the object in errors.
Result<std::string> JsonString(const Json& object, const char* key, const std::string& place);
Result<double> JsonNumber(const Json& object, const char* key, const std::string& place);
Result<long long> JsonInt(const Json& object, const char* key, const std::string& place);
Result<bool> JsonBool(const Json& object, const char* key, const std::string& place);

}  // namespace pawl
