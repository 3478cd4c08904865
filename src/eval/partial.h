// Finished problems of a bench that is not done yet: <out>.partial.jsonl, a header line and a line
// a problem.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "base/file_system.h"
#include "eval/evaluate.h"

namespace pawl {

class PartialBench {
 public:
  // Reads what an earlier bench with the same identity left; a file of another identity is started
  // anew, and a torn or damaged line ends what is kept.
  static Result<PartialBench> Open(const std::filesystem::path& out, const std::string& identity,
                                   std::span<const Problem> problems);
  std::optional<ProblemRecord> Known(std::size_t index) const;
  std::size_t known() const { return records_.size(); }
  Status Add(std::size_t index, const ProblemRecord& record);
  // Removes the file; the results are safe elsewhere.
  Status Finish();

 private:
  PartialBench(std::filesystem::path path, AppendOnlyFile file,
               std::map<std::size_t, ProblemRecord> records)
      : path_(std::move(path)), file_(std::move(file)), records_(std::move(records)) {}

  std::filesystem::path path_;
  AppendOnlyFile file_;
  std::map<std::size_t, ProblemRecord> records_;
};

}  // namespace pawl
