// Batched generation: prompts with G completions each, continuous batching, no padding.  Knows
// token ids only; text lives elsewhere.
//
// The token at (seed, prompt index, completion, position) is a pure function of that address and
// the model: thread count, batch size and order change nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/forward.h"

namespace pawl {

// Names and order of filters as Hugging Face: repetition_penalty, temperature, top_k, top_p, min_p.
struct SamplingConfig {
  double temperature = 1.0;         // > 0
  int top_k = 0;                    // 0: off; ties at the boundary are kept
  double top_p = 1.0;               // smallest set with mass >= top_p
  double min_p = 0.0;               // drop probabilities below min_p times the largest
  double repetition_penalty = 1.0;  // on ids in prompt and completion; also when greedy
  bool greedy = false;
  std::uint64_t seed = 0;
  int max_new_tokens = 256;
  bool ignore_eos = false;                  // no id ends a completion
  std::vector<std::int32_t> stop_ids = {};  // besides the model's own
  // Recorded log-probabilities are of softmax(logits / record_temperature), unfiltered.
  double record_temperature = 1.0;
};
// Every problem of a configuration at once; empty: valid.
std::vector<std::string> Problems(const SamplingConfig& config);

struct GenerationRequest {
  std::vector<std::int32_t> prompt;  // not empty
  std::uint64_t index = 0;           // the prompt's place in the random address
  int num_generations = 1;
  std::uint32_t first_sample = 0;  // completions are samples first_sample ...
};

enum class FinishReason { kStop, kLength };
const char* FinishReasonName(FinishReason reason);  // "stop", "length"

struct Completion {
  std::vector<std::int32_t> ids;  // the stop token included
  std::vector<float> log_probs;   // one per id
  FinishReason finish_reason = FinishReason::kLength;
  double seconds = 0;  // from the request's first decode step to its last
};

struct GenerationStats {
  std::size_t prompt_tokens = 0, new_tokens = 0, decode_steps = 0;
  std::size_t context_tokens = 0;   // positions looked back at, summed over new tokens
  std::size_t recalled_tokens = 0;  // of completions that a journal held
  double prefill_seconds = 0, decode_seconds = 0;
};

class CompletionJournal;  // rollout/journal.h
// A journal, and what identifies the policy (and stop function) in its keys; null: none.
struct JournalUse {
  CompletionJournal* journal = nullptr;
  std::string policy = {};
};

struct GenerationOptions {
  std::size_t max_batch = 64;  // sequences decoded together
  // Called with a completion's ids after each token; true ends it there (kStop).  For stop texts.
  std::function<bool(std::size_t request, std::size_t sample, std::span<const std::int32_t>)> stop =
      {};
  // Called in order of requests as soon as all completions of a request are done.
  std::function<void(std::size_t request, std::span<const Completion>)> done = {};
  // The same at once, in the order in which requests are done.
  std::function<void(std::size_t request, std::span<const Completion>)> complete = {};
  JournalUse journal = {};
  // Polled every decode step; true abandons the rest (their completions stay empty).
  std::function<bool()> cancelled = {};
};

// result[r][g]: completion g of request r.  A prompt that does not fit model.max_positions together
// with max_new_tokens, or has an id outside the vocabulary, is kUsage, naming both numbers.
Result<std::vector<std::vector<Completion>>> Generate(const Policy& policy, const Compute& compute,
                                                      std::span<const GenerationRequest> requests,
                                                      const SamplingConfig& config,
                                                      const GenerationOptions& options,
                                                      GenerationStats* stats = nullptr);

}  // namespace pawl
