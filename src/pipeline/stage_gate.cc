// The gate of StageRunner: the same problems and random numbers for candidate, anchor and base.
#include <fmt/format.h>

#include <algorithm>

#include "base/shuffle.h"
#include "pipeline/stage_runner.h"

namespace pawl {
namespace {

// Gates share random addresses over stages, so that near-identical models answer alike.
constexpr std::uint64_t kGateItem = std::uint64_t{1} << 59;

// Each stage's gate walks the pool in an order of its own: an anchor was accepted for its luck with
// the problems that its gate asked first.
std::vector<std::size_t> PoolOrder(std::uint64_t seed, int stage, std::size_t size) {
  RandomStream random({seed, RandomPurpose::kShuffle, static_cast<std::uint64_t>(stage), 4});
  return ShuffledOrder(size, random);
}

std::size_t AcceptedStages(const Json& stages) {
  return static_cast<std::size_t>(
      std::count_if(stages.begin(), stages.end(),
                    [](const Json& stage) { return stage.value("decision", "") == "accept"; }));
}

// anchor + fraction (candidate - anchor); the moments are the candidate's.
TrainSnapshot Between(const TrainSnapshot& anchor, const TrainSnapshot& candidate,
                      double fraction) {
  TrainSnapshot out = candidate;
  const auto f = static_cast<float>(fraction);
  for (std::size_t i = 0; i < out.parameters.size(); ++i) {
    for (std::size_t k = 0; k < out.parameters[i].size(); ++k) {
      const float a = anchor.parameters[i][k];
      out.parameters[i][k] = a + f * (candidate.parameters[i][k] - a);
    }
  }
  return out;
}

}  // namespace

Result<std::vector<double>> StageRunner::Answers(const TrainSnapshot& model, const std::string& who,
                                                 std::span<const std::size_t> problems,
                                                 const GatePlan& plan) {
  const std::string name = fmt::format("{} {} {} {} {}", who, plan.greedy, plan.samples,
                                       stage_.temperature, stage_.max_completion_length);
  std::vector<Problem> asked;
  MeasureOptions options;
  options.greedy = plan.greedy;
  options.samples = plan.samples;
  options.temperature = stage_.temperature;
  options.max_new_tokens = stage_.max_completion_length;
  std::vector<double> shares;
  for (const std::size_t problem : problems) {
    const auto known = who.empty() ? std::nullopt : s_.answers.Find(name, problem);
    shares.push_back(known.value_or(-1));
    if (known) continue;
    asked.push_back(x_.data.gate.problems()[problem]);
    options.items.push_back(kGateItem + problem);
  }
  if (asked.empty()) return shares;
  RestoreSnapshot(model, x_.state);
  PAWL_ASSIGN(const Evaluation evaluation, Measure(x_, x_.state.policy(), asked, options));
  if (evaluation.cancelled) return std::vector<double>();
  auto record = evaluation.problems.begin();
  for (std::size_t i = 0; i < problems.size(); ++i) {
    if (shares[i] >= 0) continue;
    shares[i] = (record++)->Share();
    if (!who.empty()) s_.answers.Add(name, problems[i], shares[i]);
  }
  return shares;
}

Result<std::optional<StageRunner::Verdict>> StageRunner::Judge(const TrainSnapshot& candidate) {
  const std::size_t accepted = AcceptedStages(p_.stages);
  const GateSection& config = x_.config.gate;
  const bool guard = config.rule == "sequential" && accepted > 0;
  const auto gate =
      MakeGate(config, {std::max(0.0, p_.first_accuracy),
                        PlannedTests(config, static_cast<int>(x_.config.stages.size())), guard});
  const auto order = PoolOrder(x_.config.run.seed, p_.stage, x_.data.gate.size());
  std::size_t next = 0;
  GateDecision decision = gate->Decide(order.empty());
  while (decision == GateDecision::kKeepTesting) {
    const GatePlan plan = gate->Plan();
    const std::size_t count = std::min(static_cast<std::size_t>(plan.batch), order.size() - next);
    const auto batch = std::span<const std::size_t>(order).subspan(next, count);
    PAWL_ASSIGN(const auto before,
                Answers(s_.anchor, fmt::format("anchor {}", accepted), batch, plan));
    std::vector<double> base = before;
    if (guard && !before.empty()) {
      PAWL_ASSIGN(base, Answers(s_.base, "anchor 0", batch, plan));
    }
    if (before.empty() || base.empty()) return std::optional<Verdict>();
    PAWL_ASSIGN(const auto after, Answers(candidate, "", batch, plan));
    if (after.empty()) return std::optional<Verdict>();
    for (std::size_t i = 0; i < count; ++i) gate->Add({before[i], after[i], base[i]});
    next += count;
    decision = gate->Decide(next == order.size());
  }
  RestoreSnapshot(candidate, x_.state);
  return std::optional<Verdict>({decision, gate->Evidence()});
}

Result<std::optional<StageRunner::Verdict>> StageRunner::RunGate(const TrainSnapshot& candidate) {
  PAWL_ASSIGN(auto verdict, Judge(candidate));
  if (!verdict || verdict->decision == GateDecision::kAccept) return verdict;
  Json tried = Json::array();
  for (const double fraction : x_.config.gate.soup) {
    PAWL_ASSIGN(auto part, Judge(Between(s_.anchor, candidate, fraction)));
    if (!part) return part;
    part->evidence["fraction"] = fraction;
    part->evidence["decision"] = GateDecisionName(part->decision);
    tried.push_back(part->evidence);
    if (part->decision == GateDecision::kAccept) {
      part->evidence["whole"] = verdict->evidence;
      return part;
    }
  }
  if (!tried.empty()) verdict->evidence["soup"] = tried;
  RestoreSnapshot(candidate, x_.state);
  return verdict;
}

}  // namespace pawl
