#include "pipeline/prompt_batch.h"

namespace pawl {

Result<std::vector<PromptTask>> AddTasks(const RunContext& x,
                                         const std::vector<PromptChoice>& chosen,
                                         std::uint64_t first_item, PromptBatch& batch) {
  std::vector<PromptTask> tasks;
  for (const PromptChoice& choice : chosen) {
    const auto& all = x.data.train.at(x.config.stages[choice.stage].name).problems();
    const Problem& problem = all[choice.problem];
    PAWL_ASSIGN(auto ids, x.prompts->Ids(problem));
    tasks.push_back({problem.id, std::move(ids), first_item + batch.choices.size()});
    batch.choices.push_back(choice);
    batch.problems.push_back(&problem);
  }
  return tasks;
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
