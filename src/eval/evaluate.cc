#include "eval/evaluate.h"

#include <algorithm>

namespace pawl {

double Evaluation::Accuracy() const {
  double sum = 0;
  for (const ProblemRecord& problem : problems) {
    double right = 0;
    for (const AnswerRecord& answer : problem.samples) right += answer.correct ? 1 : 0;
    if (!problem.samples.empty()) sum += right / static_cast<double>(problem.samples.size());
  }
  return problems.empty() ? 0 : sum / static_cast<double>(problems.size());
}

std::size_t Evaluation::CorrectProblems() const {
  return static_cast<std::size_t>(
      std::count_if(problems.begin(), problems.end(), [](const ProblemRecord& problem) {
        return !problem.samples.empty() && problem.samples[0].correct;
      }));
}

double Evaluation::TruncatedFraction() const {
  double cut = 0, all = 0;
  for (const ProblemRecord& problem : problems) {
    for (const AnswerRecord& answer : problem.samples) {
      cut += answer.finish_reason == FinishReason::kLength ? 1 : 0;
      all += 1;
    }
  }
  return all > 0 ? cut / all : 0;
}

Outcomes Evaluation::OutcomesById() const {
  Outcomes outcomes;
  for (const ProblemRecord& problem : problems) {
    for (const AnswerRecord& answer : problem.samples) {
      outcomes[problem.id].push_back(answer.correct);
    }
  }
  return outcomes;
}

std::string CompletionText(const Tokenizer& tokenizer, std::span<const std::int32_t> ids,
                           std::span<const std::string> stop) {
  std::string text = tokenizer.Decode(ids, true);
  std::size_t end = text.size();
  for (const std::string& mark : stop) end = std::min(end, text.find(mark));
  text.resize(std::min(end, text.size()));
  return text;
}

namespace {

const Reward& StrictReward() {
  static const std::unique_ptr<Reward> reward = std::move(*MakeReward({"gsm8k-strict"}));
  return *reward;
}
const Reward& FlexibleReward() {
  static const std::unique_ptr<Reward> reward = std::move(*MakeReward({"gsm8k-flexible"}));
  return *reward;
}

AnswerRecord Judge(const Completion& completion, const Problem& problem, const Tokenizer& tokenizer,
                   const Reward& reward, std::span<const std::string> stop) {
  AnswerRecord record;
  record.completion = CompletionText(tokenizer, completion.ids, stop);
  const AnswerText text{record.completion, completion.finish_reason == FinishReason::kLength,
                        static_cast<int>(completion.ids.size())};
  const Graded graded = reward.Grade(text, problem);
  record.extracted = graded.extracted;
  record.correct = graded.correct;
  record.strict = StrictReward().Grade(text, problem).correct;
  record.flexible = FlexibleReward().Grade(text, problem).correct;
  record.tokens = text.tokens;
  record.seconds = completion.seconds;
  record.finish_reason = completion.finish_reason;
  return record;
}

// Where text stops a completion: only the last few tokens can have made a new match.
std::function<bool(std::size_t, std::size_t, std::span<const std::int32_t>)> StopCheck(
    const Tokenizer& tokenizer, const std::vector<std::string>& stop) {
  if (stop.empty()) return nullptr;
  std::size_t longest = 0;
  for (const std::string& mark : stop) longest = std::max(longest, mark.size());
  return [&tokenizer, &stop, longest](std::size_t, std::size_t, std::span<const std::int32_t> ids) {
    const std::size_t tail = std::min(ids.size(), longest + 4);
    const std::string text = tokenizer.Decode(ids.last(tail), true);
    return std::any_of(stop.begin(), stop.end(), [&](const std::string& mark) {
      return text.find(mark) != std::string::npos;
    });
  };
}

}  // namespace

Result<Evaluation> Evaluate(const Policy& policy, const Tokenizer& tokenizer,
                            const PromptBuilder& prompts, std::span<const Problem> problems,
                            const Reward& reward, const EvaluateSettings& settings,
                            const Compute& compute, const EvaluateHooks& hooks) {
  SamplingConfig sampling;
  sampling.greedy = settings.greedy;
  sampling.temperature = settings.temperature;
  sampling.record_temperature = 1.0;
  sampling.seed = settings.seed;
  sampling.max_new_tokens = settings.max_new_tokens;
  sampling.stop_ids = policy.model.stop_ids;
  std::vector<GenerationRequest> requests;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    PAWL_ASSIGN(std::vector<std::int32_t> ids, prompts.Ids(problems[i]));
    requests.push_back({std::move(ids), settings.first_item + i, settings.samples, 0});
  }
  Evaluation evaluation;
  GenerationOptions options;
  options.max_batch = settings.max_batch;
  options.stop = StopCheck(tokenizer, settings.stop);
  options.cancelled = hooks.cancelled;
  options.done = [&](std::size_t request, std::span<const Completion> completions) {
    const Problem& problem = problems[request];
    ProblemRecord record{problem.id, problem.level, problem.question, problem.answer, {}};
    for (const Completion& completion : completions) {
      record.samples.push_back(Judge(completion, problem, tokenizer, reward, settings.stop));
    }
    evaluation.problems.push_back(std::move(record));
    if (hooks.done) hooks.done(evaluation.problems.back());
  };
  PAWL_ASSIGN(const auto ignored,
              Generate(policy, compute, requests, sampling, options, &evaluation.stats));
  static_cast<void>(ignored);
  evaluation.cancelled = evaluation.problems.size() < problems.size();
  return evaluation;
}

}  // namespace pawl
