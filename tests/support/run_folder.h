// Run directories made for tests.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/json.h"

namespace pawl {

class RunFolder {
 public:
  explicit RunFolder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() /
              ("pawl-" + name + "-" + std::to_string(getpid()))) {
    std::filesystem::remove_all(path_);
    Write("environment.json", "{\"version\":\"x\",\"threads\":2}");
  }
  ~RunFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

  void Write(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((path_ / file).parent_path());
    std::ofstream(path_ / file) << text;
  }
  void WriteLines(const std::string& file, const std::vector<Json>& lines) const {
    std::string text;
    for (const Json& line : lines) text += WriteJson(line) + "\n";
    Write(file, text);
  }
  // One letter a problem: R right, W wrong; the levels go round 1, 2.
  void WriteBench(const std::string& name, const std::string& outcomes, int samples = 1,
                  const std::string& stamp = "20260101_000000") const {
    Json problems = Json::array();
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      Json answers = Json::array();
      for (int s = 0; s < samples; ++s) {
        const bool right = outcomes[i] == 'R';
        answers.push_back({{"completion", right ? "3+4=7\n#### 7" : "3+4=8\n#### 8"},
                           {"extracted", right ? "7" : "8"},
                           {"correct", right},
                           {"strict", right},
                           {"flexible", right},
                           {"tokens", 9},
                           {"seconds", 0.1},
                           {"finish_reason", "stop"}});
      }
      problems.push_back({{"id", "p" + std::to_string(i)},
                          {"question", "Ann has 3 apples and 4 pears. How many?"},
                          {"gold", "7"},
                          {"level", static_cast<int>(i % 2) + 1},
                          {"samples", answers}});
    }
    Write("benchmark/" + name + "_benchmark_results_" + stamp + ".json",
          WriteJsonPretty({{"format_version", 1}, {"problems", problems}}));
  }

 private:
  std::filesystem::path path_;
};

}  // namespace pawl
