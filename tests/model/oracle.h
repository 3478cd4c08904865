// Reading ../shared/oracle.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "support/shared_data.h"

namespace pawl {

// Folders of oracle/<kind>, sorted.
inline std::vector<std::filesystem::path> OracleCases(const char* kind) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(SharedDir() / "oracle" / kind)) {
    out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  EXPECT_FALSE(out.empty());
  return out;
}

inline Json OracleJson(const std::filesystem::path& folder) {
  return *ParseJson(*ReadFile(folder / "oracle.json"), "oracle.json");
}

class OracleTensors {
 public:
  explicit OracleTensors(const std::filesystem::path& file) : file_(*SafetensorsFile::Open(file)) {}
  bool Has(const std::string& name) const { return file_.Find(name) != nullptr; }
  std::vector<float> Floats(const std::string& name) const { return *file_.ReadFloats(name); }
  std::vector<std::int32_t> Ints(const std::string& name) const { return *file_.ReadInts(name); }

 private:
  SafetensorsFile file_;
};

}  // namespace pawl
