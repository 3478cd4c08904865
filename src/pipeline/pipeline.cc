#include "pipeline/pipeline.h"

#include <fmt/format.h>

#include <chrono>
#include <sstream>

#include "base/file.h"
#include "base/file_system.h"
#include "base/sha256.h"
#include "pipeline/outputs.h"
#include "pipeline/stage_runner.h"
#include "report/report.h"

namespace pawl {
namespace fs = std::filesystem;

namespace {

double Now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// Lines that differ between two resolved configurations, as "section.key".
std::vector<std::string> ChangedKeys(const std::string& before, const std::string& after) {
  const auto keys = [](const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    std::string section;
    for (std::string line; std::getline(stream, line);) {
      const std::size_t first = line.find_first_not_of(' ');
      if (first == std::string::npos) continue;
      line = line.substr(first);
      if (line[0] == '[') section = line;
      lines.push_back(section + " " + line);
    }
    return lines;
  };
  const auto a = keys(before), b = keys(after);
  std::vector<std::string> changed;
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    if (i < a.size() && i < b.size() && a[i] == b[i]) continue;
    changed.push_back(i < b.size() ? b[i] : a[i]);
    if (changed.size() == 10) break;
  }
  return changed;
}

Status CheckUnchanged(const RunDirectory& directory, const std::string& resolved) {
  const fs::path file = directory.path() / "config.resolved.toml";
  std::error_code ignored;
  if (!fs::exists(file, ignored)) return {};
  PAWL_ASSIGN(const std::string before, ReadFile(file));
  if (before == resolved) return {};
  std::string text;
  for (const std::string& key : ChangedKeys(before, resolved)) text += "\n  " + key;
  return Usage(
      fmt::format("{}: the configuration differs from the one this run began with; resume with the "
                  "same, or begin a new run:{}",
                  file.string(), text));
}

std::string DryRunText(const RunContext& x) {
  std::string text = fmt::format("model      {} ({} parameters, {})\n", x.config.model.path,
                                 ParameterCount(x.state.model.config),
                                 x.state.adapter ? "LoRA" : "all weights trained");
  for (const StageConfig& stage : x.config.stages) {
    text += fmt::format("stage      {:<16} {} {} steps of {} prompts\n", stage.name, stage.method,
                        StageSteps(stage),
                        stage.per_device_train_batch_size * stage.gradient_accumulation_steps);
  }
  text += fmt::format("validation {} problems; gate {} of {}; test {}\n", x.data.validation.size(),
                      x.config.gate.rule, x.data.gate.size(), x.data.test.size());
  return text + "The configuration is valid; nothing was run.";
}

// One run from its start or its newest checkpoint to its end.
class Run {
 public:
  Run(const RunOptions& options, RunContext& context, RunDirectory& directory)
      : options_(options),
        x_(context),
        directory_(directory),
        progress_(!options.quiet),
        start_(Now()) {}

  Result<RunOutcome> Execute() {
    PAWL_TRY(Restore());
    if (p_.base.is_null()) {
      progress_.Line(
          fmt::format("measuring the base model on {} test problems", x_.data.test.size()));
      PAWL_ASSIGN(const TestResult base, BenchmarkOnTest(x_, directory_.path(), "base"));
      if (base.cancelled) return Stopped();
      p_.base = TestResultJson(base);
      PAWL_TRY(Save());
    }
    StageEnd end = StageEnd::kFinished;
    while (p_.stage < static_cast<int>(x_.config.stages.size()) && end == StageEnd::kFinished) {
      StageRunner runner(x_, directory_, p_, anchor_, best_, progress_,
                         [this] { return TimeUp(); });
      PAWL_ASSIGN(end, runner.Run());
      if (end == StageEnd::kStopped) return Stopped();
      if (end == StageEnd::kUnhealthy) break;
      NextStage();
      PAWL_TRY(Save());
    }
    return Finish(end);
  }

 private:
  double Elapsed() const { return p_.run_seconds + (Now() - start_); }
  bool TimeUp() const {
    if (x_.config.run.time_limit.empty()) return false;
    return Elapsed() > *ParseDuration(x_.config.run.time_limit);
  }
  Status Save() {
    RunPosition saved = p_;
    saved.run_seconds = Elapsed();
    return directory_.SaveCheckpoint({PositionJson(saved), TakeSnapshot(x_.state), anchor_, best_});
  }

  Status Restore() {
    PAWL_ASSIGN(auto checkpoint, directory_.LoadCheckpoint());
    if (!checkpoint) {
      anchor_ = TakeSnapshot(x_.state);
      return {};
    }
    PAWL_ASSIGN(p_, ParsePosition(checkpoint->position));
    anchor_ = std::move(checkpoint->anchor);
    best_ = std::move(checkpoint->best);
    RestoreSnapshot(checkpoint->current, x_.state);
    progress_.Line(fmt::format("resuming at stage {}, step {}", p_.stage + 1, p_.step));
    return {};
  }

  void NextStage() {
    best_.reset();
    RunPosition next;
    next.stage = p_.stage + 1;
    next.run_seconds = p_.run_seconds;
    next.stages = std::move(p_.stages);
    next.base = std::move(p_.base);
    p_ = std::move(next);
  }

  RunOutcome Stopped() {
    const int number = options_.signal->load();
    return {
        directory_.path(), 128 + number,
        fmt::format("Stopped by signal {}; everything is saved. Go on with --resume --run-dir {}",
                    number, directory_.path().string())};
  }

  Result<RunOutcome> Finish(StageEnd end) {
    // Stages that never began are listed too.
    for (auto s = p_.stages.size(); s < x_.config.stages.size(); ++s) {
      const StageConfig& stage = x_.config.stages[s];
      p_.stages.push_back({{"name", stage.name},
                           {"method", stage.method},
                           {"decision", "skipped"},
                           {"attempts", 0},
                           {"steps", 0},
                           {"seconds", 0.0},
                           {"gate_accuracy_before", nullptr},
                           {"gate_accuracy_after", nullptr}});
    }
    RestoreSnapshot(anchor_, x_.state);
    progress_.Line("measuring the final model on the test problems");
    PAWL_ASSIGN(const TestResult after, BenchmarkOnTest(x_, directory_.path(), "final"));
    if (after.cancelled) return Stopped();
    PAWL_ASSIGN(const TestResult base, ParseTestResult(p_.base));
    PAWL_TRY(SaveModelFolder(x_, directory_.path() / "final_model",
                             "the last accepted model of its run"));
    const char* reason = end == StageEnd::kUnhealthy  ? "unhealthy"
                         : end == StageEnd::kGateStop ? "gate_stop"
                         : end == StageEnd::kTimeUp   ? "time_limit"
                                                      : "finished";
    const Json summary = SummaryJson(x_, base, after, p_.stages, reason, Elapsed());
    PAWL_TRY(WriteFileAtomic(directory_.path() / "summary.json", WriteJsonPretty(summary)));
    PAWL_TRY(WriteReports(directory_.path()));
    RunOutcome outcome{directory_.path(), 0, ""};
    if (end == StageEnd::kUnhealthy) outcome.exit_code = static_cast<int>(ErrorCode::kUnhealthy);
    if (end == StageEnd::kGateStop) outcome.exit_code = static_cast<int>(ErrorCode::kGateStop);
    outcome.text =
        SummarySentences(summary) + "\nReport: " + (directory_.path() / "report.html").string();
    return outcome;
  }

  const RunOptions& options_;
  RunContext& x_;
  RunDirectory& directory_;
  Progress progress_;
  double start_;
  RunPosition p_;
  TrainSnapshot anchor_;
  std::optional<TrainSnapshot> best_;
};

}  // namespace

Result<RunOutcome> RunPipeline(const RunOptions& options, const Compute& compute) {
  PAWL_ASSIGN(const RunConfig config, LoadConfig(options.config, options.sets));
  const std::string resolved = WriteConfig(config);
  RunContext context;
  context.signal = options.signal;
  if (options.dry_run) {
    const fs::path scratch =
        fs::temp_directory_path() / ("pawl-dry-run-" + Sha256Hex(resolved).substr(0, 16));
    const Status opened = OpenContext(config, scratch, compute, context);
    std::error_code ignored;
    fs::remove_all(scratch, ignored);
    if (!opened) return tl::unexpected<Error>(opened.error());
    return RunOutcome{{}, 0, DryRunText(context)};
  }
  PAWL_ASSIGN(RunDirectory directory,
              RunDirectory::Open(options.run_dir, options.config.stem().string(), options.resume));
  if (directory.HasCheckpoints()) PAWL_TRY(CheckUnchanged(directory, resolved));
  PAWL_TRY(OpenContext(config, directory.path(), compute, context));
  PAWL_TRY(WriteFileAtomic(directory.path() / "config.resolved.toml", resolved));
  PAWL_TRY(WriteFileAtomic(directory.path() / "environment.json",
                           WriteJsonPretty(EnvironmentJson(context))));
  return Run(options, context, directory).Execute();
}

}  // namespace pawl
