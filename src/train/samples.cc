#include "train/samples.h"

#include <algorithm>

namespace pawl {

Result<RolloutBatch> RollOut(const TrainState& state, const StageSettings& settings,
                             std::uint64_t seed, const Compute& compute,
                             std::span<const PromptTask> tasks, const Grader& grader,
                             const StepHooks& hooks) {
  SamplingConfig sampling;
  sampling.temperature = settings.temperature;
  sampling.record_temperature = settings.temperature;
  sampling.max_new_tokens = settings.max_completion_length;
  sampling.seed = seed;
  sampling.stop_ids = state.model.stop_ids;
  std::vector<GenerationRequest> requests;
  for (const PromptTask& task : tasks) {
    requests.push_back({task.prompt, task.random_item, settings.num_generations, 0});
  }
  RolloutBatch batch;
  GenerationOptions options;
  options.max_batch = static_cast<std::size_t>(settings.rollout_batch);
  options.cancelled = [&] {
    return batch.stopped = batch.stopped || (hooks.cancelled && hooks.cancelled());
  };
  if (hooks.journal != nullptr) options.journal = {hooks.journal, state.Fingerprint()};
  GenerationStats stats;
  PAWL_ASSIGN(auto results, Generate(state.policy(), compute, requests, sampling, options, &stats));
  batch.new_tokens = stats.new_tokens + stats.recalled_tokens;
  if (batch.stopped) return batch;
  batch.samples = GradeAll(settings, grader, std::move(results));
  return batch;
}

std::vector<Sample> GradeAll(const StageSettings& settings, const Grader& grader,
                             std::vector<std::vector<Completion>> completions) {
  std::vector<Sample> samples;
  for (std::size_t t = 0; t < completions.size(); ++t) {
    for (Completion& completion : completions[t]) {
      Sample sample;
      sample.task = t;
      sample.graded = grader(t, completion);
      sample.completion = std::move(completion);
      sample.masked = settings.loss.mask_truncated_completions && sample.truncated();
      samples.push_back(std::move(sample));
    }
  }
  return samples;
}

NamedNumbers AssignAdvantages(const StageSettings& settings, const RewardNames& rewards,
                              std::span<Sample> samples) {
  AdvantageInput input;
  input.weights = rewards.weights;
  input.group_size = static_cast<std::size_t>(settings.num_generations);
  std::vector<CompletionLength> lengths;
  for (const Sample& sample : samples) {
    input.rewards.push_back(sample.graded.rewards);
    lengths.push_back({sample.completion.ids.size(), sample.truncated()});
  }
  const Advantages advantages =
      GroupAdvantages(input, settings.scale_rewards, settings.multi_objective_aggregation);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i].advantage = advantages.values[i];
  return GenerationMetrics(lengths, input, rewards.names, advantages);
}

bool EndsInLoop(std::span<const std::int32_t> ids) {
  constexpr std::size_t kLongestPeriod = 16, kTokens = 16, kTimes = 4;
  for (std::size_t period = 1; period <= kLongestPeriod; ++period) {
    const std::size_t length = std::max(kTokens, kTimes * period);
    if (length > ids.size()) continue;
    const auto tail = ids.last(length);
    if (std::equal(tail.begin() + static_cast<std::ptrdiff_t>(period), tail.end(), tail.begin())) {
      return true;
    }
  }
  return false;
}

std::vector<std::size_t> TasksWithSignal(std::span<const Sample> samples, std::size_t tasks) {
  std::vector<bool> signal(tasks, false);
  for (const Sample& sample : samples) {
    if (sample.advantage != 0 && !sample.masked) signal[sample.task] = true;
  }
  std::vector<std::size_t> kept;
  for (std::size_t t = 0; t < tasks; ++t) {
    if (signal[t]) kept.push_back(t);
  }
  return kept;
}

void CutTo(std::size_t wanted, std::size_t size, std::vector<PromptTask>& tasks,
           std::vector<Sample>& samples) {
  if (tasks.size() <= wanted) return;
  std::vector<std::size_t> chosen = TasksWithSignal(samples, tasks.size());
  for (std::size_t t = 0; t < tasks.size() && chosen.size() < wanted; ++t) {
    if (std::find(chosen.begin(), chosen.end(), t) == chosen.end()) chosen.push_back(t);
  }
  chosen.resize(wanted);
  std::sort(chosen.begin(), chosen.end());
  std::vector<PromptTask> tasks_left;
  std::vector<Sample> samples_left;
  for (const std::size_t t : chosen) {
    for (std::size_t g = 0; g < size; ++g) {
      samples_left.push_back(std::move(samples[t * size + g]));
      samples_left.back().task = tasks_left.size();
    }
    tasks_left.push_back(std::move(tasks[t]));
  }
  tasks = std::move(tasks_left);
  samples = std::move(samples_left);
}

Json RolloutJson(const PromptTask& task, std::size_t index, const Sample& sample, int step) {
  Json line;
  line["step"] = step;
  line["problem"] = task.id;
  line["sample"] = index;
  line["completion"] = sample.graded.text;
  line["tokens"] = sample.completion.ids.size();
  line["finish_reason"] = FinishReasonName(sample.completion.finish_reason);
  line["correct"] = sample.graded.correct;
  line["rewards"] = sample.graded.rewards;
  line["advantage"] = sample.advantage;
  return line;
}

}  // namespace pawl
