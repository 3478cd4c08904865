#include "rollout/journal.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <optional>

#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"

namespace pawl {
namespace {

constexpr std::size_t kCheckDigits = 16;  // of the SHA-256 of the rest of the line

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string Checked(const std::string& text) {
  return Sha256Hex(text).substr(0, kCheckDigits) + " " + text;
}

// Log-probabilities go as the integers of their bits: exact, whatever they are.
Json CompletionJson(const Completion& completion) {
  std::vector<std::uint32_t> bits;
  bits.reserve(completion.log_probs.size());
  for (const float x : completion.log_probs) bits.push_back(std::bit_cast<std::uint32_t>(x));
  return {{"ids", completion.ids},
          {"log_prob_bits", bits},
          {"stop", completion.finish_reason == FinishReason::kStop},
          {"seconds", completion.seconds}};
}

bool IsListOf(const Json& json, bool (Json::*is)() const noexcept) {
  return json.is_array() &&
         std::all_of(json.begin(), json.end(), [is](const Json& one) { return (one.*is)(); });
}

// Absent where the fields are not those of CompletionJson: another version's line may pass its
// checksum.
std::optional<Completion> ParseCompletion(const Json& json) {
  const auto field = [&](const char* key) {
    return json.is_object() ? json.value(key, Json()) : Json();
  };
  if (!IsListOf(field("ids"), &Json::is_number_integer) ||
      !IsListOf(field("log_prob_bits"), &Json::is_number_unsigned) ||
      field("ids").size() != field("log_prob_bits").size() || !field("stop").is_boolean() ||
      !field("seconds").is_number()) {
    return std::nullopt;
  }
  Completion completion;
  completion.ids = json.at("ids").get<std::vector<std::int32_t>>();
  for (const auto bits : json.at("log_prob_bits").get<std::vector<std::uint32_t>>()) {
    completion.log_probs.push_back(std::bit_cast<float>(bits));
  }
  completion.finish_reason =
      json.at("stop").get<bool>() ? FinishReason::kStop : FinishReason::kLength;
  completion.seconds = json.at("seconds").get<double>();
  return completion;
}

}  // namespace

namespace {

using Known = std::map<std::string, std::vector<Completion>>;

// A line's entry into `known`; false: the line is no entry.
bool ReadEntry(const std::string& body, Known& known) {
  const auto json = ParseJson(body, "journal");
  if (!json || !json->is_object()) return false;
  const Json key = json->value("key", Json()), list = json->value("completions", Json());
  if (!key.is_string() || !list.is_array()) return false;
  std::vector<Completion> completions;
  for (const Json& one : list) {
    auto completion = ParseCompletion(one);
    if (!completion) return false;
    completions.push_back(std::move(*completion));
  }
  known[key.get<std::string>()] = std::move(completions);
  return true;
}

}  // namespace

Result<CompletionJournal> CompletionJournal::Open(const std::filesystem::path& path,
                                                  std::string scope) {
  Known known;
  long long valid = 0;
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) {
    PAWL_ASSIGN(const std::string text, ReadFile(path));
    for (std::size_t begin = 0;;) {
      const std::size_t end = text.find('\n', begin);
      if (end == std::string::npos || end < begin + kCheckDigits + 1) break;
      const std::string body =
          text.substr(begin + kCheckDigits + 1, end - begin - kCheckDigits - 1);
      if (text.substr(begin, end - begin) != Checked(body)) break;
      if (!ReadEntry(body, known)) break;
      begin = end + 1;
      valid = static_cast<long long>(begin);
    }
  }
  PAWL_ASSIGN(AppendOnlyFile file, AppendOnlyFile::Open(path, valid));
  CompletionJournal journal(path, std::move(scope), std::move(file));
  journal.known_ = std::move(known);
  return journal;
}

std::string CompletionJournal::Key(const std::string& policy, const GenerationRequest& request,
                                   const SamplingConfig& config) const {
  const Json key{scope_,
                 policy,
                 request.prompt,
                 request.index,
                 request.num_generations,
                 request.first_sample,
                 config.temperature,
                 config.top_k,
                 config.top_p,
                 config.min_p,
                 config.repetition_penalty,
                 config.greedy,
                 config.seed,
                 config.max_new_tokens,
                 config.ignore_eos,
                 config.stop_ids,
                 config.record_temperature};
  return Sha256Hex(WriteJson(key)).substr(0, 32);
}

const std::vector<Completion>* CompletionJournal::Find(const std::string& key) const {
  const auto found = known_.find(key);
  if (found == known_.end()) return nullptr;
  ++found_;
  return &found->second;
}

Status CompletionJournal::Add(const std::string& key, std::span<const Completion> completions) {
  Json json{{"key", key}, {"completions", Json::array()}};
  for (const Completion& one : completions) json["completions"].push_back(CompletionJson(one));
  PAWL_TRY(file_.Append(Checked(WriteJson(json))));
  const double begun = Now();
  if (begun < next_sync_) return {};
  PAWL_TRY(file_.Sync());
  const double done = Now();
  next_sync_ = done + std::max(1.0, 50 * (done - begun));
  return {};
}

Status CompletionJournal::Clear() {
  known_.clear();
  if (file_.size() == 0) return {};
  PAWL_ASSIGN(file_, AppendOnlyFile::Open(path_, 0));
  return {};
}

Result<std::vector<std::vector<Completion>>> GenerateThrough(
    const JournalUse& use, const Policy& policy, const Compute& compute,
    std::span<const GenerationRequest> requests, const SamplingConfig& config,
    const GenerationOptions& options, GenerationStats& stats) {
  std::vector<std::vector<Completion>> results(requests.size());
  std::vector<bool> complete(requests.size(), false);
  std::vector<GenerationRequest> missing;
  std::vector<std::size_t> places;  // of the missing ones in `requests`
  std::vector<std::string> keys;
  std::size_t recalled_tokens = 0;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    std::string key = use.journal->Key(use.policy, requests[r], config);
    if (const auto* known = use.journal->Find(key)) {
      results[r] = *known;
      complete[r] = true;
      for (const Completion& one : *known) recalled_tokens += one.ids.size();
      continue;
    }
    missing.push_back(requests[r]);
    places.push_back(r);
    keys.push_back(std::move(key));
  }
  std::size_t next_done = 0;
  const auto report = [&] {
    for (; next_done < requests.size() && complete[next_done]; ++next_done) {
      if (options.done) options.done(next_done, results[next_done]);
    }
  };
  Status status;
  GenerationOptions inner = options;
  inner.journal = {};
  if (options.stop) {
    inner.stop = [&](std::size_t request, std::size_t sample, std::span<const std::int32_t> ids) {
      return options.stop(places[request], sample, ids);
    };
  }
  inner.cancelled = [&] { return !status || (options.cancelled && options.cancelled()); };
  inner.complete = [&](std::size_t request, std::span<const Completion> completions) {
    if (status) status = use.journal->Add(keys[request], completions);
  };
  inner.done = [&](std::size_t request, std::span<const Completion> completions) {
    results[places[request]].assign(completions.begin(), completions.end());
    complete[places[request]] = true;
    report();
  };
  report();
  PAWL_ASSIGN(auto generated, Generate(policy, compute, missing, config, inner, &stats));
  PAWL_TRY(status);
  stats.recalled_tokens = recalled_tokens;
  for (std::size_t i = 0; i < missing.size(); ++i) results[places[i]] = std::move(generated[i]);
  return results;
}

}  // namespace pawl
