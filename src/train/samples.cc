#include "train/samples.h"

namespace pawl {

Result<RolloutBatch> RollOut(const TrainState& state, const StageSettings& settings,
                             std::uint64_t seed, const Compute& compute,
                             std::span<const PromptTask> tasks, const Grader& grader,
                             const std::function<bool()>& cancelled) {
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
  options.cancelled = [&] { return batch.stopped = batch.stopped || (cancelled && cancelled()); };
  GenerationStats stats;
  PAWL_ASSIGN(auto results, Generate(state.policy(), compute, requests, sampling, options, &stats));
  batch.new_tokens = stats.new_tokens;
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

std::vector<std::size_t> TasksWithSignal(const StageSettings& settings,
                                         std::span<const Sample> samples, std::size_t tasks) {
  std::vector<bool> signal(tasks, false);
  for (const Sample& sample : samples) {
    if ((sample.advantage != 0 || settings.loss.beta > 0) && !sample.masked) {
      signal[sample.task] = true;
    }
  }
  std::vector<std::size_t> kept;
  for (std::size_t t = 0; t < tasks; ++t) {
    if (signal[t]) kept.push_back(t);
  }
  return kept;
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
