#include "pipeline/documents.h"

#include <fmt/format.h>

#include <numeric>

#include "data/generator.h"
#include "pipeline/prompt_choice.h"

namespace pawl {
namespace {

// An index drawn with the given shares.
std::size_t Draw(const std::vector<double>& shares, RandomStream& random) {
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  double left = random.Uniform() * total;
  for (std::size_t i = 0; i + 1 < shares.size(); ++i) {
    left -= shares[i];
    if (left < 0) return i;
  }
  return shares.size() - 1;
}

SftDocument WithAnswer(const RunContext& x, std::vector<std::int32_t> prompt,
                       const std::string& answer) {
  SftDocument document;
  document.ids = std::move(prompt);
  document.weights.assign(document.ids.size(), 0.0f);
  std::vector<std::int32_t> ids = x.tokenizer->Encode(answer, ControlTokens::kPlain);
  if (x.tokenizer->eos() && x.tokenizer->eos()->id) ids.push_back(*x.tokenizer->eos()->id);
  document.ids.insert(document.ids.end(), ids.begin(), ids.end());
  document.weights.resize(document.ids.size(), 1.0f);
  return document;
}

// Bare equations: what follows a '=' up to the end of its line is the target.
SftDocument Drill(const RunContext& x, int level, RandomStream& random) {
  SftDocument document;
  bool result = false;
  for (const std::int32_t id :
       x.tokenizer->Encode(RenderDrill(level, random), ControlTokens::kPlain)) {
    document.ids.push_back(id);
    document.weights.push_back(result && document.ids.size() > 1 ? 1.0f : 0.0f);
    const std::string_view bytes = x.tokenizer->TokenBytes(id);
    if (bytes.find('=') != std::string_view::npos) result = true;
    if (bytes.find('\n') != std::string_view::npos) result = false;
  }
  return document;
}

Result<SftDocument> FreshDocument(const RunContext& x, std::size_t stage_index,
                                  std::uint64_t index) {
  const StageConfig& stage = x.config.stages[stage_index];
  RandomStream random({x.config.run.seed, RandomPurpose::kShuffle,
                       (static_cast<std::uint64_t>(stage_index + 1) << 40) | index, 1});
  const int level = static_cast<int>(Draw(stage.level_mix, random)) + 1;
  if (random.Chance(stage.drills)) return Drill(x, level, random);
  const auto& styles = level == 1   ? stage.styles_basic
                       : level == 2 ? stage.styles_intermediate
                                    : stage.styles_advanced;
  const auto style = static_cast<SolutionStyle>(styles.empty() ? 0 : Draw(styles, random));
  const WordProblem word =
      MakeWordProblem(x.config.run.seed * 100 + stage_index, level, Split::kTrain, index);
  Problem problem;
  problem.id = fmt::format("{}-{}", stage.name, index);
  problem.question = word.question;
  PAWL_ASSIGN(auto prompt, x.prompts->Ids(problem));
  return WithAnswer(x, std::move(prompt), RenderSolution(word, style, random));
}

}  // namespace

Result<SftDocument> MakeDocument(const RunContext& x, std::size_t stage_index,
                                 std::uint64_t index) {
  const StageConfig& stage = x.config.stages[stage_index];
  if (!stage.level_mix.empty()) return FreshDocument(x, stage_index, index);
  const auto& problems = x.data.train.at(stage.name).problems();
  const Problem& problem =
      problems[ShuffledIndex(x.config.run.seed, stage_index, index, problems.size())];
  PAWL_ASSIGN(auto prompt, x.prompts->Ids(problem));
  const std::string marker = "#### " + problem.answer;
  const std::string solution = problem.solution.empty() ? marker
                               : problem.solution.ends_with(marker)
                                   ? problem.solution
                                   : problem.solution + "\n" + marker;
  return WithAnswer(x, std::move(prompt), solution);
}

Result<std::vector<SftDocument>> NextDocuments(const RunContext& x, std::size_t stage_index,
                                               std::uint64_t& next) {
  const StageConfig& stage = x.config.stages[stage_index];
  const auto count = static_cast<std::size_t>(stage.per_device_train_batch_size) *
                     static_cast<std::size_t>(stage.gradient_accumulation_steps);
  std::vector<SftDocument> documents;
  std::size_t tokens = 0;
  while (stage.tokens_per_batch > 0 ? tokens < static_cast<std::size_t>(stage.tokens_per_batch)
                                    : documents.size() < count) {
    PAWL_ASSIGN(SftDocument document, MakeDocument(x, stage_index, next++));
    tokens += document.ids.size();
    documents.push_back(std::move(document));
  }
  return documents;
}

}  // namespace pawl
