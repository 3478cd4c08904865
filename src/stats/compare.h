// Two models on the same problems.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "stats/intervals.h"

namespace pawl {

// One model's outcomes: per problem id, which of its samples were right.
using Outcomes = std::map<std::string, std::vector<bool>>;

struct PairedComparison {
  std::size_t problems = 0, wins = 0, losses = 0,
              ties = 0;   // wins: candidate right, baseline wrong
  double difference = 0;  // candidate - baseline
  std::optional<Interval>
      interval95;  // Newcombe for one answer a problem, t over problems for more
  std::optional<double> mcnemar_exact_p, mcnemar_mid_p;  // absent for more than one answer
  double e_regression = 1, e_noninferior = 1, e_improvement = 1, margin = 0;
  std::optional<double> mde;
  std::optional<double> p_value;  // two-sided: McNemar's exact one, or t over problems; absent
                                  // where undefined
  std::string verdict;            // "better" | "not worse" | "worse" | "not distinguishable"
};

// kUsage when the sets of problems differ, naming an example; one model may have more samples than
// the other.
Result<PairedComparison> ComparePaired(const Outcomes& baseline, const Outcomes& candidate);

// The verdict where `candidates` models were compared with one baseline: e-values must reach as
// many times 20 (Bonferroni).
std::string CorrectedVerdict(const PairedComparison& comparison, std::size_t candidates);

}  // namespace pawl
