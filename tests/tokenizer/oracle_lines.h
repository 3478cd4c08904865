// The lines of a JSON Lines file of the reference data.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "support/shared_data.h"

namespace pawl {

inline std::vector<std::string> OracleTextLines(const std::string& name) {
  const auto text = ReadFile(SharedDir() / "oracle" / name);
  EXPECT_TRUE(text) << (text ? "" : text.error().message);
  std::vector<std::string> lines;
  std::size_t begin = 0;
  while (text && begin < text->size()) {
    const std::size_t end = text->find('\n', begin);
    lines.push_back(text->substr(begin, end - begin));
    begin = end == std::string::npos ? text->size() : end + 1;
  }
  EXPECT_FALSE(lines.empty()) << name;
  return lines;
}

inline std::vector<Json> OracleLines(const std::string& name) {
  std::vector<Json> lines;
  for (const std::string& text : OracleTextLines(name)) {
    auto line = ParseJson(text, name);
    EXPECT_TRUE(line) << (line ? "" : line.error().message);
    if (line) lines.push_back(std::move(*line));
  }
  return lines;
}

}  // namespace pawl
