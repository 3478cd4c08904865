#include "rollout/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <utility>

#include "base/profile.h"
#include "rollout/journal.h"
#include "rollout/sampler.h"

namespace pawl {
namespace {

// Prompt rows of one forward pass: enough to be bound by arithmetic, small enough that the widest
// activation (2F floats a row) stays a few MB.
constexpr std::size_t kPrefillRows = 256;

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A request whose prompt is in the cache and whose completions have not all started.
struct PreparedPrompt {
  std::size_t request = 0;
  KvSequence cache;
  std::vector<float> hidden;  // of the last row, [C]
  std::size_t started = 0;    // completions
};

// A completion being decoded.
struct ActiveSequence {
  std::size_t request = 0, sample = 0;
  KvSequence cache;
  std::vector<std::int32_t> seen;        // distinct ids, first come first; only with a penalty
  std::vector<std::uint64_t> seen_bits;  // the same as a set
};

class Generator {
 public:
  Generator(const Policy& policy, const Compute& compute,
            std::span<const GenerationRequest> requests, const SamplingConfig& config,
            const GenerationOptions& options);

  std::vector<std::vector<Completion>> Run(GenerationStats& stats);

 private:
  void Admit();
  void Prefill();
  void Decode();
  void SampleAll();
  bool Append(ActiveSequence& sequence, std::int32_t token, float log_prob);
  bool Stops(std::int32_t token) const;
  void Leave();
  void NotifyDone();
  void AbandonUnfinished();
  void See(ActiveSequence& sequence, std::int32_t id) const;

  Policy policy_;
  const Compute& compute_;
  std::span<const GenerationRequest> requests_;
  const SamplingConfig& config_;
  const GenerationOptions& options_;
  Sampler sampler_;
  KvCache cache_;
  Scratch scratch_;
  const std::size_t width_, max_batch_;

  std::size_t next_request_ = 0;  // first whose prompt is not prepared
  std::deque<PreparedPrompt> prepared_;
  std::vector<ActiveSequence> active_;  // those with a token to feed first, then the new ones
  std::size_t continuing_ = 0;          // how many have a token to feed
  std::vector<bool> finished_;          // per active sequence, after a step
  std::size_t next_done_ = 0;           // first request not yet reported
  std::vector<std::size_t> remaining_;  // unfinished completions per request
  std::vector<Clock::time_point> request_start_;
  std::vector<std::vector<Completion>> results_;
  GenerationStats stats_;

  AlignedBuffer<float> hidden_, prefill_hidden_;
  std::vector<std::int32_t> ids_, tokens_;
  std::vector<float> log_probs_;
  std::vector<SequenceRows> rows_;
  std::vector<SampleAddress> addresses_;
  std::vector<std::span<const std::int32_t>> seen_;
};

std::size_t CompletionCount(std::span<const GenerationRequest> requests) {
  std::size_t count = 0;
  for (const auto& request : requests) count += static_cast<std::size_t>(request.num_generations);
  return count;
}

Generator::Generator(const Policy& policy, const Compute& compute,
                     std::span<const GenerationRequest> requests, const SamplingConfig& config,
                     const GenerationOptions& options)
    : policy_(policy),
      compute_(compute),
      requests_(requests),
      config_(config),
      options_(options),
      sampler_(policy, compute, config),
      cache_(policy.model.config),
      width_(policy.model.weights.embed.k()),
      max_batch_(std::min(options.max_batch, CompletionCount(requests))),
      request_start_(requests.size()),
      hidden_(max_batch_ * width_),
      prefill_hidden_(kPrefillRows * width_),
      tokens_(max_batch_),
      log_probs_(max_batch_) {
  active_.reserve(max_batch_);
  for (const auto& request : requests) {
    results_.emplace_back(static_cast<std::size_t>(request.num_generations));
    remaining_.push_back(results_.back().size());
  }
}

std::vector<std::vector<Completion>> Generator::Run(GenerationStats& stats) {
  while (true) {
    if (options_.cancelled && options_.cancelled()) {
      AbandonUnfinished();
      break;
    }
    Admit();
    if (active_.empty()) break;
    const auto start = Clock::now();
    Decode();
    SampleAll();
    stats_.decode_seconds += SecondsSince(start);
    ++stats_.decode_steps;
    Leave();
    NotifyDone();
  }
  stats = stats_;
  return std::move(results_);
}

// Fills the free places of the batch, in the order of requests.
void Generator::Admit() {
  continuing_ = active_.size();
  while (active_.size() < max_batch_) {
    if (prepared_.empty()) {
      if (next_request_ == requests_.size()) return;
      Prefill();
    }
    PreparedPrompt& prompt = prepared_.front();
    const std::size_t request = prompt.request;
    if (prompt.started == 0) request_start_[request] = Clock::now();
    std::copy(prompt.hidden.begin(), prompt.hidden.end(), hidden_.data() + active_.size() * width_);
    const std::size_t sample = prompt.started++;
    const bool last = prompt.started == results_[request].size();
    active_.push_back(
        {request, sample, last ? std::move(prompt.cache) : prompt.cache.Fork(), {}, {}});
    if (HasPenalty(config_)) {
      for (const std::int32_t id : requests_[request].prompt) See(active_.back(), id);
    }
    if (last) prepared_.pop_front();
  }
}

// Computes the next prompts, at most kPrefillRows rows a pass: a long prompt in several passes,
// short ones together, a few ahead of need.
void Generator::Prefill() {
  const ProfilePart part(Part::kPrefill);
  const auto start = Clock::now();
  std::size_t room = kPrefillRows;
  while (next_request_ < requests_.size()) {
    const std::size_t length = requests_[next_request_].prompt.size();
    if (!prepared_.empty() && length > room) break;
    room -= std::min(room, length);
    prepared_.push_back({next_request_++, KvSequence(cache_), std::vector<float>(width_), 0});
    stats_.prompt_tokens += length;
  }
  // Only a prompt that is alone can be longer than one pass.
  for (bool more = true; more;) {
    more = false;
    ids_.clear();
    rows_.clear();
    for (PreparedPrompt& prompt : prepared_) {
      const auto& ids = requests_[prompt.request].prompt;
      const std::size_t begin = prompt.cache.length();
      const std::size_t count = std::min(ids.size() - begin, kPrefillRows);
      rows_.push_back({ids_.size(), count, &prompt.cache});
      ids_.insert(ids_.end(), ids.begin() + static_cast<std::ptrdiff_t>(begin),
                  ids.begin() + static_cast<std::ptrdiff_t>(begin + count));
      more |= begin + count < ids.size();
    }
    const MatrixView<float> hidden(prefill_hidden_.data(), ids_.size(), width_);
    Forward(policy_, compute_, ids_, rows_, scratch_, nullptr, hidden);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      std::copy_n(hidden.row(rows_[i].row_begin + rows_[i].row_count - 1), width_,
                  prepared_[i].hidden.begin());
    }
  }
  stats_.prefill_seconds += SecondsSince(start);
}

// One forward pass over the newest token of every sequence that has one; the hidden rows of new
// sequences are already there, from their prompts.
void Generator::Decode() {
  const ProfilePart part(Part::kDecode);
  if (continuing_ == 0) return;
  ids_.clear();
  rows_.clear();
  for (std::size_t i = 0; i < continuing_; ++i) {
    ids_.push_back(results_[active_[i].request][active_[i].sample].ids.back());
    rows_.push_back({i, 1, &active_[i].cache});
  }
  Forward(policy_, compute_, ids_, rows_, scratch_, nullptr,
          MatrixView<float>(hidden_.data(), continuing_, width_));
}

void Generator::SampleAll() {
  const ProfilePart part(Part::kSample);
  const std::size_t count = active_.size();
  addresses_.clear();
  seen_.clear();
  for (const ActiveSequence& sequence : active_) {
    const GenerationRequest& request = requests_[sequence.request];
    const std::size_t position = results_[sequence.request][sequence.sample].ids.size();
    stats_.context_tokens += request.prompt.size() + position;
    addresses_.push_back({config_.seed, request.index,
                          request.first_sample + static_cast<std::uint32_t>(sequence.sample),
                          static_cast<std::uint32_t>(position)});
    if (HasPenalty(config_)) seen_.push_back(sequence.seen);
  }
  const std::span<std::int32_t> tokens(tokens_.data(), count);
  const std::span<float> log_probs(log_probs_.data(), count);
  sampler_.Sample(MatrixView<const float>(hidden_.data(), count, width_), addresses_, seen_, tokens,
                  log_probs);
  finished_.assign(count, false);
  for (std::size_t i = 0; i < count; ++i) {
    finished_[i] = Append(active_[i], tokens[i], log_probs[i]);
  }
  stats_.new_tokens += count;
}

// True when this token ends the completion.
bool Generator::Append(ActiveSequence& sequence, std::int32_t token, float log_prob) {
  Completion& completion = results_[sequence.request][sequence.sample];
  completion.ids.push_back(token);
  completion.log_probs.push_back(log_prob);
  if (HasPenalty(config_)) See(sequence, token);
  if (Stops(token) ||
      (options_.stop && options_.stop(sequence.request, sequence.sample, completion.ids))) {
    completion.finish_reason = FinishReason::kStop;
  } else if (completion.ids.size() < static_cast<std::size_t>(config_.max_new_tokens)) {
    return false;
  }
  completion.seconds = SecondsSince(request_start_[sequence.request]);
  if (--remaining_[sequence.request] == 0 && options_.complete) {
    options_.complete(sequence.request, results_[sequence.request]);
  }
  return true;
}

bool Generator::Stops(std::int32_t token) const {
  const auto has = [&](const std::vector<std::int32_t>& ids) {
    return std::find(ids.begin(), ids.end(), token) != ids.end();
  };
  return !config_.ignore_eos && (has(config_.stop_ids) || has(policy_.model.stop_ids));
}

void Generator::See(ActiveSequence& sequence, std::int32_t id) const {
  if (sequence.seen_bits.empty()) {
    sequence.seen_bits.resize(policy_.model.weights.head().n() / 64 + 1);
  }
  std::uint64_t& word = sequence.seen_bits[static_cast<std::size_t>(id) / 64];
  const std::uint64_t bit = std::uint64_t{1} << (id % 64);
  if ((word & bit) == 0) sequence.seen.push_back(id);
  word |= bit;
}

// Finished sequences leave; the others keep their order.
void Generator::Leave() {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < active_.size(); ++i) {
    if (finished_[i]) continue;
    if (kept != i) active_[kept] = std::move(active_[i]);
    ++kept;
  }
  active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(kept), active_.end());
}

void Generator::NotifyDone() {
  while (next_done_ < requests_.size() && remaining_[next_done_] == 0) {
    if (options_.done) options_.done(next_done_, results_[next_done_]);
    ++next_done_;
  }
}

void Generator::AbandonUnfinished() {
  for (const ActiveSequence& sequence : active_) {
    results_[sequence.request][sequence.sample] = Completion{};
  }
}

Status CheckRequest(const Model& model, const GenerationRequest& request, std::size_t number,
                    const SamplingConfig& config) {
  const std::string place = fmt::format("prompt {}", number);
  if (request.prompt.empty()) return Usage(place + ": no tokens, need at least one");
  if (request.num_generations < 1) {
    return Usage(fmt::format("{}: {} completions asked for, need at least 1", place,
                             request.num_generations));
  }
  const std::size_t needed =
      request.prompt.size() + static_cast<std::size_t>(config.max_new_tokens);
  if (needed > model.max_positions) {
    return Usage(fmt::format(
        "{}: {} tokens and {} new ones need {} positions, the model has {}; shorten the prompt or "
        "the completion limit",
        place, request.prompt.size(), config.max_new_tokens, needed, model.max_positions));
  }
  const std::size_t vocabulary = model.weights.embed.n();
  for (std::size_t i = 0; i < request.prompt.size(); ++i) {
    if (request.prompt[i] < 0 || static_cast<std::size_t>(request.prompt[i]) >= vocabulary) {
      return Usage(fmt::format("{}: id {} at token {} is outside the vocabulary of {} ids", place,
                               request.prompt[i], i, vocabulary));
    }
  }
  return {};
}

}  // namespace

const char* FinishReasonName(FinishReason reason) {
  return reason == FinishReason::kStop ? "stop" : "length";
}

std::vector<std::string> Problems(const SamplingConfig& config) {
  std::vector<std::string> problems;
  const auto require = [&](bool good, const char* name, double value, const char* expected) {
    if (!good) problems.push_back(fmt::format("{}: {}, expected {}", name, value, expected));
  };
  const auto positive = [](double x) { return std::isfinite(x) && x > 0; };
  require(positive(config.temperature), "temperature", config.temperature,
          "a number above 0 (greedy decoding is a setting of its own)");
  require(config.top_k >= 0, "top_k", config.top_k, "0 (off) or more");
  require(config.top_p >= 0 && config.top_p <= 1, "top_p", config.top_p, "a number from 0 to 1");
  require(config.min_p >= 0 && config.min_p <= 1, "min_p", config.min_p, "a number from 0 to 1");
  require(positive(config.repetition_penalty), "repetition_penalty", config.repetition_penalty,
          "a number above 0");
  require(config.max_new_tokens >= 1, "max_new_tokens", config.max_new_tokens, "1 or more");
  require(positive(config.record_temperature), "record_temperature", config.record_temperature,
          "a number above 0");
  return problems;
}

Result<std::vector<std::vector<Completion>>> Generate(const Policy& policy, const Compute& compute,
                                                      std::span<const GenerationRequest> requests,
                                                      const SamplingConfig& config,
                                                      const GenerationOptions& options,
                                                      GenerationStats* stats) {
  std::vector<std::string> problems = Problems(config);
  if (options.max_batch == 0) problems.push_back("max_batch: 0, expected 1 or more");
  if (!problems.empty()) return Usage(fmt::format("sampling: {}", fmt::join(problems, "; ")));
  for (std::size_t i = 0; i < requests.size(); ++i) {
    PAWL_TRY(CheckRequest(policy.model, requests[i], i, config));
  }
  GenerationStats own;
  GenerationStats& counts = stats == nullptr ? own : *stats;
  if (options.journal.journal != nullptr) {
    return GenerateThrough(options.journal, policy, compute, requests, config, options, counts);
  }
  Generator generator(policy, compute, requests, config, options);
  return generator.Run(counts);
}

}  // namespace pawl
