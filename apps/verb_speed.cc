// pawl speed: tokens per second and peak memory of each kind of work, beside the machine's own
// ceilings. Each row is measured in a child process, so that its peak memory is its own.
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <sstream>

#include "apps/lines.h"
#include "apps/policy.h"
#include "apps/verbs.h"
#include "base/version.h"
#include "speed/speed.h"

extern char** environ;

namespace pawl {
namespace {

struct Flags {
  PolicyFlags policy;
  std::string synthetic, batch = "1,8,16", prompt_tokens = "128", work;
  std::string row;  // hidden: one row as JSON, for the child
  int new_tokens = 64, group = 8, repeats = 5;
  bool json = false, gradient_checkpointing = false, profile = false;
};

Result<std::vector<std::size_t>> Numbers(const char* flag, const std::string& text) {
  std::vector<std::size_t> numbers;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    char* end = nullptr;
    const long value = std::strtol(part.c_str(), &end, 10);
    if (part.empty() || *end != '\0' || value < 1 || value > 1000000) {
      return Usage(
          fmt::format("{}: got \"{}\", expected whole numbers from 1, as in 1,8,16", flag, text));
    }
    numbers.push_back(static_cast<std::size_t>(value));
  }
  if (numbers.empty()) return Usage(fmt::format("{}: is empty", flag));
  return numbers;
}

constexpr std::array kWorks = {SpeedWork::kLoad,  SpeedWork::kPrefill,   SpeedWork::kDecode,
                               SpeedWork::kTrain, SpeedWork::kFullTrain, SpeedWork::kGrpoStep};

Result<SpeedWork> ParseWork(const std::string& name) {
  for (const SpeedWork work : kWorks) {
    if (name == SpeedWorkName(work)) return work;
  }
  return Usage(fmt::format(
      "--work: unknown \"{}\", known: load, prefill, decode, train, full_train, grpo_step", name));
}

Result<std::vector<SpeedWork>> Works(const Flags& flags) {
  std::string list = flags.work;
  if (list.empty())
    list = flags.synthetic.empty() ? "load,prefill,decode,train,grpo_step"
                                   : "prefill,decode,train,grpo_step";
  std::vector<SpeedWork> works;
  std::istringstream stream(list);
  for (std::string part; std::getline(stream, part, ',');) {
    PAWL_ASSIGN(const SpeedWork work, ParseWork(part));
    works.push_back(work);
  }
  return works;
}

Result<std::vector<SpeedRequest>> Plan(const Flags& flags) {
  PAWL_ASSIGN(const auto works, Works(flags));
  PAWL_ASSIGN(const auto batches, Numbers("--batch", flags.batch));
  PAWL_ASSIGN(const auto prompts, Numbers("--prompt-tokens", flags.prompt_tokens));
  const auto fresh = static_cast<std::size_t>(flags.new_tokens);
  std::vector<SpeedRequest> plan;
  for (const SpeedWork work : works) {
    if (work == SpeedWork::kLoad) {
      plan.push_back({work, {0, 0, 0}, flags.repeats, 16});
      continue;
    }
    for (const std::size_t prompt : prompts) {
      if (work == SpeedWork::kPrefill) {
        plan.push_back({work, {1, prompt, 0}, flags.repeats, 16});
      } else if (work == SpeedWork::kDecode) {
        for (const std::size_t batch : batches) {
          plan.push_back({work, {batch, prompt, fresh}, flags.repeats, 16});
        }
      } else {
        plan.push_back(
            {work, {static_cast<std::size_t>(flags.group), prompt, fresh}, flags.repeats, 16});
      }
    }
  }
  return plan;
}

Result<Model> OpenModel(const Flags& flags, SpeedWork work, ThreadPool& pool,
                        std::size_t positions) {
  std::string precision_name = flags.policy.precision;
  if (work == SpeedWork::kFullTrain) precision_name = "f32";
  Precision precision = Precision::kStored;
  if (!precision_name.empty()) {
    PAWL_ASSIGN(precision, ParsePrecision(precision_name));
  }
  if (!flags.synthetic.empty()) {
    PAWL_ASSIGN(const ModelConfig config, SyntheticConfig(flags.synthetic));
    if (precision == Precision::kStored) precision = Precision::kBf16;
    return MakeRandomModel(config, precision, 1, pool, positions);
  }
  PAWL_ASSIGN(const LocatedModel located, LocateModel(flags.policy.model, StarterFolder()));
  return LoadModel(located.folder, precision, pool, positions);
}

double Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The child: measures one row and prints {"seconds","peak_rss_bytes","bytes_per_weight","profile"}.
Status MeasureRow(const Flags& flags) {
  PAWL_ASSIGN(const Json row, ParseJson(flags.row, "--row"));
  SpeedRequest request;
  PAWL_ASSIGN(request.work, ParseWork(row.at("work").get<std::string>()));
  request.shape = {row.at("batch").get<std::size_t>(), row.at("prompt_tokens").get<std::size_t>(),
                   row.at("new_tokens").get<std::size_t>()};
  request.repeats = row.at("repeats").get<int>();
  request.saving = flags.gradient_checkpointing ? Saving::kRecompute : Saving::kAll;
  request.profile = flags.profile;
  PAWL_ASSIGN(const Machine machine, OpenMachine(flags.policy));
  const std::size_t positions = request.shape.prompt_tokens + request.shape.new_tokens + 2;
  std::vector<double> loads;
  const int load_runs = request.work == SpeedWork::kLoad ? request.repeats : 1;
  std::optional<Model> model;
  for (int run = 0; run < load_runs; ++run) {
    model.reset();
    const double start = Now();
    PAWL_ASSIGN(model, OpenModel(flags, request.work, *machine.pool, positions));
    loads.push_back(Now() - start);
  }
  SpeedResult result;
  if (request.work == SpeedWork::kLoad) {
    std::sort(loads.begin(), loads.end());
    result = {loads[loads.size() / 2], PeakRssBytes(), {}};
  } else {
    if (model->max_positions + 1 < positions) {
      return Usage(fmt::format("speed: {} prompt and new tokens exceed the model's context of {}",
                               positions - 2, model->max_positions));
    }
    PAWL_ASSIGN(result, MeasureSpeed(request, *model, *machine.compute));
  }
  const WeightType type = model->weights.embed.type();
  const int width = type == WeightType::kF32 ? 4 : type == WeightType::kBf16 ? 2 : 1;
  Json profile = Json::array();
  for (const ProfileRow& one : result.profile) {
    profile.push_back(Json::array({one.part, one.kind, one.seconds, one.times}));
  }
  return PrintLine(WriteJson(Json{{"seconds", result.seconds},
                                  {"peak_rss_bytes", result.peak_rss_bytes},
                                  {"bytes_per_weight", width},
                                  {"profile", profile}}));
}

// Runs this program again with `arguments`, its standard output returned.
Result<std::string> RunChild(std::vector<std::string> arguments) {
  int ends[2];
  if (pipe(ends) != 0) return Fail(ErrorCode::kResources, "speed: no pipe could be made");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  const int failed = posix_spawn(&child, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string output;
  char buffer[4096];
  for (ssize_t got = 0; !failed && (got = read(ends[0], buffer, sizeof buffer)) > 0;) {
    output.append(buffer, static_cast<std::size_t>(got));
  }
  close(ends[0]);
  if (failed) return Fail(ErrorCode::kResources, "speed: the measuring process could not start");
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) {
    return Fail(ErrorCode::kResources,
                fmt::format("speed: the measuring process was ended by signal {}; memory may have "
                            "run out",
                            WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) != 0) {
    return Fail(static_cast<ErrorCode>(WEXITSTATUS(status)), "speed: a measurement failed");
  }
  return output;
}

Result<Json> Measured(const Flags& flags, const SpeedRequest& request) {
  const Json row{{"work", SpeedWorkName(request.work)},
                 {"batch", request.shape.batch},
                 {"prompt_tokens", request.shape.prompt_tokens},
                 {"new_tokens", request.shape.new_tokens},
                 {"repeats", request.repeats}};
  std::vector<std::string> arguments{"pawl", "speed", "--row", WriteJson(row)};
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) arguments.insert(arguments.end(), {flag, value});
  };
  add("--model", flags.policy.model);
  add("--synthetic", flags.synthetic);
  add("--precision", flags.policy.precision);
  add("--isa", flags.policy.isa);
  if (flags.gradient_checkpointing) arguments.emplace_back("--gradient-checkpointing");
  if (flags.profile) arguments.emplace_back("--profile");
  if (flags.policy.threads > 0) add("--threads", std::to_string(flags.policy.threads));
  PAWL_ASSIGN(const std::string output, RunChild(std::move(arguments)));
  return ParseJson(output, "measuring process");
}

std::string TableLine(const Json& row) {
  const auto number = [&](const char* key, const char* format) {
    return row.at(key).is_null() ? std::string("-")
                                 : fmt::format(fmt::runtime(format), row.at(key).get<double>());
  };
  return fmt::format(
      "{:<10} {:>6} {:>7} {:>6} {:>10} {:>11} {:>11} {:>7} {:>9.2f}\n",
      row.at("work").get<std::string>(), row.at("batch").get<std::size_t>(),
      row.at("prompt_tokens").get<std::size_t>(), row.at("new_tokens").get<std::size_t>(),
      number("seconds", "{:.4f}"), number("tokens_per_second", "{:.1f}"),
      number("ceiling_tokens_per_second", "{:.1f}"), number("share_of_ceiling", "{:.2f}"),
      row.at("peak_rss_bytes").get<double>() / 1e9);
}

// Where the time went; what is below a thousandth is one line.
std::string ProfileTable(const std::vector<ProfileRow>& rows) {
  double total = 0, small = 0;
  for (const ProfileRow& row : rows) total += row.seconds;
  std::string text;
  const auto line = [&](const std::string& part, const std::string& kind, double seconds,
                        const std::string& times) {
    text += fmt::format("    {:<26} {:<16} {:>10.1f} ms {:>6.1f} %  {}\n", part, kind,
                        1e3 * seconds, 100 * seconds / total, times);
  };
  for (const ProfileRow& row : rows) {
    if (row.seconds < 1e-3 * total) {
      small += row.seconds;
    } else {
      line(row.part, row.kind, row.seconds, row.times > 0 ? fmt::format("{} x", row.times) : "");
    }
  }
  if (small > 0) line("all below 0.1 %", "", small, "");
  return text;
}

Status Run(const Flags& flags) {
  if (!flags.row.empty()) return MeasureRow(flags);
  if (flags.policy.model.empty() == flags.synthetic.empty()) {
    return Usage("speed: give one of --model DIR and --synthetic qwen2.5-0.5b");
  }
  if (flags.new_tokens < 1 || flags.group < 1 || flags.repeats < 1) {
    return Usage("speed: --new-tokens, --group and --repeats must be at least 1");
  }
  PAWL_ASSIGN(const std::vector<SpeedRequest> plan, Plan(flags));
  PAWL_ASSIGN(const Machine machine, OpenMachine(flags.policy));
  ModelConfig config;
  if (flags.synthetic.empty()) {
    PAWL_ASSIGN(const LocatedModel located, LocateModel(flags.policy.model, StarterFolder()));
    PAWL_ASSIGN(config, LoadModelConfig(located.folder));
  } else {
    PAWL_ASSIGN(config, SyntheticConfig(flags.synthetic));
  }
  const MachinePeaks peaks = MeasureMachine(machine.compute->pool, machine.compute->isa);
  std::fputs(
      fmt::format("{}: {} threads, {}; read {:.1f} GB/s, FMA {:.0f} GFLOP/s, int8 {:.0f} "
                  "GOP/s\n",
                  peaks.cpu, machine.pool->size(), IsaName(machine.compute->isa),
                  peaks.read_gb_per_second, peaks.fma_gflop_per_second, peaks.int8_gop_per_second)
          .c_str(),
      stderr);
  std::fputs(
      fmt::format("{:<10} {:>6} {:>7} {:>6} {:>10} {:>11} {:>11} {:>7} {:>9}\n", "work", "batch",
                  "prompt", "new", "seconds", "tokens/s", "ceiling", "share", "peak GB")
          .c_str(),
      flags.json ? stderr : stdout);
  Json rows = Json::array();
  std::string precision;
  for (SpeedRequest request : plan) {
    PAWL_ASSIGN(const Json measured, Measured(flags, request));
    SpeedResult result{
        measured.at("seconds").get<double>(), measured.at("peak_rss_bytes").get<std::size_t>(), {}};
    for (const Json& one : measured.at("profile")) {
      result.profile.push_back({one[0].get<std::string>(), one[1].get<std::string>(),
                                one[2].get<double>(), one[3].get<long long>()});
    }
    request.profile = flags.profile;
    const auto width = measured.at("bytes_per_weight").get<std::size_t>();
    if (precision.empty() || request.work != SpeedWork::kFullTrain) {
      precision = width == 1 ? "int8" : width == 2 ? "bf16" : "f32";
    }
    rows.push_back(SpeedRowJson(request, result, config, width, peaks));
    std::fputs(TableLine(rows.back()).c_str(), flags.json ? stderr : stdout);
    std::fputs(ProfileTable(result.profile).c_str(), flags.json ? stderr : stdout);
  }
  if (!flags.json) return {};
  Json document;
  document["format_version"] = 1;
  document["machine"] = {
      {"cpu", peaks.cpu},
      {"isa", IsaName(machine.compute->isa)},
      {"threads", machine.pool->size()},
      {"read_gb_per_second", peaks.read_gb_per_second},
      {"fma_gflop_per_second", peaks.fma_gflop_per_second},
      {"int8_gop_per_second",
       peaks.int8_gop_per_second > 0 ? Json(peaks.int8_gop_per_second) : Json()}};
  document["model"] = {{"name", flags.synthetic.empty() ? flags.policy.model : flags.synthetic},
                       {"parameters", ParameterCount(config)},
                       {"precision", precision}};
  document["commit"] = CommitText();
  document["results"] = rows;
  return PrintLine(WriteJson(document));
}

}  // namespace

void AddSpeed(CLI::App& app, VerbResult& result) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      AddVerb(app, "speed", "tokens per second and memory beside the machine's ceilings",
              "pawl speed --synthetic qwen2.5-0.5b --batch 1,8,16 --new-tokens 256");
  verb->add_option("--model", flags->policy.model, "model folder, or starter");
  verb->add_option("--synthetic", flags->synthetic,
                   "random weights of a known shape: qwen2.5-0.5b");
  verb->add_option("--precision", flags->policy.precision,
                   "f32, bf16 or int8 (default: as stored)");
  AddThreadFlags(*verb, flags->policy);
  verb->add_option("--batch", flags->batch, "batch sizes of decode (1,8,16)");
  verb->add_option("--prompt-tokens", flags->prompt_tokens, "prompt lengths (128)");
  verb->add_option("--new-tokens", flags->new_tokens, "new tokens a sequence (64)");
  verb->add_option("--group", flags->group, "completions of a prompt in train and grpo_step (8)");
  verb->add_option("--work", flags->work,
                   "what to measure: load,prefill,decode,train,full_train,grpo_step");
  verb->add_flag("--gradient-checkpointing", flags->gradient_checkpointing,
                 "train and grpo_step: keep layer inputs only and compute the rest again");
  verb->add_option("--repeats", flags->repeats, "runs; the median counts (5)");
  verb->add_flag("--profile", flags->profile, "where the time of each row goes, by part and kind");
  verb->add_option("--row", flags->row)->group("");
  verb->add_flag("--json", flags->json, "one JSON document on standard output");
  verb->callback([flags, &result] { result.status = Run(*flags); });
}

}  // namespace pawl
