// Whole runs on a model small enough that one takes a fraction of a second.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "pipeline/config.h"
#include "pipeline/pipeline.h"

namespace pawl {

// A new model: sft, then grpo with a KL term and a reward that always differs.
inline constexpr const char* kTiny = R"(
[model]
path = "new"
[model.new]
hidden_size = 32
num_hidden_layers = 2
num_attention_heads = 2
num_key_value_heads = 1
intermediate_size = 64
max_position_embeddings = 160
vocab_size = 320
[lora]
enabled = false
[defaults]
per_device_train_batch_size = 2
gradient_accumulation_steps = 1
num_generations = 4
max_completion_length = 12
learning_rate = 1e-3
eval_steps = 2
save_steps = 2
[[stage]]
name = "first"
method = "sft"
level_mix = [1, 0, 0]
tokens_per_batch = 200
max_steps = 5
[[stage]]
name = "second"
level = 1
max_samples = 20
max_steps = 4
beta = 0.01
[[reward]]
name = "length"
max_tokens = 12
cache_tokens = 8
[gate]
rule = "threshold"
problems = 4
[benchmark]
limit = 6
samples = 2
validation = 4
[run]
seed = 3
)";

// An empty folder of the running test's own, in memory where that is possible: runs sync often.
inline std::filesystem::path TempFolder(const std::string& name) {
  const std::filesystem::path memory = "/dev/shm";
  std::error_code ignored;
  const auto parent = std::filesystem::is_directory(memory, ignored)
                          ? memory
                          : std::filesystem::temp_directory_path();
  const auto folder = parent / ("pawl-pipeline-" + name);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

inline void WriteText(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

inline std::string ReadText(const std::filesystem::path& file) {
  return ReadFile(file).value_or("cannot be read: " + file.string());
}

inline Json ReadJsonFile(const std::filesystem::path& file) {
  const auto json = ParseJson(ReadText(file), file.string());
  if (!json) ADD_FAILURE() << json.error().message;
  return json.value_or(Json::object());
}

struct TinyOptions {
  int threads = 1;
  bool resume = false;
  std::vector<std::string> sets = {};
  std::function<int()> signal = {};
  std::string text = kTiny;
};

inline Result<RunOutcome> RunTiny(const std::filesystem::path& folder,
                                  const TinyOptions& tiny = {}) {
  const std::filesystem::path config = folder.parent_path() / "tiny.toml";
  WriteText(config, tiny.text);
  ThreadPool pool(tiny.threads);
  const Compute compute(pool);
  RunOptions options;
  options.config = config;
  options.run_dir = folder;
  options.resume = tiny.resume;
  options.quiet = true;
  options.signal = tiny.signal;
  options.sets = tiny.sets;
  return RunPipeline(options, compute);
}

// Lines of metrics.jsonl without what depends on the clock.
inline std::string TimelessMetrics(const std::filesystem::path& file) {
  std::string out;
  const Status read =
      ForEachLine(ReadText(file), [&](std::string_view line, std::size_t) -> Status {
        PAWL_ASSIGN(Json json, ParseJson(line, file.string()));
        for (const char* key : {"seconds", "rollout_seconds", "train_seconds", "cpu_seconds",
                                "resident_bytes", "peak_rss_bytes", "run_seconds"})
          json.erase(key);
        out += WriteJson(json) + "\n";
        return {};
      });
  if (!read) ADD_FAILURE() << read.error().message;
  return out;
}

}  // namespace pawl
