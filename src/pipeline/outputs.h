// What a run writes for people and for other programs: model folders with cards, benchmark files,
// environment, summary.
#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"
#include "pipeline/run_context.h"

namespace pawl {

// The policy of `context.state` as a model folder: with LoRA a PEFT folder with base.json and
// tokenizer, otherwise a complete Hugging Face folder; with a model card.  Replaces the folder as a
// whole: written under a temporary name, then renamed.  note: what the card says about this model's
// standing ("accepted by its gate").
Status SaveModelFolder(const RunContext& context, const std::filesystem::path& folder,
                       const std::string& note);

// environment.json: commit, compiler, CPU, instruction set, threads, seeds, hashes of model and
// data.
Json EnvironmentJson(const RunContext& context);

// Benchmark of a policy on the test split: greedy, then `samples` answers at the training
// temperature; writes benchmark/<name>_benchmark_results_<UTC>.json and ..._summary_<UTC>.md.
struct TestResult {
  Json greedy;   // summary of the greedy results
  Json sampled;  // summary of the sampled ones
  Outcomes greedy_outcomes, sampled_outcomes;
  bool cancelled = false;
};
Result<TestResult> BenchmarkOnTest(const RunContext& context,
                                   const std::filesystem::path& run_folder,
                                   const std::string& name);
Json TestResultJson(const TestResult& result);
Result<TestResult> ParseTestResult(const Json& json);

// summary.json of the contract.
Json SummaryJson(const RunContext& context, const TestResult& base, const TestResult& final_result,
                 const Json& stages, const std::string& exit_reason, double seconds);

std::string UtcStamp();  // yyyymmdd_hhmmss

}  // namespace pawl
