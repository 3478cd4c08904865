#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "train/samples.h"
#include "train/update.h"

namespace pawl {
namespace {

double Now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// Activations of one slice of completions together stay near this size.
constexpr std::size_t kSliceBytes = std::size_t{384} << 20;

std::size_t SliceRows(const TrainState& state) {
  const std::size_t row =
      ActivationBytesPerRow(state.model.config, state.adapter ? &*state.adapter : nullptr);
  return std::clamp<std::size_t>(kSliceBytes / std::max<std::size_t>(row, 1), 128, 4096);
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

}  // namespace

struct Trainer::Impl {
  TrainState& state;
  StageSettings settings;
  RewardNames rewards;
  std::uint64_t seed;
  const Compute& compute;
  Updater updater;
  TrainBuffersPtr buffers;
  AccumulateOptions accumulate;

  Impl(TrainState& s, const StageSettings& given, int total_steps, RewardNames names,
       std::uint64_t run_seed, const Compute& c)
      : state(s),
        settings(given),
        rewards(std::move(names)),
        seed(run_seed),
        compute(c),
        updater(s, settings.optimizer, total_steps * std::max(1, settings.num_iterations), c),
        buffers(MakeTrainBuffers(s.model)) {
    accumulate.slice_rows = SliceRows(s);
    accumulate.inverse_temperature =
        given.method == TrainMethod::kGrpo ? static_cast<float>(1.0 / given.temperature) : 1.0f;
  }

  std::vector<GroupTask> Groups(std::span<const PromptTask> tasks, std::vector<Sample>& samples,
                                std::span<const std::size_t> kept, bool training);
  void Score(const Policy& policy, std::span<const PromptTask> tasks, std::vector<Sample>& samples,
             std::span<const std::size_t> kept, std::vector<float> Sample::*into);
  Status Iteration(std::span<const PromptTask> tasks, std::vector<Sample>& samples,
                   std::span<const std::size_t> kept, int step, StepOutcome& outcome);
  LossOutput LossOf(std::span<Sample*> batch, const LossScale& scale);
  // Everything behind the rollout.
  Status Train(std::span<const PromptTask> tasks, std::vector<Sample>& samples, int step,
               const Policy* reference, StepOutcome& outcome);
};

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
void Trainer::Impl::Score(const Policy& policy, std::span<const PromptTask> tasks,
                          std::vector<Sample>& samples, std::span<const std::size_t> kept,
                          std::vector<float> Sample::*into) {
  const auto groups = Groups(tasks, samples, kept, false);
  AccumulateGradients(policy, compute, groups, accumulate, *buffers, {});
  const auto size = static_cast<std::size_t>(settings.num_generations);
  for (const std::size_t t : kept) {
    for (std::size_t g = 0; g < size; ++g) {
      Sample& sample = samples[t * size + g];
      sample.*into = sample.trained_log_probs;
    }
  }
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
                                std::span<const std::size_t> kept, int step, StepOutcome& outcome) {
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
    AccumulateGradients(state.policy(), compute, groups, accumulate, *buffers, updater.gradients());
  }
  outcome.metrics["loss"] = total;
  means.WriteTo(outcome.metrics);
  if (!std::isfinite(total)) {
    outcome.healthy = false;
    updater.Clear();
    return {};
  }
  PAWL_ASSIGN(const Updater::Outcome update, updater.Apply(step));
  outcome.learning_rate = update.learning_rate;
  outcome.healthy = update.healthy;
  outcome.applied = update.healthy;
  outcome.metrics["grad_norm"] = update.grad_norm;
  outcome.metrics["learning_rate"] = update.learning_rate;
  return {};
}

Trainer::Trainer(TrainState& state, const StageSettings& settings, int total_steps,
                 RewardNames rewards, std::uint64_t seed, const Compute& compute)
    : impl_(std::make_unique<Impl>(state, settings, total_steps, std::move(rewards), seed,
                                   compute)) {}
Trainer::~Trainer() = default;

Result<StepOutcome> Trainer::GrpoStep(std::span<const PromptTask> tasks, int step,
                                      const Grader& grader, const Policy* reference,
                                      const std::function<bool()>& cancelled) {
  Impl& impl = *impl_;
  StepOutcome outcome;
  const double start = Now();
  PAWL_ASSIGN(RolloutBatch batch, RollOut(impl.state, impl.settings, impl.seed, impl.compute, tasks,
                                          grader, cancelled));
  outcome.cancelled = batch.stopped;
  outcome.rollout_seconds = Now() - start;
  outcome.new_tokens = batch.new_tokens;
  if (batch.stopped) return outcome;
  PAWL_TRY(impl.Train(tasks, batch.samples, step, reference, outcome));
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
  impl.Score(impl.state.policy(), tasks, samples, unscored, &Sample::log_probs);
  for (Sample& sample : samples) {
    if (sample.completion.log_probs.empty()) sample.completion.log_probs = sample.log_probs;
  }
  PAWL_TRY(impl.Train(tasks, samples, step, reference, outcome));
  return outcome;
}

Status Trainer::Impl::Train(std::span<const PromptTask> tasks, std::vector<Sample>& samples,
                            int step, const Policy* reference, StepOutcome& outcome) {
  for (const auto& [name, value] : AssignAdvantages(settings, rewards, samples)) {
    outcome.metrics[name] = value;
  }
  const auto size = static_cast<std::size_t>(settings.num_generations);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Sample& sample = samples[i];
    outcome.rollouts.push_back(RolloutJson(tasks[sample.task], i % size, sample, step));
    if (i % size == 0) outcome.pass_rates.push_back(0);
    outcome.pass_rates.back() += (sample.graded.correct ? 1.0 : 0.0) / static_cast<double>(size);
  }
  outcome.mean_reward = outcome.metrics["reward"].get<double>();
  outcome.accuracy = Mean(outcome.pass_rates);
  outcome.metrics["accuracy"] = outcome.accuracy;
  const auto kept = TasksWithSignal(settings, samples, tasks.size());
  outcome.metrics["groups_skipped"] = tasks.size() - kept.size();
  const double train_start = Now();
  if (!kept.empty()) {
    for (Sample& sample : samples) sample.log_probs = sample.completion.log_probs;
    if (settings.loss.beta > 0) {
      PAWL_CHECK(reference != nullptr);
      std::vector<std::size_t> all(tasks.size());
      for (std::size_t t = 0; t < all.size(); ++t) all[t] = t;
      Score(*reference, tasks, samples, all, &Sample::reference);
    }
    double worst = 0, entropy = 0, tokens = 0;
    for (int iteration = 0; iteration < settings.num_iterations && outcome.healthy; ++iteration) {
      // The sampler's log-probabilities are the trainer's until the first update.
      if (iteration > 0) Score(state.policy(), tasks, samples, kept, &Sample::log_probs);
      PAWL_TRY(
          Iteration(tasks, samples, kept, step * settings.num_iterations + iteration, outcome));
      if (iteration > 0) continue;
      for (const Sample& sample : samples) {
        if (!std::binary_search(kept.begin(), kept.end(), sample.task)) continue;
        for (std::size_t k = 0; k < sample.completion.ids.size(); ++k) {
          worst = std::max(worst, std::fabs(static_cast<double>(sample.trained_log_probs[k]) -
                                            static_cast<double>(sample.completion.log_probs[k])));
          entropy += static_cast<double>(sample.entropies[k]);
          tokens += 1;
        }
      }
    }
    outcome.trained_tokens = static_cast<std::size_t>(tokens);
    for (const std::size_t t : kept) outcome.trained_tokens += tasks[t].prompt.size();
    outcome.metrics["entropy"] = tokens > 0 ? entropy / tokens : 0;
    outcome.metrics["max_logp_difference"] = worst;
  }
  outcome.train_seconds = Now() - train_start;
  outcome.metrics["num_tokens"] = outcome.new_tokens;
  return {};
}

Result<StepOutcome> Trainer::SftStep(std::span<const SftDocument> documents, int step) {
  Impl& impl = *impl_;
  StepOutcome outcome;
  const double start = Now();
  double total = 0;
  for (const SftDocument& document : documents) {
    for (const float weight : document.weights) total += static_cast<double>(weight);
  }
  if (total <= 0) return outcome;
  // A document is a group of one: what comes before the first target is its prompt.
  std::vector<std::vector<float>> coefficients(documents.size()), log_probs(documents.size());
  std::vector<GroupTask> groups;
  for (std::size_t d = 0; d < documents.size(); ++d) {
    const SftDocument& document = documents[d];
    PAWL_CHECK(document.ids.size() == document.weights.size());
    std::size_t first = 1;
    while (first < document.ids.size() && document.weights[first] == 0) ++first;
    if (first >= document.ids.size()) continue;
    for (std::size_t k = first; k < document.ids.size(); ++k) {
      coefficients[d].push_back(
          static_cast<float>(-static_cast<double>(document.weights[k]) / total));
    }
    log_probs[d].resize(coefficients[d].size());
    const std::span<const std::int32_t> ids(document.ids);
    groups.push_back({ids.first(first), {{ids.subspan(first), coefficients[d], log_probs[d], {}}}});
    outcome.trained_tokens += document.ids.size();
  }
  AccumulateGradients(impl.state.policy(), impl.compute, groups, impl.accumulate, *impl.buffers,
                      impl.updater.gradients());
  double loss = 0;
  for (std::size_t d = 0; d < documents.size(); ++d) {
    for (std::size_t k = 0; k < coefficients[d].size(); ++k) {
      loss += static_cast<double>(coefficients[d][k]) * static_cast<double>(log_probs[d][k]);
    }
  }
  outcome.metrics["loss"] = loss;
  if (!std::isfinite(loss)) {
    outcome.healthy = false;
    impl.updater.Clear();
    return outcome;
  }
  PAWL_ASSIGN(const Updater::Outcome update, impl.updater.Apply(step));
  outcome.applied = outcome.healthy = update.healthy;
  outcome.learning_rate = update.learning_rate;
  outcome.metrics["grad_norm"] = update.grad_norm;
  outcome.metrics["learning_rate"] = update.learning_rate;
  outcome.metrics["num_tokens"] = outcome.trained_tokens;
  outcome.train_seconds = Now() - start;
  return outcome;
}

}  // namespace pawl
