#include "probe/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/file_system.h"
#include "data/renumber.h"
#include "model/debug.h"
#include "pipeline/run_context.h"
#include "probe/distance.h"
#include "probe/general_text.h"

namespace pawl {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kTestItem = std::uint64_t{1} << 53, kTrainItem = kTestItem + (1 << 20);

// The weights of one model of the run: a whole model, or an adapter on the base.
struct Weighted {
  std::optional<Model> model;
  std::optional<Adapter> adapter;
};

class Probe {
 public:
  Probe(RunContext& context, const ProbeOptions& options) : x_(context), o_(options) {
    // A fresh adapter changes nothing: the base.
    base_norm_ = WeightNorm(x_.state.model);
  }

  Result<Json> Run(const fs::path& run) {
    Json models = Json::array();
    PAWL_ASSIGN(Json base, Measure(x_.state.policy(), "base"));
    models.push_back(std::move(base));
    std::optional<Weighted> previous;
    for (std::size_t s = 0; s < x_.config.stages.size(); ++s) {
      const std::string& name = x_.config.stages[s].name;
      std::error_code ignored;
      const fs::path folder = run / "stages" / name / "final_model";
      if (!fs::exists(folder, ignored)) continue;
      PAWL_ASSIGN(Weighted now, Load(folder));
      PAWL_ASSIGN(Json json, Measure(PolicyOf(now), name));
      PAWL_TRY(AddStage(now, s, json));
      AddDistances(now, previous ? &*previous : nullptr, json);
      models.push_back(std::move(json));
      previous = std::move(now);
      if (x_.Stopped()) return models;
    }
    std::error_code ignored;
    if (fs::exists(run / "final_model", ignored)) {
      PAWL_ASSIGN(Weighted last, Load(run / "final_model"));
      PAWL_ASSIGN(Json json, Measure(PolicyOf(last), "final"));
      AddDistances(last, nullptr, json);
      models.push_back(std::move(json));
    }
    return models;
  }

 private:
  Policy PolicyOf(const Weighted& w) const {
    return {w.model ? *w.model : x_.state.model, w.adapter ? &*w.adapter : nullptr};
  }
  Policy Base() const { return {x_.state.model, nullptr}; }

  Result<Weighted> Load(const fs::path& folder) const {
    Weighted w;
    if (x_.config.lora.enabled) {
      PAWL_ASSIGN(w.adapter, LoadAdapter(folder, x_.state.model.config));
    } else {
      PAWL_ASSIGN(w.model, LoadModel(folder, Precision::kF32, x_.compute->pool,
                                     x_.state.model.max_positions));
    }
    return w;
  }

  // Sum of the log-probabilities of ids[from...] and their number.
  std::pair<double, double> LogLikelihood(const Policy& policy, std::span<const std::int32_t> ids,
                                          std::size_t from) {
    const SequenceScores scores = ScoreSequence(policy, *x_.compute, ids, scratch_);
    double sum = 0;
    for (std::size_t i = std::max<std::size_t>(from, 1); i < ids.size(); ++i) {
      sum += static_cast<double>(scores.log_probs[i - 1]);
    }
    return {sum, static_cast<double>(ids.size() - std::max<std::size_t>(from, 1))};
  }

  struct Answers {
    std::vector<double> shares, kl;
    std::vector<bool> first;
  };
  // kl: also measure the answers under the base.
  Result<Answers> Ask(const Policy& policy, std::span<const Problem> problems, std::uint64_t item,
                      bool kl) {
    const StageConfig& last = x_.config.stages.back();
    SamplingConfig sampling;
    sampling.temperature = last.temperature;
    sampling.seed = x_.config.run.seed;
    sampling.max_new_tokens = LongestCompletion(x_.config);
    sampling.stop_ids = x_.state.model.stop_ids;
    std::vector<GenerationRequest> requests;
    for (std::size_t i = 0; i < problems.size(); ++i) {
      PAWL_ASSIGN(auto ids, x_.prompts->Ids(problems[i]));
      requests.push_back({std::move(ids), item + i, o_.samples, 0});
    }
    GenerationOptions options;
    options.cancelled = [this] { return x_.Stopped(); };
    PAWL_ASSIGN(const auto completions, Generate(policy, *x_.compute, requests, sampling, options));
    Answers answers;
    for (std::size_t i = 0; i < problems.size() && !x_.Stopped(); ++i) {
      double right = 0, ratio = 0, scored = 0;
      for (std::size_t s = 0; s < completions[i].size(); ++s) {
        const Completion& c = completions[i][s];
        const AnswerText text{x_.tokenizer->Decode(c.ids, true),
                              c.finish_reason == FinishReason::kLength,
                              static_cast<int>(c.ids.size())};
        const bool correct = x_.grader->Grade(text, problems[i]).correct;
        right += correct ? 1 : 0;
        if (s == 0) answers.first.push_back(correct);
        if (!kl || c.ids.empty()) continue;
        std::vector<std::int32_t> ids = requests[i].prompt;
        ids.insert(ids.end(), c.ids.begin(), c.ids.end());
        double own = 0;
        for (const float p : c.log_probs) own += static_cast<double>(p);
        const auto [base, n] = LogLikelihood(Base(), ids, requests[i].prompt.size());
        ratio += (own - base) / n;
        ++scored;
      }
      // Answers to one problem are alike: the problem is the unit.
      if (scored > 0) answers.kl.push_back(ratio / scored);
      answers.shares.push_back(right / static_cast<double>(completions[i].size()));
    }
    return answers;
  }

  std::span<const Problem> Test() const {
    const auto& all = x_.data.test.problems();
    return std::span<const Problem>(all).first(std::min(o_.problems, all.size()));
  }

  Result<Json> Measure(const Policy& policy, const std::string& name) {
    const bool base = name == "base";
    PAWL_ASSIGN(const Answers answers, Ask(policy, Test(), kTestItem, !base));
    Json json{{"name", name}, {"problems", Json::array()}};
    for (std::size_t i = 0; i < answers.shares.size(); ++i) {
      const Problem& problem = Test()[i];
      json["problems"].push_back({{"id", problem.id},
                                  {"level", problem.level ? Json(*problem.level) : Json()},
                                  {"share", answers.shares[i]},
                                  {"first", static_cast<bool>(answers.first[i])}});
    }
    if (!base) json["kl_base"] = answers.kl;
    json["general_text"] = Json::array();
    for (const char* sentence : kGeneralText) {
      const auto ids = x_.tokenizer->Encode(sentence, ControlTokens::kPlain);
      if (ids.size() < 2 || ids.size() > x_.state.model.max_positions) continue;
      const auto [sum, n] = LogLikelihood(policy, ids, 1);
      json["general_text"].push_back(sum / n);
    }
    return json;
  }

  // Log-likelihood per token of the problem's solution, model less base; absent where it has none
  // or does not fit.
  Result<std::optional<double>> SolutionGain(const Policy& policy, const Problem& problem) {
    const std::optional<double> none;
    if (problem.solution.empty()) return none;
    PAWL_ASSIGN(auto ids, x_.prompts->Ids(problem));
    const std::size_t from = ids.size();
    const auto solution = x_.tokenizer->Encode(problem.solution, ControlTokens::kPlain);
    ids.insert(ids.end(), solution.begin(), solution.end());
    if (solution.empty() || ids.size() > x_.state.model.max_positions) return none;
    const auto after = LogLikelihood(policy, ids, from), base = LogLikelihood(Base(), ids, from);
    return std::optional<double>((after.first - base.first) / after.second);
  }
  Result<Json> SolutionGains(const Policy& policy, const std::vector<Problem>& problems) {
    Json gains = Json::array();
    for (const Problem& problem : problems) {
      PAWL_ASSIGN(const auto gain, SolutionGain(policy, problem));
      if (gain) gains.push_back(*gain);
    }
    return gains;
  }

  // The same problems as they were trained on and with other numbers, as pairs.
  Result<Json> RenumberedGains(const Policy& policy, const std::vector<Problem>& problems) {
    Json original = Json::array(), changed = Json::array();
    for (std::size_t i = 0; i < problems.size(); ++i) {
      RandomStream random({x_.config.run.seed, RandomPurpose::kGenerator, i, 9});
      const auto other = Renumber(problems[i], random);
      if (!other) continue;
      PAWL_ASSIGN(const auto a, SolutionGain(policy, problems[i]));
      PAWL_ASSIGN(const auto b, SolutionGain(policy, *other));
      if (!a || !b) continue;
      original.push_back(*a);
      changed.push_back(*b);
    }
    return Json{{"original", original}, {"changed", changed}};
  }

  // Training problems against unseen ones of the stage's level.
  Status AddStage(const Weighted& w, std::size_t index, Json& json) {
    const StageConfig& stage = x_.config.stages[index];
    json["steps"] = PlannedSteps(x_, index);
    const auto found = x_.data.train.find(stage.name);
    if (found == x_.data.train.end()) return {};
    std::vector<Problem> train = found->second.problems(), unseen;
    train.resize(std::min(train.size(), o_.problems));
    for (const Problem& problem : x_.data.test.problems()) {
      const bool same = stage.level == 0 || problem.level == stage.level;
      if (same && unseen.size() < o_.problems) unseen.push_back(problem);
    }
    const Policy policy = PolicyOf(w);
    PAWL_ASSIGN(const Answers on_train, Ask(policy, train, kTrainItem, false));
    PAWL_ASSIGN(const Answers on_unseen, Ask(policy, unseen, kTestItem, false));
    json["train_shares"] = on_train.shares;
    json["unseen_shares"] = on_unseen.shares;
    PAWL_ASSIGN(json["train_solution_gain"], SolutionGains(policy, train));
    PAWL_ASSIGN(json["unseen_solution_gain"], SolutionGains(policy, unseen));
    PAWL_ASSIGN(json["renumbered_solution_gain"], RenumberedGains(policy, train));
    return {};
  }

  void AddDistances(Weighted& now, Weighted* previous, Json& json) {
    double base = 0, before = 0;
    if (now.model) {
      base = WeightDistance(*now.model, x_.state.model);
      before = previous != nullptr && previous->model ? WeightDistance(*now.model, *previous->model)
                                                      : base;
    } else {
      Adapter none = ZerosLike(*now.adapter);
      base = AdapterDistance(*now.adapter, none);
      before = previous != nullptr && previous->adapter
                   ? AdapterDistance(*now.adapter, *previous->adapter)
                   : base;
      const RankUse rank = AdapterRank(*now.adapter);
      json["lora"] = {{"r", now.adapter->config.r},
                      {"modules", rank.modules},
                      {"effective_rank", rank.modules > 0 ? Json(rank.effective) : Json()}};
    }
    if (base_norm_ <= 0) return;
    json["distance_base"] = base / base_norm_;
    json["distance_previous"] = before / base_norm_;
  }

  RunContext& x_;
  const ProbeOptions& o_;
  Scratch scratch_;
  double base_norm_ = 0;
};

}  // namespace

Status ProbeRun(const fs::path& run, const ProbeOptions& options, const Compute& compute) {
  if (options.problems < 1 || options.samples < 1) {
    return Usage("--problems and --samples: expected 1 or more");
  }
  PAWL_ASSIGN(const RunConfig config, LoadConfig(run / "config.resolved.toml", {}));
  if (config.model.path == "new") {
    return Usage(run.string() + ": began from random weights; there is no base to compare with");
  }
  RunContext context;
  context.signal = options.signal;
  PAWL_TRY(OpenContext(config, run, compute, context));
  Probe probe(context, options);
  PAWL_ASSIGN(Json models, probe.Run(run));
  if (context.Stopped()) return {};
  return WriteFileAtomic(run / "probe.json",
                         WriteJsonPretty({{"format_version", 1},
                                          {"settings",
                                           {{"problems", options.problems},
                                            {"samples", options.samples},
                                            {"temperature", config.stages.back().temperature},
                                            {"seed", config.run.seed}}},
                                          {"models", std::move(models)}}));
}

}  // namespace pawl
