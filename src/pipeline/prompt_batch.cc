#include "pipeline/prompt_batch.h"

namespace pawl {

Result<PromptBatch> MakePromptBatch(const RunContext& x, std::size_t stage, int step) {
  PromptBatch batch;
  Json unknown = Json::object();
  const PassRates rates(unknown);
  for (const PromptChoice& choice : ChoosePrompts(x, stage, step, PlannedSteps(x, stage), rates)) {
    const auto& all = x.data.train.at(x.config.stages[choice.stage].name).problems();
    batch.problems.push_back(&all[choice.problem]);
    PAWL_ASSIGN(auto ids, x.prompts->Ids(*batch.problems.back()));
    batch.tasks.push_back({batch.problems.back()->id, std::move(ids), 0});
  }
  return batch;
}

Grader GraderOf(const RunContext& x, const std::vector<const Problem*>& problems) {
  return [&x, &problems](std::size_t task, const Completion& completion) {
    const Problem& problem = *problems[task];
    GradedCompletion graded;
    graded.text = x.tokenizer->Decode(completion.ids, true);
    const AnswerText text{graded.text, completion.finish_reason == FinishReason::kLength,
                          static_cast<int>(completion.ids.size())};
    for (const Graded& g : x.rewards->Grade(text, problem)) graded.rewards.push_back(g.value);
    const Graded answer = x.grader->Grade(text, problem);
    graded.correct = answer.correct;
    graded.answered = answer.extracted.has_value();
    return graded;
  };
}

}  // namespace pawl
