// Completions that are on disk before the step that asked for them is done: after a crash they are
// looked up instead of generated again.  That changes no bit, because a completion is a function of
// policy, prompt, settings and random address, and these are its key.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "rollout/generate.h"

namespace pawl {

class CompletionJournal {
 public:
  // Makes the file, or reads its longest valid prefix and cuts off the rest.  scope: what all
  // entries depend on besides their keys, such as the base model's hash.
  static Result<CompletionJournal> Open(const std::filesystem::path& file, std::string scope);

  // policy: what identifies the weights, and a stop function's texts where there is one.
  std::string Key(const std::string& policy, const GenerationRequest& request,
                  const SamplingConfig& config) const;
  // Of entries read by Open; null: not there.
  const std::vector<Completion>* Find(const std::string& key) const;
  std::size_t found() const { return found_; }  // requests that Find has answered
  // Appends a request's completions.  They survive the end of the process at once, and a loss of
  // power within a second or 50 times what a sync takes, whichever is longer.
  Status Add(const std::string& key, std::span<const Completion> completions);
  // Forgets everything: a checkpoint holds what it led to.
  Status Clear();

 private:
  CompletionJournal(std::filesystem::path path, std::string scope, AppendOnlyFile file)
      : path_(std::move(path)), scope_(std::move(scope)), file_(std::move(file)) {}
  std::filesystem::path path_;
  std::string scope_;
  AppendOnlyFile file_;
  std::map<std::string, std::vector<Completion>> known_;
  mutable std::size_t found_ = 0;
  double next_sync_ = 0;  // on the steady clock, in seconds
};

// Generate through a journal: what Generate does when options.journal is set.
Result<std::vector<std::vector<Completion>>> GenerateThrough(
    const JournalUse& use, const Policy& policy, const Compute& compute,
    std::span<const GenerationRequest> requests, const SamplingConfig& config,
    const GenerationOptions& options, GenerationStats& stats);

}  // namespace pawl
