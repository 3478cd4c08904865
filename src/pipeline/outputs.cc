#include "pipeline/outputs.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>

#include "base/file_system.h"
#include "base/process.h"
#include "base/sha256.h"
#include "base/version.h"
#include "eval/bench.h"
#include "kernels/machine.h"

namespace pawl {
namespace fs = std::filesystem;

namespace {

Status CopyTokenizer(const fs::path& from, const fs::path& to) {
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json",
        "generation_config.json", "vocab.json", "merges.txt"}) {
    std::error_code failed;
    if (!fs::exists(from / name, failed) || fs::exists(to / name, failed)) continue;
    fs::copy_file(from / name, to / name, failed);
    if (failed) {
      return Fail(ErrorCode::kResources,
                  fmt::format("{}: cannot be written: {}", (to / name).string(), failed.message()));
    }
  }
  return {};
}

std::string ModelCard(const RunContext& x, const std::string& note) {
  std::string text = "# Model card\n\nMade by " + VersionText() + ".\n\n";
  text += fmt::format(
      "* Base: {}{}\n",
      x.base_folder.empty() ? "made from random weights" : x.base_folder.filename().string(),
      x.base_sha256.empty() ? "" : " (SHA-256 " + x.base_sha256 + ")");
  text += fmt::format("* Training data: {}, SHA-256 of all splits {}\n",
                      x.config.data.source == "generator" ? "generated word problems" : "files",
                      x.data.sha256);
  text += fmt::format("* Training: {}\n",
                      x.config.lora.enabled ? "LoRA adapter; needs its base model" : "all weights");
  text += fmt::format("* Standing: {}\n", note);
  text +=
      "* Licence: that of the base model and of the training data; pawl adds no terms of its "
      "own.\n";
  return text;
}

Status WriteModel(const RunContext& x, const fs::path& folder, const std::string& note) {
  if (x.state.adapter) {
    PAWL_TRY(SaveAdapter(*x.state.adapter, x.state.model.config, x.base_folder.string(), folder));
    const Json base{{"path", fs::absolute(x.base_folder).string()}, {"sha256", x.base_sha256}};
    PAWL_TRY(WriteFileAtomic(folder / "base.json", WriteJsonPretty(base)));
  } else {
    PAWL_TRY(SaveModel(x.state.model, "float32", folder));
  }
  PAWL_TRY(CopyTokenizer(x.tokenizer_folder, folder));
  return WriteFileAtomic(folder / "README.md", ModelCard(x, note));
}

// Gain in points with its interval, paired over the test problems.
void AddGain(Json& summary, const char* gain, const char* interval, const Outcomes& base,
             const Outcomes& after) {
  const auto compared = ComparePaired(base, after);
  const bool known = compared && compared->problems > 0;
  summary[gain] = known ? Json(100 * compared->difference) : Json();
  summary[interval] =
      known && compared->interval95
          ? Json::array({100 * compared->interval95->low, 100 * compared->interval95->high})
          : Json();
}

Json SideJson(const TestResult& side, int samples) {
  Json json;
  for (const char* key : {"correct", "total", "accuracy", "wilson95"})
    json[key] = side.greedy.value(key, Json());
  json["sampled_accuracy"] = side.sampled.value("accuracy", Json());
  json["samples"] = samples;
  json["levels"] = side.greedy.value("levels", Json::object());
  json["sampled_levels"] = side.sampled.value("levels", Json::object());
  return json;
}

Json OutcomesJson(const Outcomes& outcomes) {
  Json json = Json::object();
  for (const auto& [id, samples] : outcomes) {
    std::string bits;
    for (const bool right : samples) bits += right ? '1' : '0';
    json[id] = bits;
  }
  return json;
}

Outcomes ParseOutcomes(const Json& json) {
  Outcomes outcomes;
  for (const auto& [id, bits] : json.items()) {
    for (const char bit : bits.get<std::string>()) outcomes[id].push_back(bit == '1');
  }
  return outcomes;
}

}  // namespace

std::string UtcStamp() {
  return fmt::format(
      "{:%Y%m%d_%H%M%S}",
      fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

Status SaveModelFolder(const RunContext& x, const fs::path& folder, const std::string& note) {
  fs::path temporary = folder, old = folder;
  temporary += ".tmp";
  old += ".old.tmp";
  std::error_code ignored;
  fs::remove_all(temporary, ignored);
  PAWL_TRY(MakeDirectories(temporary));
  const Status written = WriteModel(x, temporary, note);
  if (!written) {
    fs::remove_all(temporary, ignored);
    return written;
  }
  fs::remove_all(old, ignored);
  if (fs::exists(folder, ignored)) fs::rename(folder, old, ignored);
  PAWL_TRY(CommitRename(temporary, folder));
  fs::remove_all(old, ignored);
  return {};
}

Json EnvironmentJson(const RunContext& x) {
  Json json;
  json["format_version"] = 1;
  json["version"] = VersionText();
  json["commit"] = CommitText();
  json["compiler"] = CompilerText();
  json["cpu"] = CpuName();
  json["isa"] = IsaName(x.compute->isa);
  json["threads"] = x.compute->pool.size();
  json["seed"] = x.config.run.seed;
  json["model"] = {{"path", x.base_folder.empty() ? Json("new") : Json(x.base_folder.string())},
                   {"sha256", x.base_sha256},
                   {"parameters", ParameterCount(x.state.model.config)}};
  json["data_sha256"] = x.data.sha256;
  return json;
}

Result<TestResult> BenchmarkOnTest(const RunContext& x, const fs::path& run_folder,
                                   const std::string& name) {
  const StageConfig& last = x.config.stages.back();
  const int longest = LongestCompletion(x.config);
  TestResult result;
  const std::string stamp = UtcStamp();
  PAWL_TRY(MakeDirectories(run_folder / "benchmark"));
  for (const bool greedy : {true, false}) {
    MeasureOptions options;
    options.greedy = greedy;
    options.samples = greedy ? 1 : x.config.benchmark.samples;
    options.temperature = last.temperature;
    options.max_new_tokens = longest;
    options.first_item = std::uint64_t{1} << 60;
    PAWL_ASSIGN(const Evaluation evaluation, Measure(x, x.data.test.problems(), options));
    if (evaluation.cancelled) {
      result.cancelled = true;
      return result;
    }
    EvaluateSettings settings;
    settings.samples = options.samples;
    settings.greedy = greedy;
    settings.temperature = options.temperature;
    settings.max_new_tokens = longest;
    settings.seed = x.config.run.seed;
    settings.max_batch = 128;
    BenchFacts facts;
    facts.model_path = name;
    facts.model_sha256 = name == "base" ? x.base_sha256 : "";
    facts.parameters = ParameterCount(x.state.model.config);
    facts.precision = WeightTypeName(x.state.model.weights.embed.type());
    facts.model_bytes = x.state.model.weights.bytes();
    facts.data = "test split";
    facts.data_sha256 = x.data.sha256;
    facts.prompt_sha256 = Sha256Hex(x.prompts->Identity());
    facts.reward = x.config.rewards[0].name;
    facts.threads = x.compute->pool.size();
    facts.peak_rss_bytes = PeakResidentBytes();
    const Json bench = BenchJson(evaluation, settings, facts);
    const std::string full = greedy ? name : name + "_sampled";
    PAWL_TRY(WriteFileAtomic(
        run_folder / "benchmark" / fmt::format("{}_benchmark_results_{}.json", full, stamp),
        WriteJsonPretty(bench)));
    PAWL_TRY(WriteFileAtomic(
        run_folder / "benchmark" / fmt::format("{}_benchmark_summary_{}.md", full, stamp),
        BenchMarkdown(
            bench, fmt::format("{}, {}", name,
                               greedy ? "greedy" : fmt::format("{} samples", options.samples)))));
    (greedy ? result.greedy : result.sampled) = bench.at("summary");
    (greedy ? result.greedy_outcomes : result.sampled_outcomes) = evaluation.OutcomesById();
  }
  return result;
}

Json TestResultJson(const TestResult& r) {
  return {{"greedy", r.greedy},
          {"sampled", r.sampled},
          {"greedy_outcomes", OutcomesJson(r.greedy_outcomes)},
          {"sampled_outcomes", OutcomesJson(r.sampled_outcomes)}};
}

Result<TestResult> ParseTestResult(const Json& json) {
  for (const char* key : {"greedy", "sampled", "greedy_outcomes", "sampled_outcomes"}) {
    if (!json.is_object() || !json.contains(key))
      return BadFile("checkpoint: base results are incomplete");
  }
  return TestResult{json.at("greedy"), json.at("sampled"),
                    ParseOutcomes(json.at("greedy_outcomes")),
                    ParseOutcomes(json.at("sampled_outcomes")), false};
}

Json SummaryJson(const RunContext& x, const TestResult& base, const TestResult& after,
                 const Json& stages, const std::string& exit_reason, double seconds) {
  Json summary;
  summary["format_version"] = 1;
  summary["exit_reason"] = exit_reason;
  summary["seconds"] = seconds;
  summary["peak_rss_bytes"] = PeakResidentBytes();
  summary["seed"] = x.config.run.seed;
  summary["base"] = SideJson(base, x.config.benchmark.samples);
  summary["final"] = SideJson(after, x.config.benchmark.samples);
  AddGain(summary, "gain_points", "gain_interval95", base.greedy_outcomes, after.greedy_outcomes);
  AddGain(summary, "sampled_gain_points", "sampled_gain_interval95", base.sampled_outcomes,
          after.sampled_outcomes);
  summary["stages"] = stages;
  return summary;
}

}  // namespace pawl
