#include "pipeline/gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "stats/e_process.h"
#include "stats/intervals.h"
#include "stats/threshold_rule.h"

namespace pawl {

const char* GateDecisionName(GateDecision decision) {
  switch (decision) {
    case GateDecision::kAccept:
      return "accept";
    case GateDecision::kRollback:
      return "rollback";
    case GateDecision::kKeepTesting:
      return "keep_testing";
    case GateDecision::kHold:
      return "hold";
  }
  return "";
}

namespace {

// Counts that every rule reports.
struct Tally {
  long long problems = 0, wins = 0, losses = 0;
  double anchor = 0, candidate = 0;

  void Add(const PairedShares& outcome) {
    ++problems;
    wins += outcome.candidate > outcome.anchor ? 1 : 0;
    losses += outcome.candidate < outcome.anchor ? 1 : 0;
    anchor += outcome.anchor;
    candidate += outcome.candidate;
  }
  // Share of problems whose outcome changed.
  double Churn() const {
    return static_cast<double>(wins + losses) / static_cast<double>(std::max(1LL, problems));
  }
  Json ToJson() const {
    const double n = static_cast<double>(std::max(1LL, problems));
    return {{"problems", problems},
            {"wins", wins},
            {"losses", losses},
            {"accuracy_before", problems > 0 ? Json(anchor / n) : Json()},
            {"accuracy_after", problems > 0 ? Json(candidate / n) : Json()}};
  }
};

class ThresholdGate : public Gate {
 public:
  explicit ThresholdGate(const GateSection& config) : config_(config) {}
  GatePlan Plan() const override { return {config_.problems, 1, true}; }
  void Add(const PairedOutcome& outcome) override { tally_.Add(outcome); }
  GateDecision Decide(bool exhausted) override {
    if (tally_.problems < config_.problems && !exhausted) return GateDecision::kKeepTesting;
    if (tally_.problems == 0) return GateDecision::kHold;
    const double drop = 100.0 * static_cast<double>(tally_.losses - tally_.wins);
    return drop > config_.max_drop * static_cast<double>(tally_.problems) ? GateDecision::kRollback
                                                                          : GateDecision::kAccept;
  }
  Json Evidence() const override {
    Json json = tally_.ToJson();
    json["rule"] = "threshold";
    json["max_drop_points"] = config_.max_drop;
    const auto false_alarm = ThresholdFalseAlarm(tally_.problems, config_.max_drop, tally_.Churn());
    json["false_alarm_probability"] = false_alarm ? Json(*false_alarm) : Json();
    return json;
  }

 private:
  GateSection config_;
  Tally tally_;
};

// One look at a fixed number of problems, judged by the 95 % interval of the paired difference.
class FixedGate : public Gate {
 public:
  FixedGate(const GateSection& config, double anchor_accuracy)
      : config_(config), margin_(DefaultMargin(anchor_accuracy)) {}
  GatePlan Plan() const override { return {config_.problems, config_.samples, false}; }
  void Add(const PairedOutcome& outcome) override {
    tally_.Add(outcome);
    outcomes_.push_back(outcome);
  }
  GateDecision Decide(bool exhausted) override {
    if (tally_.problems < config_.problems && !exhausted) return GateDecision::kKeepTesting;
    const auto interval = Difference();
    if (!interval) return GateDecision::kHold;
    if (interval->high < 0) return GateDecision::kRollback;
    return interval->low > -margin_ ? GateDecision::kAccept : GateDecision::kHold;
  }
  Json Evidence() const override {
    Json json = tally_.ToJson();
    json["rule"] = "fixed";
    json["margin"] = margin_;
    const auto interval = Difference();
    json["interval95"] = interval ? Json::array({interval->low, interval->high}) : Json();
    return json;
  }

 private:
  // Of candidate - anchor: t over problems, or Newcombe's for one answer a problem.
  std::optional<Interval> Difference() const {
    if (config_.samples > 1) {
      std::vector<double> differences;
      for (const PairedOutcome& o : outcomes_) differences.push_back(o.candidate - o.anchor);
      const auto t = TInterval(differences);
      // Without any spread t knows no uncertainty; the counts below do.
      if (t && t->standard_error > 0) return t->interval;
    }
    PairedTable table;
    for (const PairedOutcome& o : outcomes_) {
      const bool candidate = o.candidate > 0, anchor = o.anchor > 0;
      (candidate && anchor ? table.both
       : candidate         ? table.only_first
       : anchor            ? table.only_second
                           : table.neither)++;
    }
    const auto paired = NewcombePaired(table);
    return paired ? std::optional<Interval>(Interval{paired->low, paired->high}) : std::nullopt;
  }

  GateSection config_;
  double margin_;
  Tally tally_;
  std::vector<PairedOutcome> outcomes_;
};

// Sampled or greedy answers against the anchor and, where guarded, against the base.
class GuardedEvidence {
 public:
  GuardedEvidence(double margin, double total_margin, bool guard)
      : margin_(margin), total_margin_(total_margin), evidence_(margin) {
    if (guard) against_base_.emplace(total_margin);
  }
  void Add(const PairedShares& outcome) {
    tally_.Add(outcome);
    evidence_.Add(outcome.candidate - outcome.anchor);
    if (against_base_) against_base_->Add(outcome.candidate - outcome.base);
  }
  double Regression() const {
    return std::max(evidence_.Regression(), against_base_ ? against_base_->Regression() : 0.0);
  }
  double NonInferior() const {
    return against_base_ ? std::min(evidence_.NonInferior(), against_base_->NonInferior())
                         : evidence_.NonInferior();
  }
  double Improvement() const { return evidence_.Improvement(); }
  long long problems() const { return tally_.problems; }
  Json ToJson() const {
    Json json = tally_.ToJson();
    json["margin"] = margin_;
    json["e_regression"] = evidence_.Regression();
    json["e_noninferior"] = evidence_.NonInferior();
    json["e_improvement"] = evidence_.Improvement();
    json["against_base"] = against_base_ ? Json{{"margin", total_margin_},
                                                {"e_regression", against_base_->Regression()},
                                                {"e_noninferior", against_base_->NonInferior()}}
                                         : Json();
    return json;
  }

 private:
  double margin_, total_margin_;
  PairedEvidence evidence_;
  std::optional<PairedEvidence> against_base_;
  Tally tally_;
};

class SequentialGate : public Gate {
 public:
  SequentialGate(const GateSection& config, const GateContext& context)
      : config_(config),
        reject_at_(static_cast<double>(std::max(1, context.tests)) / config.alpha),
        sampled_(DefaultMargin(context.anchor_accuracy), config.total_margin, context.guard) {
    if (config.greedy) {
      greedy_.emplace(2 * DefaultMargin(context.anchor_accuracy), 2 * config.total_margin,
                      context.guard);
    }
  }
  GatePlan Plan() const override {
    const long long left = config_.max_problems - sampled_.problems();
    return {static_cast<int>(std::clamp(left, 1LL, 10LL)), config_.samples, false, config_.greedy};
  }
  void Add(const PairedOutcome& outcome) override {
    sampled_.Add(outcome);
    if (greedy_) greedy_->Add(outcome.greedy);
  }
  GateDecision Decide(bool exhausted) override {
    // Exact collapse is caught at any time; everything else after 20 problems.
    if (sampled_.Regression() >= reject_at_ || (greedy_ && greedy_->Regression() >= reject_at_)) {
      return GateDecision::kRollback;
    }
    if (sampled_.problems() >= 20 && sampled_.NonInferior() >= kAcceptAt &&
        (!greedy_ || greedy_->NonInferior() >= kAcceptAt)) {
      return GateDecision::kAccept;
    }
    if (sampled_.problems() < config_.max_problems && !exhausted) {
      return GateDecision::kKeepTesting;
    }
    return GateDecision::kHold;
  }
  Json Evidence() const override {
    Json json = sampled_.ToJson();
    json["rule"] = "sequential";
    json["budget"] = config_.max_problems;
    json["rollback_at"] = reject_at_;
    json["accept_at"] = kAcceptAt;
    json["improved"] = sampled_.Improvement() >= kAcceptAt;
    json["greedy"] = greedy_ ? greedy_->ToJson() : Json();
    return json;
  }

 private:
  static constexpr double kAcceptAt = 10;  // alpha_A = 0.10

  GateSection config_;
  double reject_at_;
  GuardedEvidence sampled_;
  std::optional<GuardedEvidence> greedy_;
};

class NoGate : public Gate {
 public:
  GatePlan Plan() const override { return {0, 1, true}; }
  void Add(const PairedOutcome&) override {}
  GateDecision Decide(bool) override { return GateDecision::kAccept; }
  Json Evidence() const override { return {{"rule", "none"}, {"problems", 0}}; }
};

}  // namespace

std::unique_ptr<Gate> MakeGate(const GateSection& config, const GateContext& context) {
  if (config.rule == "threshold") return std::make_unique<ThresholdGate>(config);
  if (config.rule == "fixed") return std::make_unique<FixedGate>(config, context.anchor_accuracy);
  if (config.rule == "sequential") return std::make_unique<SequentialGate>(config, context);
  return std::make_unique<NoGate>();
}

int PlannedTests(const GateSection& config, int stages) {
  const int attempts = 1 + (config.on_reject == "retry" ? config.max_retries : 0);
  return (config.greedy ? 4 : 2) * stages * attempts * (1 + static_cast<int>(config.soup.size()));
}

int GateProblems(const GateSection& config) {
  if (config.rule == "none") return 0;
  return config.rule == "sequential" ? config.max_problems : config.problems;
}

int AnswersPerProblem(const GateSection& config) {
  if (config.rule == "threshold") return 1;
  return config.samples + (config.rule == "sequential" && config.greedy ? 1 : 0);
}

int GatePool(const GateSection& config) {
  return GateProblems(config) * (config.rule == "sequential" ? 2 : 1);
}

GateSection NextGate(GateSection config, int holds) {
  if (config.rule == "sequential" && holds >= 2) config.max_problems = GatePool(config);
  return config;
}

double DetectableDrop(const GateSection& config, double churn, long long problems) {
  const double k = config.rule == "threshold" ? 1 : config.samples;
  // Variance of a mean of k answers over that of one, difficulty spread evenly: 1/12 + 1/(6k).
  const double variance = churn * (1.0 / 12 + 1 / (6 * k)) * 4;
  return MinimumDetectableDifference(std::sqrt(variance), problems).value_or(1);
}

std::string GateReach(const GateSection& config) {
  const int problems = GateProblems(config);
  const double reach = DetectableDrop(config, kUsualChurn, problems);
  const double tolerance = Tolerance(config, kUsualAccuracy);
  std::string text = fmt::format(
      "{} problems find a drop of {:.1f} points (power 80 %, false alarms 5 %, 20 % of answers "
      "changing by chance); the rule's tolerance is {:.1f} points",
      problems, 100 * reach, 100 * tolerance);
  if (reach > tolerance) {
    const double needed = problems * (reach / tolerance) * (reach / tolerance);
    text +=
        tolerance > 0 ? fmt::format("; {:.0f} problems would find that", std::ceil(needed)) : "";
  }
  return text;
}

double Tolerance(const GateSection& config, double anchor_accuracy) {
  return config.rule == "threshold" ? config.max_drop / 100 : DefaultMargin(anchor_accuracy);
}

}  // namespace pawl
