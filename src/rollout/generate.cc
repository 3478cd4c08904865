#include "rollout/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>
#include <memory>

#include "rollout/filters.h"

namespace pawl {
namespace {

double Now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// Prompt rows that go through the model together.
constexpr std::size_t kPrefillRows = 256;

// One completion being decoded.
struct Live {
  std::size_t request, sample;
  KvSequence cache;
  std::int32_t next_input;  // the token whose row comes next
  double started;
};

class Generation {
 public:
  Generation(const Policy& policy, const Compute& compute,
             std::span<const GenerationRequest> requests, const SamplingConfig& config,
             const GenerationOptions& options)
      : policy_(policy),
        compute_(compute),
        requests_(requests),
        config_(config),
        options_(options),
        cache_(policy.model.config),
        results_(requests.size()),
        unfinished_(requests.size()) {
    for (std::size_t r = 0; r < requests.size(); ++r) {
      unfinished_[r] = static_cast<std::size_t>(requests[r].num_generations);
      results_[r].resize(unfinished_[r]);
    }
    stop_.assign(policy.model.config.vocab_size, 0);
    if (!config.ignore_eos) {
      for (const std::int32_t id : config.stop_ids) {
        if (id >= 0 && static_cast<std::size_t>(id) < stop_.size()) {
          stop_[static_cast<std::size_t>(id)] = 1;
        }
      }
    }
  }

  void Run() {
    while (!Cancelled()) {
      Refill();
      if (live_.empty()) break;
      DecodeStep();
      Report();
    }
    Report();
  }

  std::vector<std::vector<Completion>> TakeResults() { return std::move(results_); }
  const GenerationStats& stats() const { return stats_; }

 private:
  bool Cancelled() const { return options_.cancelled && options_.cancelled(); }
  std::size_t Width() const { return policy_.model.config.hidden_size; }
  std::size_t Vocabulary() const { return policy_.model.config.vocab_size; }

  // The prompt without its last token is computed once and shared; the last token is each
  // completion's first input row, exactly as in training.
  KvSequence Prefill(const GenerationRequest& request) {
    const double start = Now();
    KvSequence sequence(cache_);
    const std::size_t shared = request.prompt.size() - 1;
    for (std::size_t at = 0; at < shared; at += kPrefillRows) {
      const std::size_t count = std::min(kPrefillRows, shared - at);
      const SequenceRows rows{0, count, &sequence};
      Forward(policy_, compute_, std::span(request.prompt).subspan(at, count), {&rows, 1}, scratch_,
              nullptr, Hidden(count));
    }
    stats_.prompt_tokens += shared;
    stats_.prefill_seconds += Now() - start;
    return sequence;
  }

  // Prompts whose prefixes are short go through together: all of the first requests that still fit.
  void Refill() {
    const std::size_t room = std::max<std::size_t>(options_.max_batch, 1);
    while (live_.size() < room && next_request_ < requests_.size()) {
      const GenerationRequest& request = requests_[next_request_];
      if (config_.max_new_tokens == 0 || request.num_generations == 0) {
        unfinished_[next_request_] = 0;
        ++next_request_;
        continue;
      }
      if (!prompt_) {
        prompt_ = std::make_unique<KvSequence>(Prefill(request));
        next_sample_ = 0;
      }
      while (live_.size() < room && next_sample_ < results_[next_request_].size()) {
        live_.push_back(
            {next_request_, next_sample_++, prompt_->Fork(), request.prompt.back(), Now()});
      }
      if (next_sample_ == results_[next_request_].size()) {
        prompt_.reset();
        ++next_request_;
      }
    }
  }

  MatrixView<float> Hidden(std::size_t rows) {
    if (hidden_.size() < rows * Width()) hidden_ = AlignedBuffer<float>(rows * Width());
    return {hidden_.data(), rows, Width()};
  }

  void DecodeStep() {
    const double start = Now();
    const std::size_t rows = live_.size();
    ids_.clear();
    sequences_.clear();
    for (std::size_t i = 0; i < rows; ++i) {
      ids_.push_back(live_[i].next_input);
      sequences_.push_back({i, 1, &live_[i].cache});
    }
    const MatrixView<float> hidden = Hidden(rows);
    Forward(policy_, compute_, ids_, sequences_, scratch_, nullptr, hidden);
    // Rows of logits at a time that stay within 32 MiB.
    const std::size_t chunk = std::max<std::size_t>(1, (std::size_t{8} << 20) / Vocabulary());
    tokens_.resize(rows);
    log_probs_.resize(rows);
    for (std::size_t at = 0; at < rows; at += chunk) {
      Choose(hidden.Rows(at, std::min(chunk, rows - at)), at);
    }
    for (std::size_t i = 0; i < rows; ++i) Accept(i);
    std::erase_if(live_, [](const Live& live) { return live.next_input < 0; });
    stats_.new_tokens += rows;
    ++stats_.decode_steps;
    stats_.decode_seconds += Now() - start;
  }

  // Tokens and log-probabilities of rows [first, first + hidden.rows()).
  void Choose(MatrixView<const float> hidden, std::size_t first) {
    const std::size_t rows = hidden.rows();
    if (logits_.size() < rows * Vocabulary()) logits_ = AlignedBuffer<float>(rows * Vocabulary());
    const MatrixView<float> logits(logits_.data(), rows, Vocabulary());
    HeadLogits(policy_, compute_, hidden, logits);
    const auto record = static_cast<float>(1.0 / config_.record_temperature);
    statistics_.resize(rows);
    SoftmaxStatistics(compute_, logits, record, statistics_);
    const std::span<std::int32_t> tokens = std::span(tokens_).subspan(first, rows);
    if (IsPlain(config_)) {
      ChoosePlain(logits, first, tokens);
    }
    for (std::size_t i = 0; i < rows; ++i) {
      if (!IsPlain(config_)) tokens[i] = ChooseFiltered(logits.row_span(i), first + i);
      const float logit = logits.row(i)[tokens[i]];
      log_probs_[first + i] = LogProb(logit, record, statistics_[i]);
    }
  }

  SampleAddress Address(const Live& live) const {
    const GenerationRequest& request = requests_[live.request];
    const auto position = results_[live.request][live.sample].ids.size();
    return {config_.seed, request.index,
            request.first_sample + static_cast<std::uint32_t>(live.sample),
            static_cast<std::uint32_t>(position)};
  }

  void ChoosePlain(MatrixView<const float> logits, std::size_t first,
                   std::span<std::int32_t> tokens) {
    if (config_.greedy) {
      for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = statistics_[i].argmax;
      return;
    }
    addresses_.clear();
    for (std::size_t i = 0; i < tokens.size(); ++i) addresses_.push_back(Address(live_[first + i]));
    GumbelArgmaxRows(compute_, logits, static_cast<float>(1.0 / config_.temperature), addresses_,
                     tokens);
  }

  std::int32_t ChooseFiltered(std::span<const float> logits, std::size_t row) {
    const Live& live = live_[row];
    filtered_.assign(logits.begin(), logits.end());
    filter_.Apply(config_, requests_[live.request].prompt, results_[live.request][live.sample].ids,
                  filtered_);
    if (config_.greedy) {
      const auto top = std::max_element(filtered_.begin(), filtered_.end());
      return static_cast<std::int32_t>(top - filtered_.begin());
    }
    return GumbelArgmax(compute_, filtered_, 1.0f, Address(live));
  }

  // Takes row i's token; next_input becomes -1 when the completion is over.
  void Accept(std::size_t i) {
    Live& live = live_[i];
    Completion& completion = results_[live.request][live.sample];
    const std::int32_t token = tokens_[i];
    completion.ids.push_back(token);
    completion.log_probs.push_back(log_probs_[i]);
    const bool stopped =
        stop_[static_cast<std::size_t>(token)] != 0 ||
        (options_.stop && options_.stop(live.request, live.sample, completion.ids));
    const bool full = completion.ids.size() >= static_cast<std::size_t>(config_.max_new_tokens);
    live.next_input = token;
    if (!stopped && !full) return;
    completion.finish_reason = stopped ? FinishReason::kStop : FinishReason::kLength;
    completion.seconds = Now() - live.started;
    --unfinished_[live.request];
    live.next_input = -1;
  }

  // Requests are reported in their order, as soon as all before them are done.
  void Report() {
    while (reported_ < requests_.size() && unfinished_[reported_] == 0) {
      if (options_.done) options_.done(reported_, results_[reported_]);
      ++reported_;
    }
  }

  const Policy& policy_;
  const Compute& compute_;
  std::span<const GenerationRequest> requests_;
  const SamplingConfig& config_;
  const GenerationOptions& options_;

  KvCache cache_;
  Scratch scratch_;
  std::vector<std::vector<Completion>> results_;
  std::vector<std::size_t> unfinished_;  // completions still to come, per request
  std::vector<std::uint8_t> stop_;       // [V]
  GenerationStats stats_;

  std::unique_ptr<KvSequence> prompt_;  // of next_request_, while its completions are being started
  std::size_t next_request_ = 0, next_sample_ = 0, reported_ = 0;
  std::vector<Live> live_;

  // Reused by every step.
  AlignedBuffer<float> hidden_, logits_;
  std::vector<std::int32_t> ids_, tokens_;
  std::vector<SequenceRows> sequences_;
  std::vector<float> log_probs_, filtered_;
  std::vector<RowStatistics> statistics_;
  std::vector<SampleAddress> addresses_;
  LogitsFilter filter_;
};

Status CheckRequests(const Policy& policy, std::span<const GenerationRequest> requests,
                     const SamplingConfig& config) {
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const auto& prompt = requests[r].prompt;
    if (prompt.empty()) return Usage(fmt::format("prompt {}: is empty", r));
    const std::size_t total = prompt.size() + static_cast<std::size_t>(config.max_new_tokens);
    if (total > policy.model.max_positions) {
      return Usage(
          fmt::format("prompt {}: {} tokens and max_new_tokens {} exceed the context of {}", r,
                      prompt.size(), config.max_new_tokens, policy.model.max_positions));
    }
    for (const std::int32_t id : prompt) {
      if (id < 0 || static_cast<std::size_t>(id) >= policy.model.config.vocab_size) {
        return Usage(fmt::format("prompt {}: token id {} is outside the vocabulary of {}", r, id,
                                 policy.model.config.vocab_size));
      }
    }
  }
  return {};
}

}  // namespace

const char* FinishReasonName(FinishReason reason) {
  return reason == FinishReason::kStop ? "stop" : "length";
}

std::vector<std::string> Problems(const SamplingConfig& c) {
  std::vector<std::string> problems;
  const auto need = [&](bool holds, const char* key, double value, const char* expected) {
    if (!holds) problems.push_back(fmt::format("{}: got {}, expected {}", key, value, expected));
  };
  need(c.temperature > 0 && std::isfinite(c.temperature), "temperature", c.temperature,
       "a number above 0 (greedy takes the likeliest token)");
  need(c.record_temperature > 0, "record_temperature", c.record_temperature, "a number above 0");
  need(c.top_k >= 0, "top_k", c.top_k, "0 (off) or more");
  need(c.top_p > 0 && c.top_p <= 1, "top_p", c.top_p, "above 0, at most 1");
  need(c.min_p >= 0 && c.min_p <= 1, "min_p", c.min_p, "0 to 1");
  need(c.repetition_penalty > 0 && std::isfinite(c.repetition_penalty), "repetition_penalty",
       c.repetition_penalty, "a number above 0");
  need(c.max_new_tokens >= 0, "max_new_tokens", c.max_new_tokens, "0 or more");
  return problems;
}

Result<std::vector<std::vector<Completion>>> Generate(const Policy& policy, const Compute& compute,
                                                      std::span<const GenerationRequest> requests,
                                                      const SamplingConfig& config,
                                                      const GenerationOptions& options,
                                                      GenerationStats* stats) {
  std::string text;
  for (const std::string& problem : Problems(config)) text += (text.empty() ? "" : "; ") + problem;
  if (!text.empty()) return Usage(text);
  PAWL_TRY(CheckRequests(policy, requests, config));
  Generation generation(policy, compute, requests, config, options);
  generation.Run();
  if (stats != nullptr) *stats = generation.stats();
  return generation.TakeResults();
}

}  // namespace pawl
