// Files of cases: a JSON document with a list "cases", tensors beside it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace pawl {

// The list "cases" of a file; every entry is an object.
Result<Json> ReadCases(const std::filesystem::path& file);

// The number at `key`; fallback where it is absent or null, kBadFile where it is no finite number.
Result<double> OptionalNumber(const Json& object, const char* key, double fallback,
                              const std::string& place);

// Values as they go out.
std::vector<float> Float32(const std::vector<double>& values);

}  // namespace pawl
