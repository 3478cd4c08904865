#include "pipeline/pipeline.h"

#include <fmt/format.h>

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

RunOutcome FinishedOutcome(const fs::path& folder, const Json& summary) {
  RunOutcome outcome{folder, 0, ""};
  const std::string reason = summary.value("exit_reason", "");
  if (reason == "unhealthy") outcome.exit_code = static_cast<int>(ErrorCode::kUnhealthy);
  if (reason == "gate_stop") outcome.exit_code = static_cast<int>(ErrorCode::kGateStop);
  outcome.text = SummarySentences(summary) + "\nReport: " + (folder / "report.html").string();
  return outcome;
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
  for (std::size_t s = 0; s < x.config.stages.size(); ++s) {
    const StageConfig& stage = x.config.stages[s];
    text += fmt::format("stage      {:<16} {} {} steps of {}\n", stage.name, stage.method,
                        PlannedSteps(x, s),
                        stage.tokens_per_batch > 0
                            ? fmt::format("{} tokens", stage.tokens_per_batch)
                            : fmt::format("{} prompts", stage.per_device_train_batch_size *
                                                            stage.gradient_accumulation_steps));
  }
  text += fmt::format("validation {} problems; gate {} of {}; test {}\n", x.data.validation.size(),
                      x.config.gate.rule, GateProblems(x.config.gate), x.data.test.size());
  if (x.config.gate.rule != "none") text += "gate       " + GateReach(x.config.gate) + "\n";
  return text + "The configuration is valid; nothing was run.";
}

const char* EndReason(StageEnd end) {
  switch (end) {
    case StageEnd::kUnhealthy:
      return "unhealthy";
    case StageEnd::kGateStop:
      return "gate_stop";
    case StageEnd::kTimeUp:
      return "time_limit";
    default:
      return "";
  }
}

// One run from its start or its newest checkpoint to its end.
class Run {
 public:
  Run(const RunOptions& options, RunContext& context, RunDirectory& directory, RunState state,
      RunClock clock, Progress& progress)
      : options_(options),
        x_(context),
        directory_(directory),
        s_(std::move(state)),
        p_(s_.position),
        clock_(clock),
        progress_(progress) {}

  Result<RunOutcome> Execute() {
    if (p_.base.is_null()) {
      progress_.Line(
          fmt::format("measuring the base model on {} test problems", x_.data.test.size()));
      const double begun = SteadySeconds();
      PAWL_ASSIGN(const TestResult base, BenchmarkOnTest(x_, directory_.path(), "base"));
      if (base.cancelled) return Stop();
      p_.benchmark_seconds = SteadySeconds() - begun;
      p_.base = TestResultJson(base);
      PAWL_TRY(Save());
    }
    while (p_.stage < static_cast<int>(x_.config.stages.size()) && p_.ended.empty()) {
      StageRunner runner(x_, directory_, s_, clock_, progress_);
      PAWL_ASSIGN(const StageEnd end, runner.Run());
      if (end == StageEnd::kStopped) return Stopped();
      p_.ended = EndReason(end);
      NextStage();
      PAWL_TRY(Save());
    }
    return Finish();
  }

 private:
  Status Save() {
    PAWL_TRY(SaveRun(directory_, x_, s_, clock_));
    return x_.journal->Clear();
  }

  void NextStage() {
    s_.best.reset();
    s_.healthy.reset();
    s_.reference.reset();
    RunPosition next;
    next.stage = p_.stage + 1;
    next.benchmark_seconds = p_.benchmark_seconds;
    next.seconds_per_answer = p_.seconds_per_answer;
    next.ended = p_.ended;
    next.pass_rates = std::move(p_.pass_rates);
    next.kept = std::move(p_.kept);
    next.stages = std::move(p_.stages);
    next.base = std::move(p_.base);
    p_ = std::move(next);
  }

  Result<RunOutcome> Stop() {
    PAWL_TRY(SaveRun(directory_, x_, s_, clock_));
    return Stopped();
  }
  RunOutcome Stopped() {
    const int number = options_.signal();
    return {
        directory_.path(), 128 + number,
        fmt::format("Stopped by signal {}; everything is saved. Go on with --resume --run-dir {}",
                    number, directory_.path().string())};
  }

  // Stages that never began are listed too.
  Json AllStages() const {
    Json stages = p_.stages;
    for (auto s = stages.size(); s < x_.config.stages.size(); ++s) {
      const StageConfig& stage = x_.config.stages[s];
      stages.push_back(SkippedStage(stage));
    }
    return stages;
  }

  Result<RunOutcome> Finish() {
    RestoreSnapshot(s_.anchor, x_.state);
    progress_.Line("measuring the final model on the test problems");
    PAWL_ASSIGN(const TestResult after, BenchmarkOnTest(x_, directory_.path(), "final"));
    if (after.cancelled) return Stopped();
    PAWL_ASSIGN(const TestResult base, ParseTestResult(p_.base));
    PAWL_TRY(SaveModelFolder(x_, directory_.path() / "final_model",
                             "the last accepted model of its run"));
    const Json summary = SummaryJson(x_, base, after, AllStages(),
                                     p_.ended.empty() ? "finished" : p_.ended, clock_.Elapsed());
    PAWL_TRY(WriteFileAtomic(directory_.path() / "summary.json", WriteJsonPretty(summary)));
    PAWL_TRY(WriteReports(directory_.path()));
    return FinishedOutcome(directory_.path(), summary);
  }

  const RunOptions& options_;
  RunContext& x_;
  RunDirectory& directory_;
  RunState s_;
  RunPosition& p_;
  RunClock clock_;
  Progress& progress_;
};

// The state to begin with, or that of the newest checkpoint.
Result<RunState> OpenState(RunContext& x, RunDirectory& directory, Progress& progress) {
  std::vector<std::string> damaged;
  PAWL_ASSIGN(auto checkpoint, directory.LoadCheckpoint(damaged));
  for (const std::string& error : damaged) progress.Line("damaged checkpoint set aside: " + error);
  RunState state;
  state.base = TakeSnapshot(x.state);
  if (!checkpoint) {
    state.anchor = state.base;
    return state;
  }
  const std::string place = (directory.path() / "state").string();
  auto position = ParsePosition(checkpoint->position);
  if (!position) return Within(place, position.error());
  state.position = std::move(*position);
  if (state.position.stage > static_cast<int>(x.config.stages.size())) {
    return BadFile(fmt::format("{}: the checkpoint is in stage {}, the configuration has {}", place,
                               state.position.stage + 1, x.config.stages.size()));
  }
  PAWL_TRY(CheckFits(checkpoint->current, x.state, place));
  PAWL_TRY(CheckFits(checkpoint->anchor, x.state, place));
  for (const auto* snapshot : {&checkpoint->best, &checkpoint->healthy, &checkpoint->reference}) {
    if (*snapshot) PAWL_TRY(CheckFits(**snapshot, x.state, place));
  }
  for (const auto& [stage, indices] : state.position.kept.items()) {
    const auto train = x.data.train.find(stage);
    const auto kept = indices.get<std::vector<std::size_t>>();
    if (train == x.data.train.end() || std::any_of(kept.begin(), kept.end(), [&](std::size_t i) {
          return i >= train->second.size();
        })) {
      return BadFile(fmt::format("{}: kept: stage {} has no such problems", place, stage));
    }
    x.data.Keep(stage, kept);
  }
  RestoreSnapshot(checkpoint->current, x.state);
  state.anchor = std::move(checkpoint->anchor);
  state.best = std::move(checkpoint->best);
  state.reference = std::move(checkpoint->reference);
  state.healthy =
      checkpoint->healthy ? std::move(*checkpoint->healthy) : std::move(checkpoint->current);
  progress.Line(
      fmt::format("resuming at stage {}, step {}", state.position.stage + 1, state.position.step));
  return state;
}

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
  const fs::path summary_file = directory.path() / "summary.json";
  std::error_code ignored;
  if (options.resume && fs::exists(summary_file, ignored)) {
    PAWL_ASSIGN(const std::string text, ReadFile(summary_file));
    PAWL_ASSIGN(const Json summary, ParseJson(text, summary_file.string()));
    RunOutcome outcome = FinishedOutcome(directory.path(), summary);
    outcome.text = "This run has finished already.\n" + outcome.text;
    return outcome;
  }
  PAWL_TRY(OpenContext(config, directory.path(), compute, context));
  PAWL_TRY(WriteFileAtomic(directory.path() / "config.resolved.toml", resolved));
  PAWL_TRY(WriteFileAtomic(directory.path() / "environment.json",
                           WriteJsonPretty(EnvironmentJson(context))));
  PAWL_ASSIGN(auto journal,
              CompletionJournal::Open(directory.path() / "state" / "journal.jsonl",
                                      context.base_sha256 + " " + config.model.precision));
  context.journal = std::make_unique<CompletionJournal>(std::move(journal));
  Progress progress(!options.quiet);
  PAWL_ASSIGN(RunState state, OpenState(context, directory, progress));
  PAWL_ASSIGN(const RunClock clock, RunClock::Make(config.run, state.position.run_seconds));
  return Run(options, context, directory, std::move(state), clock, progress).Execute();
}

}  // namespace pawl
