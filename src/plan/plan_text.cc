#include <fmt/format.h>

#include "plan/plan.h"

namespace pawl {
namespace {

Json EstimateJson(const Estimate& e) { return {{"value", e.value}, {"interval", {e.low, e.high}}}; }
Json OptionalJson(const std::optional<double>& x) { return x ? Json(*x) : Json(); }

std::string Time(double seconds) {
  if (seconds < 100) return fmt::format("{:.3g} s", seconds);
  if (seconds < 5400) return fmt::format("{:.1f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}
std::string Range(const Estimate& e) {
  return fmt::format("{} ({} to {})", Time(e.value), Time(e.low), Time(e.high));
}
std::string Bytes(double bytes) {
  return bytes < 1e9 ? fmt::format("{:.1f} MB", bytes / 1e6)
                     : fmt::format("{:.2f} GB", bytes / 1e9);
}

}  // namespace

Json PlanJson(const RunPlan& plan) {
  Json json{{"format_version", 1},
            {"seconds", EstimateJson(plan.seconds)},
            {"benchmark_seconds", EstimateJson(plan.benchmark_seconds)},
            {"peak_rss_bytes", plan.peak_rss_bytes},
            {"disk_bytes", plan.disk_bytes},
            {"state_bytes", plan.state_bytes},
            {"measured_seconds", plan.measured_seconds},
            {"stages", Json::array()},
            {"gate", {{"rule", plan.gate_rule}, {"problems", plan.gate_problems}}}};
  for (const StagePlan& s : plan.stages) {
    json["stages"].push_back({{"name", s.name},
                              {"method", s.method},
                              {"steps", s.steps},
                              {"samples", s.samples},
                              {"answer_tokens", s.answer_tokens},
                              {"step_seconds", EstimateJson(s.step_seconds)},
                              {"seconds", EstimateJson(s.seconds)},
                              {"peak_rss_bytes", s.peak_rss_bytes},
                              {"cache_bytes", s.cache_bytes},
                              {"disk_bytes", s.disk_bytes}});
  }
  json["gate"]["detects"] = Json::array();
  for (const GatePlanRow& g : plan.gates) {
    json["gate"]["detects"].push_back({{"churn", g.churn},
                                       {"points", g.detectable_points},
                                       {"false_rollback", OptionalJson(g.false_rollback)},
                                       {"missed_10_points", OptionalJson(g.missed_10_points)}});
  }
  return json;
}

std::string PlanText(const RunPlan& plan) {
  std::string text =
      fmt::format("{:<16} {:>6} {:>8} {:>8}  {:<30} {:>10} {:>10} {:>9}\n", "stage", "steps",
                  "samples", "tokens", "time", "memory", "+ caches", "disk");
  for (const StagePlan& s : plan.stages) {
    text += fmt::format("{:<16} {:>6} {:>8.0f} {:>8.0f}  {:<30} {:>10} {:>10} {:>9}\n", s.name,
                        s.steps, s.samples, s.answer_tokens, Range(s.seconds),
                        Bytes(s.peak_rss_bytes), Bytes(s.cache_bytes), Bytes(s.disk_bytes));
  }
  text +=
      fmt::format("{:<41}  {}\n", "tests of base and final model", Range(plan.benchmark_seconds));
  text += fmt::format("{:<41}  {:<30} {:>10} {:>20}\n", "in all", Range(plan.seconds),
                      Bytes(plan.peak_rss_bytes), Bytes(plan.disk_bytes));
  if (plan.gates.empty()) {
    text += "\nNo gate: nothing is tested between the stages.\n";
  } else {
    text += fmt::format("\nEach gate ({}) tests {}{} problems:\n", plan.gate_rule,
                        plan.gate_rule == "sequential" ? "up to " : "", plan.gate_problems);
  }
  for (const GatePlanRow& g : plan.gates) {
    text += fmt::format(
        "  where {:.0f} % of the problems change anyway: sees {:.0f} points 8 times "
        "in 10",
        100 * g.churn, g.detectable_points);
    if (g.false_rollback && g.missed_10_points) {
      text += fmt::format(
          "; rolls an unchanged model back with {:.0f} %, misses a loss of 10 points "
          "with {:.0f} %",
          100 * *g.false_rollback, 100 * *g.missed_10_points);
    }
    text += "\n";
  }
  text += fmt::format(
      "\nMeasured in {} on this machine from steps and answers of the untrained model. "
      "Assumed: "
      "answers grow to the length of the reference solutions, and half of the groups carry a "
      "signal; "
      "the intervals go from a quarter to all of them, and to answers a quarter longer.\n",
      Time(plan.measured_seconds));
  return text;
}

}  // namespace pawl
