#include <algorithm>
#include <cmath>
#include <map>

#include "train/trainer_impl.h"

namespace pawl {
namespace {

Saving SavingOf(const StageSettings& settings) {
  return settings.gradient_checkpointing ? Saving::kRecompute : Saving::kAll;
}

double Mean(std::span<const double> values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

// TRL logs the mean over micro-batches of each metric, leaving out those where it is undefined.
class MetricMeans {
 public:
  void Add(const NamedNumbers& numbers) {
    for (const auto& [name, value] : numbers) {
      if (std::isnan(value)) continue;
      auto& [sum, count] = sums_[name];
      sum += value;
      count += 1;
    }
  }
  void WriteTo(Json& metrics) const {
    for (const auto& [name, entry] : sums_) metrics[name] = entry.first / entry.second;
  }

 private:
  std::map<std::string, std::pair<double, double>> sums_;
};

// entropy, and max_logp_difference: sampler and trainer are one policy, so it must be 0.
void CompareWithSampler(std::span<const Sample> samples, std::span<const std::size_t> kept,
                        Json& metrics) {
  double worst = 0, entropy = 0, tokens = 0;
  for (const Sample& sample : samples) {
    if (!std::binary_search(kept.begin(), kept.end(), sample.task)) continue;
    for (std::size_t k = 0; k < sample.completion.ids.size(); ++k) {
      worst = std::max(worst, std::fabs(static_cast<double>(sample.trained_log_probs[k]) -
                                        static_cast<double>(sample.completion.log_probs[k])));
      entropy += static_cast<double>(sample.entropies[k]);
      tokens += 1;
    }
  }
  metrics["entropy"] = tokens > 0 ? entropy / tokens : 0;
  metrics["max_logp_difference"] = worst;
}

}  // namespace

std::vector<GroupTask> Trainer::Impl::Groups(std::span<const PromptTask> tasks,
                                             std::vector<Sample>& samples,
                                             std::span<const std::size_t> kept, bool training) {
  const auto size = static_cast<std::size_t>(settings.num_generations);
  std::vector<GroupTask> groups;
  for (const std::size_t t : kept) {
    GroupTask group{tasks[t].prompt, {}};
    for (std::size_t g = 0; g < size; ++g) {
      Sample& sample = samples[t * size + g];
      const std::size_t n = sample.completion.ids.size();
      sample.trained_log_probs.resize(n);
      sample.entropies.resize(n);
      group.completions.push_back(
          {sample.completion.ids,
           training ? std::span<const float>(sample.dloss_dlogp) : std::span<const float>(),
           sample.trained_log_probs, sample.entropies});
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

// Log-probabilities of the kept samples under `policy`, without gradients.
bool Trainer::Impl::Score(const Policy& policy, std::span<const PromptTask> tasks,
                          std::vector<Sample>& samples, std::span<const std::size_t> kept,
                          std::vector<float> Sample::*into) {
  const auto groups = Groups(tasks, samples, kept, false);
  if (!AccumulateGradients(policy, compute, groups, accumulate, *buffers, {})) return false;
  const auto size = static_cast<std::size_t>(settings.num_generations);
  for (const std::size_t t : kept) {
    for (std::size_t g = 0; g < size; ++g) {
      Sample& sample = samples[t * size + g];
      sample.*into = sample.trained_log_probs;
    }
  }
  return true;
}

// The loss of one micro-batch; sets d loss / d log p of its samples.
LossOutput Trainer::Impl::LossOf(std::span<Sample*> batch, const LossScale& scale) {
  std::vector<LossRow> rows;
  for (const Sample* sample : batch) {
    rows.push_back({sample->log_probs, sample->completion.log_probs, sample->reference,
                    sample->advantage, sample->masked});
  }
  LossOutput loss = GrpoLoss(settings.loss, rows, scale);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    batch[i]->dloss_dlogp.assign(loss.dloss_dlogp[i].begin(), loss.dloss_dlogp[i].end());
  }
  return loss;
}

Status Trainer::Impl::Iteration(std::span<const PromptTask> tasks, std::vector<Sample>& samples,
                                std::span<const std::size_t> kept, int step, const StepHooks& hooks,
                                StepOutcome& outcome) {
  const auto size = static_cast<std::size_t>(settings.num_generations);
  const auto batch_tasks = static_cast<std::size_t>(settings.per_device_train_batch_size);
  const std::size_t micro_batches = (tasks.size() + batch_tasks - 1) / batch_tasks;
  LossScale scale;
  scale.gradient_accumulation_steps = static_cast<double>(micro_batches);
  scale.steps_per_generation = static_cast<double>(micro_batches);
  scale.max_completion_length = settings.max_completion_length;
  for (const Sample& sample : samples) {
    if (!sample.masked)
      scale.num_items_in_batch += static_cast<double>(sample.completion.ids.size());
  }
  double total = 0;
  MetricMeans means;
  for (std::size_t begin = 0; begin < tasks.size(); begin += batch_tasks) {
    const std::size_t end = std::min(tasks.size(), begin + batch_tasks);
    std::vector<Sample*> batch;
    for (std::size_t i = begin * size; i < end * size; ++i) batch.push_back(&samples[i]);
    const LossOutput loss = LossOf(batch, scale);
    total += loss.loss;
    means.Add(LossMetrics(settings.loss, loss));
    std::vector<std::size_t> mine;
    for (const std::size_t t : kept) {
      if (t >= begin && t < end) mine.push_back(t);
    }
    const auto groups = Groups(tasks, samples, mine, true);
    if (groups.empty()) continue;
    if (!AccumulateGradients(state.policy(), compute, groups, accumulate, *buffers,
                             updater.gradients())) {
      outcome.cancelled = true;
      updater.Clear();
      return {};
    }
  }
  outcome.metrics["loss"] = total;
  means.WriteTo(outcome.metrics);
  if (step % settings.num_iterations == 0) CompareWithSampler(samples, kept, outcome.metrics);
  return Update(step, hooks, outcome);
}

// The optimizer step on the gradients gathered, unless the loss is not finite or a tripwire trips.
Status Trainer::Impl::Update(int step, const StepHooks& hooks, StepOutcome& outcome) {
  const double norm = updater.Norm();
  outcome.metrics["grad_norm"] = norm;
  outcome.healthy = std::isfinite(outcome.metrics["loss"].get<double>()) && std::isfinite(norm);
  if (outcome.healthy && hooks.tripwire) outcome.tripped = hooks.tripwire(outcome.metrics);
  if (!outcome.healthy || !outcome.tripped.empty()) {
    updater.Clear();
    return {};
  }
  PAWL_ASSIGN(const Updater::Outcome update, updater.Apply(step, norm));
  outcome.learning_rate = update.learning_rate;
  outcome.metrics["learning_rate"] = update.learning_rate;
  outcome.healthy = outcome.applied = update.healthy;
  return {};
}

// The step's completions and advantages.  With refills, `tasks` gets the prompts that took the
// place of groups without signal; what they replaced stays in metrics and rollouts.
Result<std::vector<Sample>> Trainer::Impl::Gather(std::vector<PromptTask>& tasks,
                                                  const Grader& grader, const StepHooks& hooks,
                                                  StepOutcome& outcome) {
  const std::size_t wanted = tasks.size();
  std::vector<Sample> samples;
  std::vector<PromptTask> next = tasks;
  tasks.clear();
  for (int round = 0; !next.empty(); ++round) {
    const std::size_t offset = tasks.size();
    const Grader numbered = [&](std::size_t task, const Completion& completion) {
      return grader(offset + task, completion);
    };
    PAWL_ASSIGN(RolloutBatch batch, RollOut(state, settings, seed, compute, next, numbered, hooks));
    outcome.new_tokens += batch.new_tokens;
    outcome.cancelled = batch.stopped;
    if (batch.stopped) return samples;
    for (Sample& sample : batch.samples) {
      sample.task += offset;
      samples.push_back(std::move(sample));
    }
    tasks.insert(tasks.end(), next.begin(), next.end());
    next.clear();
    Advantage(samples, outcome);
    const std::size_t missing =
        wanted - std::min(wanted, TasksWithSignal(samples, tasks.size()).size());
    if (round < settings.max_refills && missing > 0 && hooks.refill) {
      PAWL_ASSIGN(next, hooks.refill(missing));
    }
  }
  return samples;
}

void Trainer::Impl::Advantage(std::span<Sample> samples, StepOutcome& outcome) {
  for (const auto& [name, value] : AssignAdvantages(settings, rewards, samples)) {
    outcome.metrics[name] = value;
  }
}

// Metrics and lines of everything that was generated.
void Trainer::Impl::Describe(std::span<const PromptTask> tasks, std::span<const Sample> samples,
                             int step, StepOutcome& outcome) {
  const auto size = static_cast<std::size_t>(settings.num_generations);
  double answered = 0, looped = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Sample& sample = samples[i];
    outcome.rollouts.push_back(RolloutJson(tasks[sample.task], i % size, sample, step));
    if (i % size == 0) outcome.pass_rates.push_back(0);
    outcome.pass_rates.back() += (sample.graded.correct ? 1.0 : 0.0) / static_cast<double>(size);
    answered += sample.graded.answered ? 1 : 0;
    looped += EndsInLoop(sample.completion.ids) ? 1 : 0;
  }
  outcome.mean_reward = outcome.metrics["reward"].get<double>();
  outcome.accuracy = Mean(outcome.pass_rates);
  outcome.metrics["accuracy"] = outcome.accuracy;
  outcome.metrics["completions/answered_ratio"] = answered / static_cast<double>(samples.size());
  outcome.metrics["completions/repetition_ratio"] = looped / static_cast<double>(samples.size());
  outcome.metrics["num_tokens"] = outcome.new_tokens;
}

// With a KL term every group has a gradient, whatever its rewards.
std::vector<std::size_t> Trainer::Impl::TrainedTasks(std::span<const Sample> samples,
                                                     std::size_t tasks) const {
  if (settings.loss.beta == 0) return TasksWithSignal(samples, tasks);
  std::vector<std::size_t> kept;
  const auto size = static_cast<std::size_t>(settings.num_generations);
  for (std::size_t t = 0; t < tasks; ++t) {
    const auto group = samples.subspan(t * size, size);
    if (std::any_of(group.begin(), group.end(), [](const Sample& s) { return !s.masked; })) {
      kept.push_back(t);
    }
  }
  return kept;
}

Trainer::Impl::Impl(TrainState& s, const StageSettings& given, int total_steps, RewardNames names,
                    std::uint64_t run_seed, const Compute& c)
    : state(s),
      settings(given),
      rewards(std::move(names)),
      seed(run_seed),
      compute(c),
      updater(s, settings.optimizer, total_steps * std::max(1, settings.num_iterations), c),
      buffers(MakeTrainBuffers(s.model, SavingOf(given))) {
  accumulate.slice_rows = SliceRows(s.policy(), SavingOf(given));
  accumulate.inverse_temperature =
      given.method == TrainMethod::kGrpo ? static_cast<float>(1.0 / given.temperature) : 1.0f;
}

Trainer::Trainer(TrainState& state, const StageSettings& settings, int total_steps,
                 RewardNames rewards, std::uint64_t seed, const Compute& compute)
    : impl_(std::make_unique<Impl>(state, settings, total_steps, std::move(rewards), seed,
                                   compute)) {}
Trainer::~Trainer() = default;

void Trainer::PullTowards(const std::vector<std::vector<float>>* start) {
  impl_->updater.PullTowards(start);
}

Result<StepOutcome> Trainer::GrpoStep(std::span<const PromptTask> given, int step,
                                      const Grader& grader, const Policy* reference,
                                      const StepHooks& hooks) {
  Impl& impl = *impl_;
  StepOutcome outcome;
  const double start = Now();
  std::vector<PromptTask> tasks(given.begin(), given.end());
  PAWL_ASSIGN(std::vector<Sample> samples, impl.Gather(tasks, grader, hooks, outcome));
  outcome.rollout_seconds = Now() - start;
  if (outcome.cancelled) return outcome;
  impl.Describe(tasks, samples, step, outcome);
  if (impl.settings.max_refills > 0) {
    outcome.metrics["groups_refilled"] = tasks.size() - given.size();
  }
  CutTo(given.size(), static_cast<std::size_t>(impl.settings.num_generations), tasks, samples);
  PAWL_TRY(impl.Train(tasks, samples, step, reference, hooks, outcome));
  return outcome;
}

Result<StepOutcome> Trainer::GrpoStepOn(std::span<const PromptTask> tasks,
                                        std::vector<std::vector<Completion>> completions, int step,
                                        const Grader& grader, const Policy* reference) {
  Impl& impl = *impl_;
  PAWL_CHECK(completions.size() == tasks.size());
  StepOutcome outcome;
  std::vector<std::size_t> unscored;
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    PAWL_CHECK(completions[t].size() == static_cast<std::size_t>(impl.settings.num_generations));
    if (completions[t][0].log_probs.empty()) unscored.push_back(t);
    for (const Completion& completion : completions[t]) outcome.new_tokens += completion.ids.size();
  }
  std::vector<Sample> samples = GradeAll(impl.settings, grader, std::move(completions));
  impl.Advantage(samples, outcome);
  impl.Score(impl.state.policy(), tasks, samples, unscored, &Sample::log_probs);
  for (Sample& sample : samples) {
    if (sample.completion.log_probs.empty()) sample.completion.log_probs = sample.log_probs;
  }
  impl.Describe(tasks, samples, step, outcome);
  PAWL_TRY(impl.Train(tasks, samples, step, reference, {}, outcome));
  return outcome;
}

Status Trainer::Impl::Train(std::span<const PromptTask> tasks, std::vector<Sample>& samples,
                            int step, const Policy* reference, const StepHooks& hooks,
                            StepOutcome& outcome) {
  const auto kept = TrainedTasks(samples, tasks.size());
  outcome.metrics["groups_skipped"] = tasks.size() - kept.size();
  const double train_start = Now();
  accumulate.cancelled = hooks.cancelled;
  if (kept.empty()) {
    if (hooks.tripwire) outcome.tripped = hooks.tripwire(outcome.metrics);
    return {};
  }
  for (Sample& sample : samples) sample.log_probs = sample.completion.log_probs;
  if (settings.loss.beta > 0) {
    PAWL_CHECK(reference != nullptr);
    std::vector<std::size_t> all(tasks.size());
    for (std::size_t t = 0; t < all.size(); ++t) all[t] = t;
    if (!Score(*reference, tasks, samples, all, &Sample::reference)) {
      outcome.cancelled = true;
      return {};
    }
  }
  const int iterations = settings.num_iterations;
  for (int i = 0; i < iterations && outcome.healthy && outcome.tripped.empty(); ++i) {
    // After the first update the step is finished, so that a cancelled one has changed nothing.
    if (i > 0) accumulate.cancelled = {};
    // The sampler's log-probabilities are the trainer's until the first update.
    if (i > 0) Score(state.policy(), tasks, samples, kept, &Sample::log_probs);
    PAWL_TRY(Iteration(tasks, samples, kept, step * iterations + i, hooks, outcome));
    if (outcome.cancelled) return {};
  }
  for (const std::size_t t : kept) outcome.trained_tokens += tasks[t].prompt.size();
  for (const Sample& sample : samples) {
    if (std::binary_search(kept.begin(), kept.end(), sample.task)) {
      outcome.trained_tokens += sample.completion.ids.size();
    }
  }
  outcome.train_seconds = Now() - train_start;
  return {};
}

}  // namespace pawl
