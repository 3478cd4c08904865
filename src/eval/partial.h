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
  // Reads what an earlier bench with the same identity (an object: all that decides an answer)
  // left; a torn or damaged line ends what is kept.  A file of another identity is kNoCheckpoint,
  // naming what differs: hours of answers are not thrown away for a flag.
  static Result<PartialBench> Open(const std::filesystem::path& out, const Json& identity,
                                   std::span<const Problem> problems);
  std::optional<ProblemRecord> Known(std::size_t index) const;
  std::size_t known() const { return records_.size(); }
  // On disk when it returns.
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
