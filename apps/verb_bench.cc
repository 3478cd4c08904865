// pawl bench: accuracy and speed on a problem set; pawl compare: results side by side.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "apps/lines.h"
#include "apps/output_path.h"
#include "apps/policy.h"
#include "apps/signals.h"
#include "apps/verbs.h"
#include "base/file_system.h"
#include "base/sha256.h"
#include "data/problem_file.h"
#include "eval/bench.h"
#include "eval/compare.h"
#include "pipeline/progress.h"
#include "report/comparison.h"

namespace pawl {
namespace {

struct Flags {
  PolicyFlags policy;
  BenchSettings settings;
  std::string data, out;
  bool greedy = false, json = false;
};

// SHA-256 over the model's files, in the order of their names.
Result<std::string> ModelHash(const LocatedModel& located) {
  Sha256 hash;
  std::vector<std::filesystem::path> files{located.folder / "config.json"};
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(located.folder, ignored)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  if (located.adapter) files.push_back(*located.adapter / "adapter_model.safetensors");
  std::sort(files.begin() + 1, files.end());
  for (const auto& file : files) {
    PAWL_ASSIGN(const std::string one, Sha256OfFile(file));
    hash.Add(one);
  }
  return hash.Hex();
}

Result<BenchFacts> Facts(const LoadedPolicy& loaded, const Flags& flags) {
  BenchFacts facts;
  facts.model_path = flags.policy.model;
  PAWL_ASSIGN(facts.model_sha256, ModelHash(loaded.located));
  facts.precision = WeightTypeName(loaded.model.weights.embed.type());
  if (loaded.located.adapter) facts.adapter = loaded.located.adapter->string();
  facts.parameters = ParameterCount(loaded.model.config);
  facts.model_bytes = loaded.model.weights.bytes();
  facts.data = flags.data;
  PAWL_ASSIGN(facts.data_sha256, Sha256OfFile(flags.data));
  facts.load_seconds = loaded.load_seconds;
  return facts;
}

Status Bench(const Flags& flags, VerbResult& result) {
  BenchSettings settings = flags.settings;
  settings.out = flags.out;
  settings.evaluate.greedy = flags.greedy;
  if (flags.greedy && settings.evaluate.samples > 1) {
    return Usage("--greedy with --samples: greedy answers are all alike; give one of them");
  }
  if (!flags.out.empty()) PAWL_TRY(CheckOutputFile("--out", flags.out));
  PAWL_ASSIGN(const auto problems, ReadProblems(flags.data));
  PAWL_ASSIGN(const auto loaded, LoadPolicy(flags.policy, TokenizerNeed::kRequired));
  if (loaded->tokenizer->eos() && loaded->tokenizer->eos()->id) {
    loaded->model.stop_ids.push_back(*loaded->tokenizer->eos()->id);
  }
  PAWL_ASSIGN(BenchFacts facts, Facts(*loaded, flags));
  Progress progress(true);
  const std::size_t total =
      settings.limit > 0 ? std::min(problems.size(), static_cast<std::size_t>(settings.limit))
                         : problems.size();
  double right = 0;
  EvaluateHooks hooks;
  hooks.done = [&](std::size_t index, const ProblemRecord& record) -> Status {
    right += record.Share();
    Progress::Step step{"bench", static_cast<int>(index + 1), static_cast<int>(total)};
    step.reward = right / static_cast<double>(index + 1);
    progress.Update(step);
    return {};
  };
  CatchSignals();
  hooks.cancelled = [] { return StopSignal() != 0; };
  PAWL_ASSIGN(const auto bench, RunBench(loaded->policy(), *loaded->tokenizer, problems, settings,
                                         std::move(facts), loaded->compute(), hooks));
  if (!bench) {
    result.exit_code = 128 + StopSignal();
    std::fputs(flags.out.empty()
                   ? "pawl: stopped; without --out nothing was kept\n"
                   : "pawl: stopped; finished problems are kept, the same command goes on\n",
               stderr);
    return {};
  }
  if (flags.json) return PrintLine(WriteJson(*bench));
  return PrintLine(BenchMarkdown(*bench, flags.policy.model));
}

struct CompareFlags {
  std::vector<std::string> files;
  std::string report;
  bool json = false;
};

Status Compare(const CompareFlags& flags) {
  std::vector<BenchFile> files;
  for (const std::string& name : flags.files) {
    PAWL_ASSIGN(BenchFile file, ReadBenchFile(name));
    files.push_back(std::move(file));
  }
  PAWL_ASSIGN(const Json comparison, CompareBenches(files));
  if (!flags.report.empty()) {
    std::vector<std::string> words;
    for (const Json& pair : comparison.at("pairs")) words.push_back(PairWords(pair));
    Document document;
    document.Heading(1, "Comparison with " + flags.files.front());
    document.Append(ComparisonDocument(comparison, words, 1000));
    const bool html = std::filesystem::path(flags.report).extension() == ".html";
    PAWL_TRY(WriteFileAtomic(flags.report,
                             html ? HtmlOf(document, "Comparison") : MarkdownOf(document)));
  }
  return PrintLine(flags.json ? WriteJson(comparison) : CompareText(comparison));
}

}  // namespace

void AddBench(CLI::App& app, VerbResult& result) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = AddVerb(app, "bench", "accuracy and speed on a problem set",
                           "pawl bench starter --data test.jsonl --greedy --out starter.json");
  AddPolicyFlags(*verb, flags->policy);
  EvaluateSettings& evaluate = flags->settings.evaluate;
  verb->add_option("--data", flags->data, "problems, JSON Lines")->required();
  verb->add_option("--limit", flags->settings.limit, "only the first N problems");
  verb->add_option("--samples", evaluate.samples, "answers a problem (1)");
  verb->add_option("--temperature", evaluate.temperature, "sampling temperature (1)");
  verb->add_flag("--greedy", flags->greedy, "take the likeliest token");
  verb->add_option("--max-new-tokens,--max_new_tokens", evaluate.max_new_tokens,
                   "longest answer in tokens (256)");
  verb->add_option("--seed", evaluate.seed, "seed of the random numbers (0)");
  verb->add_option("--reward", flags->settings.reward,
                   "grader that decides `correct` (gsm8k-strict)");
  verb->add_option("--num-fewshot,--num_fewshot", flags->settings.prompt.num_fewshot,
                   "worked examples before each problem");
  verb->add_option("--system", flags->settings.prompt.system, "system message");
  verb->add_option("--prompt-template", flags->settings.prompt.prompt_template,
                   "text with {question} in it");
  verb->add_option("--stop", evaluate.stop, "text that ends an answer (repeatable)")
      ->type_size(1)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb->add_option("--batch", evaluate.max_batch,
                   "answers decoded together; changes speed only (64)");
  verb->add_option("--out", flags->out, "file for the results");
  verb->add_flag("--json", flags->json, "one JSON document on standard output");
  verb->callback([flags, &result] { result.status = Bench(*flags, result); });
}

void AddCompare(CLI::App& app, VerbResult& result) {
  auto flags = std::make_shared<CompareFlags>();
  CLI::App* verb = AddVerb(app, "compare", "bench results side by side with paired statistics",
                           "pawl compare base.json trained.json");
  verb->add_option("FILES", flags->files, "result files; the first is the baseline")
      ->required()
      ->expected(2, 1000);
  verb->add_option("--report", flags->report,
                   "also writes a report with all won and lost problems, both answers side by side "
                   "(.md or .html)");
  verb->add_flag("--json", flags->json, "one JSON document on standard output");
  verb->callback([flags, &result] { result.status = Compare(*flags); });
}

}  // namespace pawl
