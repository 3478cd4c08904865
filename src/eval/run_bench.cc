#include <fmt/format.h>

#include "base/file_system.h"
#include "base/process.h"
#include "base/sha256.h"
#include "eval/bench.h"
#include "eval/partial.h"

namespace pawl {
namespace {

void AddMatrix(Sha256& hash, const PackedMatrix& matrix) {
  const std::span<const float> data = matrix.data();
  hash.Add({reinterpret_cast<const char*>(data.data()), data.size_bytes()});
}

// Of the adapter's values, so that a folder trained further is another model.
Json AdapterHash(const Adapter* adapter) {
  if (adapter == nullptr) return {};
  Sha256 hash;
  for (const AdapterLayer& layer : adapter->layers) {
    for (const PackedMatrix& a : layer.a) AddMatrix(hash, a);
    for (const LoraModule& module : layer.modules) AddMatrix(hash, module.b);
  }
  hash.Add({reinterpret_cast<const char*>(&adapter->scale), sizeof(adapter->scale)});
  return hash.Hex();
}

// Everything that decides an answer; threads and batch size do not.
Json Identity(const Policy& policy, const BenchSettings& settings, const BenchFacts& facts) {
  const EvaluateSettings& e = settings.evaluate;
  return {{"model", facts.model_sha256},
          {"precision", facts.precision},
          {"adapter", AdapterHash(policy.adapter)},
          {"data", facts.data_sha256},
          {"prompt", facts.prompt_sha256},
          {"reward", settings.reward},
          {"samples", e.samples},
          {"greedy", e.greedy},
          {"temperature", e.temperature},
          {"max_new_tokens", e.max_new_tokens},
          {"seed", e.seed},
          {"first_item", e.first_item},
          {"stop", e.stop}};
}

}  // namespace

Result<std::optional<Json>> RunBench(const Policy& policy, const Tokenizer& tokenizer,
                                     const std::vector<Problem>& problems,
                                     const BenchSettings& settings, BenchFacts facts,
                                     const Compute& compute, const EvaluateHooks& hooks) {
  if (problems.empty()) return BadFile(facts.data + ": no problems, need at least one");
  std::vector<std::string> wrong = Problems(settings.prompt);
  for (std::string& more : Problems(settings.evaluate)) wrong.push_back(std::move(more));
  if (settings.limit < 0) {
    wrong.push_back(fmt::format("limit: {}, expected 0 (all) or more", settings.limit));
  }
  if (!wrong.empty()) return Usage(fmt::format("{}", fmt::join(wrong, "; ")));
  const auto shots = static_cast<std::size_t>(settings.prompt.num_fewshot);
  if (problems.size() <= shots) {
    return Usage(fmt::format(
        "{}: {} problems, but {} are examples in the prompt and one or more must be measured",
        facts.data, problems.size(), shots));
  }
  std::span<const Problem> measured(problems.data(), problems.size() - shots);
  if (settings.limit > 0 && static_cast<std::size_t>(settings.limit) < measured.size()) {
    measured = measured.first(static_cast<std::size_t>(settings.limit));
  }
  PAWL_ASSIGN(const auto reward, MakeReward({settings.reward}));
  PAWL_ASSIGN(
      const PromptBuilder prompts,
      PromptBuilder::Make(tokenizer, settings.prompt,
                          {problems.end() - static_cast<std::ptrdiff_t>(shots), problems.end()}));
  facts.prompt_sha256 = prompts.Sha256();
  facts.reward = settings.reward;
  facts.limit = settings.limit;
  facts.threads = compute.pool.size();

  EvaluateHooks inner = hooks;
  std::optional<PartialBench> partial;
  if (!settings.out.empty()) {
    PAWL_ASSIGN(partial,
                PartialBench::Open(settings.out, Identity(policy, settings, facts), measured));
    inner.known = [&](std::size_t index) { return partial->Known(index); };
    inner.done = [&](std::size_t index, const ProblemRecord& record) -> Status {
      PAWL_TRY(partial->Add(index, record));
      return hooks.done ? hooks.done(index, record) : Status();
    };
  }
  PAWL_ASSIGN(const Evaluation evaluation, Evaluate(policy, tokenizer, prompts, measured, *reward,
                                                    settings.evaluate, compute, inner));
  if (evaluation.cancelled) return std::nullopt;
  facts.peak_rss_bytes = PeakResidentBytes();
  Json results = BenchJson(evaluation, settings.evaluate, facts);
  if (partial) {
    PAWL_TRY(WriteFileAtomic(settings.out, WriteJsonPretty(results)));
    PAWL_TRY(partial->Finish());
  }
  return results;
}

}  // namespace pawl
