// Enum values and the names that users write, in one table each.
#pragma once

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/nearest.h"

namespace pawl {

template <class Enum, std::size_t kSize>
using EnumNames = std::array<std::pair<Enum, const char*>, kSize>;

template <class Enum, std::size_t kSize>
std::vector<std::string> NamesOf(const EnumNames<Enum, kSize>& table) {
  std::vector<std::string> names;
  for (const auto& entry : table) names.emplace_back(entry.second);
  return names;
}

// kUsage with all names and the nearest one.  key: what the value was given for.
template <class Enum, std::size_t kSize>
Result<Enum> ParseEnum(const char* key, const EnumNames<Enum, kSize>& table,
                       const std::string& name) {
  for (const auto& [value, known] : table) {
    if (name == known) return value;
  }
  const std::vector<std::string> names = NamesOf(table);
  return Usage(fmt::format("{}: unknown \"{}\", known: {}{}", key, name, fmt::join(names, ", "),
                           DidYouMean(name, names)));
}

template <class Enum, std::size_t kSize>
const char* EnumName(const EnumNames<Enum, kSize>& table, Enum value) {
  for (const auto& [known, name] : table) {
    if (known == value) return name;
  }
  return "none";
}

}  // namespace pawl
