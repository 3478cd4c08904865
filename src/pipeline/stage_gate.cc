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
// the problems that its gate asked first.  What only a doubled budget reaches comes last.
std::vector<std::size_t> PoolOrder(std::uint64_t seed, int stage, std::size_t size,
                                   std::size_t usual) {
  RandomStream random({seed, RandomPurpose::kShuffle, static_cast<std::uint64_t>(stage), 4});
  usual = std::min(usual, size);
  auto order = ShuffledOrder(usual, random);
  for (const std::size_t further : ShuffledOrder(size - usual, random)) {
    order.push_back(usual + further);
  }
  return order;
}

// HOLDs since the last other decision.
int HoldsInARow(const Json& stages) {
  int holds = 0;
  for (const Json& stage : stages) {
    holds = stage.value("decision", "") == GateDecisionName(GateDecision::kHold) ? holds + 1 : 0;
  }
  return holds;
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
  MeasureOptions options;
  options.max_new_tokens = LongestCompletion(x_.config);
  const std::string name = fmt::format("{} {} {} {} {}", who, plan.greedy, plan.samples,
                                       stage_.temperature, options.max_new_tokens);
  std::vector<Problem> asked;
  options.greedy = plan.greedy;
  options.samples = plan.samples;
  options.temperature = stage_.temperature;
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
  std::string& fingerprint = fingerprints_[who];
  if (fingerprint.empty()) fingerprint = x_.state.Fingerprint();
  options.fingerprint = fingerprint;
  PAWL_ASSIGN(const Evaluation evaluation, Measure(x_, asked, options));
  if (evaluation.cancelled) return std::vector<double>();
  auto record = evaluation.problems.begin();
  for (std::size_t i = 0; i < problems.size(); ++i) {
    if (shares[i] >= 0) continue;
    shares[i] = (record++)->Share();
    if (!who.empty()) s_.answers.Add(name, problems[i], shares[i]);
  }
  return shares;
}

Result<std::vector<PairedShares>> StageRunner::Compare(const TrainSnapshot& candidate,
                                                       std::size_t accepted, bool guard,
                                                       std::span<const std::size_t> problems,
                                                       const GatePlan& plan) {
  const std::vector<PairedShares> stopped;
  PAWL_ASSIGN(const auto before,
              Answers(s_.anchor, fmt::format("anchor {}", accepted), problems, plan));
  if (before.empty()) return stopped;
  std::vector<double> base = before;
  if (guard) {
    PAWL_ASSIGN(base, Answers(s_.base, "anchor 0", problems, plan));
    if (base.empty()) return stopped;
  }
  PAWL_ASSIGN(const auto after, Answers(candidate, "", problems, plan));
  if (after.empty()) return stopped;
  std::vector<PairedShares> shares;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    shares.push_back({before[i], after[i], base[i]});
  }
  return shares;
}

Result<std::optional<StageRunner::Verdict>> StageRunner::Judge(const TrainSnapshot& candidate) {
  const std::size_t accepted = AcceptedStages(p_.stages);
  const GateSection config = NextGate(x_.config.gate, HoldsInARow(p_.stages));
  const bool guard = config.rule == "sequential" && accepted > 0;
  const auto gate =
      MakeGate(config, {std::max(0.0, p_.first_accuracy),
                        PlannedTests(config, static_cast<int>(x_.config.stages.size())), guard});
  const auto order = PoolOrder(x_.config.run.seed, p_.stage, x_.data.gate.size(),
                               static_cast<std::size_t>(GateProblems(x_.config.gate)));
  fingerprints_.erase("");  // another candidate
  std::size_t next = 0;
  GateDecision decision = gate->Decide(order.empty());
  while (decision == GateDecision::kKeepTesting) {
    GatePlan plan = gate->Plan();
    const std::size_t count = std::min(static_cast<std::size_t>(plan.batch), order.size() - next);
    const auto batch = std::span<const std::size_t>(order).subspan(next, count);
    PAWL_ASSIGN(const auto outcomes, Compare(candidate, accepted, guard, batch, plan));
    if (outcomes.empty()) return std::optional<Verdict>();
    std::vector<PairedShares> greedy(count);
    if (plan.greedy_too) {
      plan.greedy = true;
      plan.samples = 1;
      PAWL_ASSIGN(greedy, Compare(candidate, accepted, guard, batch, plan));
      if (greedy.empty()) return std::optional<Verdict>();
    }
    for (std::size_t i = 0; i < count; ++i) gate->Add({outcomes[i], greedy[i]});
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
