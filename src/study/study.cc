#include "study/study.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/file_system.h"
#include "data/problem_file.h"
#include "pipeline/stage_data.h"
#include "study/child.h"
#include "study/study_report.h"

namespace pawl {
namespace fs = std::filesystem;

namespace {

class Study {
 public:
  Study(const StudyOptions& options, const StudyConfig& config, RunConfig base, fs::path folder)
      : o_(options), c_(config), base_(std::move(base)), folder_(std::move(folder)) {}

  Result<StudyOutcome> Execute() {
    PAWL_TRY(MakeDirectories(folder_ / "bench"));
    PAWL_TRY(CheckSame());
    PAWL_TRY(WriteTestProblems());
    for (const StudyVariant& variant : c_.variants) {
      // An untrained model is the same for every seed; its answers differ where they are sampled.
      const std::size_t seeds = variant.train || c_.samples > 1 ? c_.seeds.size() : 1;
      for (std::size_t i = 0; i < seeds; ++i) {
        PAWL_ASSIGN(StudyRun run, OneRun(variant, c_.seeds[i]));
        runs_.push_back(std::move(run));
        if (Stopped()) {
          return StudyOutcome{128 + o_.signal(),
                              "Stopped; finished runs are kept, the same command goes on."};
        }
      }
    }
    PAWL_TRY(WriteStudyReport(c_, runs_, folder_));
    const auto failed = std::count_if(runs_.begin(), runs_.end(),
                                      [](const StudyRun& run) { return run.exit_code != 0; });
    std::string text = fmt::format("Report: {}", (folder_ / "report.html").string());
    if (failed > 0) text = fmt::format("{} of {} runs failed.\n{}", failed, runs_.size(), text);
    return StudyOutcome{0, text};
  }

 private:
  bool Stopped() const { return o_.signal && o_.signal() != 0; }
  Result<int> Child(const std::vector<std::string>& arguments) const {
    return RunSelf(arguments, [this] { return o_.signal ? o_.signal() : 0; });
  }

  // The study's own file is kept, so that its results cannot be mixed with another's.
  Status CheckSame() const {
    PAWL_ASSIGN(const std::string now, ReadFile(o_.config));
    const fs::path kept = folder_ / "study.toml";
    std::error_code ignored;
    if (!fs::exists(kept, ignored)) return WriteFileAtomic(kept, now);
    PAWL_ASSIGN(const std::string before, ReadFile(kept));
    if (before == now) return {};
    return Fail(ErrorCode::kNoCheckpoint,
                fmt::format("{}: is of another study than {}; use the same file or another --out",
                            folder_.string(), o_.config.string()));
  }

  // One set for all variants, whatever their own test splits are.
  Status WriteTestProblems() const {
    const fs::path file = folder_ / "test.jsonl";
    std::error_code ignored;
    if (fs::exists(file, ignored)) return {};
    PAWL_ASSIGN(const RunData data, MakeRunData(base_));
    return WriteProblems(data.test.problems(), file);
  }

  Result<StudyRun> OneRun(const StudyVariant& variant, std::uint64_t seed) const {
    StudyRun run;
    run.variant = variant.name;
    run.seed = seed;
    const std::string label = fmt::format("{}-s{}", variant.name, seed);
    std::string model = base_.model.path;
    if (variant.train) {
      run.run_folder = folder_ / "runs" / label;
      PAWL_ASSIGN(run.exit_code, Train(variant, seed, run.run_folder));
      std::error_code ignored;
      if (!fs::exists(run.run_folder / "final_model", ignored)) return run;
      model = (run.run_folder / "final_model").string();
    }
    if (Stopped()) return run;
    const fs::path out = folder_ / "bench" / (label + ".json");
    std::error_code ignored;
    if (!fs::exists(out, ignored)) {
      if (o_.progress) o_.progress(label + ": measuring");
      PAWL_ASSIGN(const int code, Child(BenchArguments(model, seed, out)));
      if (code != 0 && run.exit_code == 0) run.exit_code = code;
    }
    if (fs::exists(out, ignored)) run.bench = out;
    return run;
  }

  Result<int> Train(const StudyVariant& variant, std::uint64_t seed, const fs::path& folder) const {
    std::error_code ignored;
    if (fs::exists(folder / "summary.json", ignored)) return 0;
    if (o_.progress) o_.progress(fmt::format("{}: running", folder.filename().string()));
    std::vector<std::string> arguments = {"run", variant.config.string(), "--run-dir",
                                          folder.string(), "--quiet"};
    if (fs::exists(folder, ignored)) arguments.push_back("--resume");
    std::vector<std::string> sets = variant.sets;
    sets.push_back(fmt::format("run.seed={}", seed));
    for (const std::string& set : sets) arguments.insert(arguments.end(), {"--set", set});
    AddThreads(arguments);
    return Child(arguments);
  }

  std::vector<std::string> BenchArguments(const std::string& model, std::uint64_t seed,
                                          const fs::path& out) const {
    int longest = 0;
    for (const StageConfig& stage : base_.stages) {
      longest = std::max(longest, stage.max_completion_length);
    }
    std::vector<std::string> arguments = {"bench",
                                          model,
                                          "--data",
                                          (folder_ / "test.jsonl").string(),
                                          "--out",
                                          out.string(),
                                          "--max-new-tokens",
                                          std::to_string(longest),
                                          "--reward",
                                          base_.rewards[0].name,
                                          "--seed",
                                          std::to_string(seed)};
    if (c_.samples > 1) {
      arguments.insert(arguments.end(), {"--samples", std::to_string(c_.samples)});
    } else {
      arguments.push_back("--greedy");
    }
    if (c_.limit > 0) arguments.insert(arguments.end(), {"--limit", std::to_string(c_.limit)});
    if (!base_.model.precision.empty()) {
      arguments.insert(arguments.end(), {"--precision", base_.model.precision});
    }
    if (!base_.prompt.system.empty()) {
      arguments.insert(arguments.end(), {"--system", base_.prompt.system});
    }
    if (base_.prompt.num_fewshot > 0) {
      arguments.insert(arguments.end(),
                       {"--num-fewshot", std::to_string(base_.prompt.num_fewshot)});
    }
    arguments.insert(arguments.end(), {"--prompt-template", base_.prompt.prompt_template});
    AddThreads(arguments);
    return arguments;
  }

  void AddThreads(std::vector<std::string>& arguments) const {
    if (o_.threads > 0) {
      arguments.insert(arguments.end(), {"--threads", std::to_string(o_.threads)});
    }
  }

  const StudyOptions& o_;
  const StudyConfig& c_;
  RunConfig base_;
  fs::path folder_;
  std::vector<StudyRun> runs_;
};

}  // namespace

Result<StudyOutcome> RunStudy(const StudyOptions& options) {
  PAWL_ASSIGN(const StudyConfig study, LoadStudy(options.config));
  PAWL_ASSIGN(RunConfig base, LoadConfig(study.config, {}));
  if (base.model.path == "new") {
    return Usage(study.config.string() +
                 ": a study compares with a base model, and \"new\" has none");
  }
  const fs::path folder =
      options.folder.empty() ? fs::path("runs") / ("study-" + study.name) : options.folder;
  return Study(options, study, std::move(base), folder).Execute();
}

}  // namespace pawl
