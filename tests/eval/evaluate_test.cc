#include "eval/evaluate.h"

#include "eval/toy.h"

namespace pawl {
namespace {

TEST(Evaluate, GivesTheSameForEveryBatchAndThreadCount) {
  Bed bed;
  const Evaluation expected = bed.Run();
  EXPECT_GT(expected.CorrectAnswers(), 3u);
  EXPECT_LT(expected.CorrectAnswers(), expected.Answers());
  EXPECT_GT(expected.TruncatedFraction(), 0);
  EXPECT_LT(expected.TruncatedFraction(), 1);
  bed.settings.max_batch = 5;
  ThreadPool pool(2);
  const Compute compute(pool);
  ExpectSameRecords(Evaluate(bed.policy(), bed.tokenizer, bed.prompts, bed.problems, *bed.reward,
                             bed.settings, compute, {})
                        ->problems,
                    expected.problems);
}

TEST(Evaluate, UsesTheRandomNumbersOfTheProblemsPlace) {
  Bed bed;
  const Evaluation all = bed.Run();
  bed.problems.erase(bed.problems.begin(), bed.problems.begin() + 5);
  bed.settings.first_item = 5;
  ExpectSameRecords(bed.Run().problems, {all.problems.begin() + 5, all.problems.end()});
  bed.settings.first_item = 0;
  EXPECT_NE(bed.Run().problems[0].samples[0].completion, all.problems[5].samples[0].completion);
}

TEST(Evaluate, CountsAnswersProblemsTokensAndTruncation) {
  const Bed bed;
  const Evaluation evaluation = bed.Run();
  std::size_t right = 0, first = 0, cut = 0;
  double tokens = 0, share = 0;
  for (const ProblemRecord& problem : evaluation.problems) {
    std::size_t own = 0;
    for (const AnswerRecord& answer : problem.samples) {
      own += answer.completion == problem.gold || answer.correct ? 1 : 0;
      cut += answer.finish_reason == FinishReason::kLength ? 1 : 0;
      tokens += answer.tokens;
    }
    right += own;
    first += problem.samples[0].correct ? 1 : 0;
    share += static_cast<double>(own) / 3;
  }
  EXPECT_EQ(evaluation.Answers(), 36u);
  EXPECT_EQ(evaluation.CorrectAnswers(), right);
  EXPECT_EQ(evaluation.CorrectProblems(), first);
  EXPECT_DOUBLE_EQ(evaluation.Accuracy(), share / 12);
  EXPECT_DOUBLE_EQ(evaluation.TruncatedFraction(), static_cast<double>(cut) / 36);
  EXPECT_DOUBLE_EQ(evaluation.MeanTokens(), tokens / 36);
  EXPECT_EQ(evaluation.Shares().size(), 12u);
  EXPECT_EQ(evaluation.OutcomesById().at("p3").size(), 3u);
  EXPECT_EQ(Evaluation{}.Accuracy(), 0);
}

TEST(Evaluate, ReportsInOrderAndSkipsWhatIsKnown) {
  Bed bed;
  const Evaluation all = bed.Run();
  std::vector<std::size_t> order;
  EvaluateHooks hooks;
  hooks.done = [&](std::size_t index, const ProblemRecord& record) -> Status {
    EXPECT_EQ(record.id, bed.problems[index].id);
    order.push_back(index);
    return {};
  };
  hooks.known = [&](std::size_t index) -> std::optional<ProblemRecord> {
    if (index % 4 == 1) return std::nullopt;
    return all.problems[index];
  };
  const Evaluation some = bed.Run(hooks);
  EXPECT_EQ(order, (std::vector<std::size_t>{1, 5, 9}));
  ExpectSameRecords(some.problems, all.problems);
  EXPECT_LT(some.stats.new_tokens, all.stats.new_tokens);
}

TEST(Evaluate, KeepsWhatWasFinishedWhenCancelled) {
  Bed bed;
  bed.settings.max_batch = 3;
  int done = 0;
  EvaluateHooks hooks;
  hooks.done = [&](std::size_t, const ProblemRecord&) -> Status {
    ++done;
    return {};
  };
  hooks.cancelled = [&] { return done == 4; };
  const Evaluation evaluation = bed.Run(hooks);
  EXPECT_TRUE(evaluation.cancelled);
  EXPECT_EQ(evaluation.problems.size(), 4u);
  EXPECT_FALSE(bed.Run().cancelled);
}

TEST(Evaluate, EndsWithTheErrorOfACallback) {
  Bed bed;
  EvaluateHooks hooks;
  int calls = 0;
  hooks.done = [&](std::size_t, const ProblemRecord&) -> Status {
    ++calls;
    return Fail(ErrorCode::kResources, "disk full");
  };
  bed.settings.max_batch = 1;
  const auto result = Evaluate(bed.policy(), bed.tokenizer, bed.prompts, bed.problems, *bed.reward,
                               bed.settings, bed.compute, hooks);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kResources);
  EXPECT_EQ(calls, 1);
}

TEST(Evaluate, CutsAnswersAtStopTexts) {
  Bed bed;
  const Evaluation free = bed.Run();
  const std::string& text = free.problems[0].samples[0].completion;
  ASSERT_GE(text.size(), 2u);
  std::string mark;  // the second character, whatever it is
  for (std::size_t i = 1; i < text.size() && mark.empty(); ++i) {
    if (static_cast<unsigned char>(text[i]) < 0x80) mark = text.substr(i, 1);
  }
  ASSERT_FALSE(mark.empty());
  bed.settings.stop = {mark};
  const AnswerRecord bound = bed.Run().problems[0].samples[0];
  EXPECT_EQ(bound.completion, text.substr(0, text.find(mark)));
  EXPECT_EQ(bound.finish_reason, FinishReason::kStop);
}

std::string ErrorOf(const Bed& bed) {
  const auto result = Evaluate(bed.policy(), bed.tokenizer, bed.prompts, bed.problems, *bed.reward,
                               bed.settings, bed.compute, {});
  if (result) return "no error";
  EXPECT_EQ(result.error().code, ErrorCode::kUsage);
  return result.error().message;
}

TEST(Evaluate, RefusesSettingsThatCannotWork) {
  Bed bed;
  bed.settings.samples = 0;
  bed.settings.stop = {""};
  EXPECT_NE(ErrorOf(bed).find("samples: 0"), std::string::npos);
  EXPECT_NE(ErrorOf(bed).find("stop: an empty text"), std::string::npos);
  bed.settings.stop = {};
  bed.settings.samples = 2;
  bed.settings.greedy = true;
  EXPECT_NE(ErrorOf(bed).find("2 greedy answers"), std::string::npos);
  bed.settings.greedy = false;
  bed.settings.temperature = 0;
  EXPECT_NE(ErrorOf(bed).find("temperature: 0"), std::string::npos);
}

TEST(Evaluate, RefusesACompletionLimitThatDoesNotFitNamingBothNumbers) {
  Bed bed;
  bed.settings.max_new_tokens = 500;
  const std::string message = ErrorOf(bed);
  EXPECT_NE(message.find("500 new"), std::string::npos) << message;
  EXPECT_NE(message.find("512"), std::string::npos) << message;
  bed.settings.max_new_tokens = 8;
  bed.problems[2].question = std::string(600, 'x');
  EXPECT_NE(ErrorOf(bed).find("prompt 2: 618 tokens"), std::string::npos) << ErrorOf(bed);
}

}  // namespace
}  // namespace pawl
