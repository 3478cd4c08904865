#include "eval/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "eval/stop_text.h"

namespace pawl {

std::vector<std::string> Problems(const EvaluateSettings& settings) {
  std::vector<std::string> problems;
  if (settings.samples < 1) {
    problems.push_back(fmt::format("samples: {}, expected 1 or more", settings.samples));
  }
  if (settings.greedy && settings.samples > 1) {
    problems.push_back(
        fmt::format("samples: {} greedy answers would all be the same, expected 1 or sampling",
                    settings.samples));
  }
  if (std::count(settings.stop.begin(), settings.stop.end(), "") > 0) {
    problems.push_back("stop: an empty text, expected at least one character");
  }
  return problems;
}

std::size_t ProblemRecord::Right() const {
  return static_cast<std::size_t>(std::count_if(
      samples.begin(), samples.end(), [](const AnswerRecord& answer) { return answer.correct; }));
}

double ProblemRecord::Share() const {
  return samples.empty() ? 0 : static_cast<double>(Right()) / static_cast<double>(samples.size());
}

double Evaluation::Accuracy() const {
  double sum = 0;
  for (const ProblemRecord& problem : problems) sum += problem.Share();
  return problems.empty() ? 0 : sum / static_cast<double>(problems.size());
}

std::size_t Evaluation::Answers() const {
  std::size_t count = 0;
  for (const ProblemRecord& problem : problems) count += problem.samples.size();
  return count;
}

std::size_t Evaluation::CorrectAnswers() const {
  std::size_t count = 0;
  for (const ProblemRecord& problem : problems) count += problem.Right();
  return count;
}

std::size_t Evaluation::CorrectProblems() const {
  return static_cast<std::size_t>(
      std::count_if(problems.begin(), problems.end(), [](const ProblemRecord& problem) {
        return !problem.samples.empty() && problem.samples[0].correct;
      }));
}

double Evaluation::TruncatedFraction() const {
  double cut = 0;
  for (const ProblemRecord& problem : problems) {
    for (const AnswerRecord& answer : problem.samples) {
      cut += answer.finish_reason == FinishReason::kLength ? 1 : 0;
    }
  }
  return Answers() > 0 ? cut / static_cast<double>(Answers()) : 0;
}

double Evaluation::MeanTokens() const {
  double tokens = 0;
  for (const ProblemRecord& problem : problems) {
    for (const AnswerRecord& answer : problem.samples) tokens += answer.tokens;
  }
  return Answers() > 0 ? tokens / static_cast<double>(Answers()) : 0;
}

std::vector<double> Evaluation::Shares() const {
  std::vector<double> shares;
  for (const ProblemRecord& problem : problems) shares.push_back(problem.Share());
  return shares;
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

namespace {

// The reward asked for, and the two that every result reports so that it compares with published
// ones.
struct Graders {
  const Reward& asked;
  std::unique_ptr<Reward> strict, flexible;
};

Result<Graders> MakeGraders(const Reward& asked) {
  PAWL_ASSIGN(auto strict, MakeReward({"gsm8k-strict"}));
  PAWL_ASSIGN(auto flexible, MakeReward({"gsm8k-flexible"}));
  return Graders{asked, std::move(strict), std::move(flexible)};
}

AnswerRecord Judge(const Completion& completion, const Problem& problem, const StopTexts& stop,
                   const Graders& graders) {
  AnswerRecord record;
  record.completion = stop.Cut(completion.ids);
  record.tokens = static_cast<int>(completion.ids.size());
  record.seconds = completion.seconds;
  record.finish_reason = completion.finish_reason;
  const AnswerText text{record.completion, completion.finish_reason == FinishReason::kLength,
                        record.tokens};
  const Graded graded = graders.asked.Grade(text, problem);
  record.extracted = graded.extracted;
  record.correct = graded.correct;
  record.strict = graders.strict->Grade(text, problem).correct;
  record.flexible = graders.flexible->Grade(text, problem).correct;
  return record;
}

ProblemRecord EmptyRecord(const Problem& problem) {
  const bool chat = problem.question.empty() && !problem.messages.empty();
  return {problem.id,
          problem.level,
          chat ? problem.messages.back().content : problem.question,
          problem.answer,
          {}};
}

}  // namespace

Result<Evaluation> Evaluate(const Policy& policy, const Tokenizer& tokenizer,
                            const PromptBuilder& prompts, std::span<const Problem> problems,
                            const Reward& reward, const EvaluateSettings& settings,
                            const Compute& compute, const EvaluateHooks& hooks) {
  if (const auto wrong = Problems(settings); !wrong.empty()) {
    return Usage(fmt::format("{}", fmt::join(wrong, "; ")));
  }
  PAWL_ASSIGN(const Graders graders, MakeGraders(reward));
  const StopTexts stop(tokenizer, settings.stop);
  SamplingConfig sampling;
  sampling.greedy = settings.greedy;
  sampling.temperature = settings.temperature;
  sampling.seed = settings.seed;
  sampling.max_new_tokens = settings.max_new_tokens;

  PAWL_CHECK(settings.items.empty() || settings.items.size() == problems.size());
  std::vector<std::optional<ProblemRecord>> records(problems.size());
  std::vector<GenerationRequest> requests;
  std::vector<std::size_t> indices;  // of the requests
  for (std::size_t i = 0; i < problems.size(); ++i) {
    if (hooks.known) records[i] = hooks.known(i);
    if (records[i]) continue;
    PAWL_ASSIGN(std::vector<std::int32_t> ids, prompts.Ids(problems[i]));
    requests.push_back({std::move(ids),
                        settings.items.empty() ? settings.first_item + i : settings.items[i],
                        settings.samples, 0});
    indices.push_back(i);
  }

  Status status;
  GenerationOptions options;
  options.max_batch = settings.max_batch;
  if (!stop.empty()) {
    options.stop = [&](std::size_t, std::size_t, std::span<const std::int32_t> ids) {
      return stop.Completes(ids);
    };
  }
  options.journal = hooks.journal;
  for (const std::string& text : settings.stop) options.journal.policy += '\0' + text;
  options.cancelled = [&] { return !status || (hooks.cancelled && hooks.cancelled()); };
  options.done = [&](std::size_t request, std::span<const Completion> completions) {
    const std::size_t index = indices[request];
    ProblemRecord record = EmptyRecord(problems[index]);
    for (const Completion& completion : completions) {
      record.samples.push_back(Judge(completion, problems[index], stop, graders));
    }
    records[index] = std::move(record);
    if (hooks.done && status) status = hooks.done(index, *records[index]);
  };
  Evaluation evaluation;
  auto generated = Generate(policy, compute, requests, sampling, options, &evaluation.stats);
  if (!generated) return tl::unexpected(generated.error());
  PAWL_TRY(status);
  for (std::optional<ProblemRecord>& record : records) {
    if (record) evaluation.problems.push_back(std::move(*record));
  }
  evaluation.cancelled = evaluation.problems.size() < problems.size();
  return evaluation;
}

}  // namespace pawl
