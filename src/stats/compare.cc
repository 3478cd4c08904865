#include "stats/compare.h"

#include <fmt/format.h>

#include <cmath>

#include "stats/e_process.h"

namespace pawl {
namespace {

constexpr double kThreshold = 20;  // e-values: one in twenty under the null

double Fraction(const std::vector<bool>& samples) {
  double right = 0;
  for (const bool correct : samples) right += correct ? 1 : 0;
  return samples.empty() ? 0 : right / static_cast<double>(samples.size());
}

Status CheckSameProblems(const Outcomes& a, const Outcomes& b) {
  for (const auto& [left, right, name] :
       {std::tuple(&a, &b, "candidate"), std::tuple(&b, &a, "baseline")}) {
    for (const auto& entry : *left) {
      if (!right->contains(entry.first)) {
        return Usage(
            fmt::format("the problem sets differ: \"{}\" is missing from the {} ({} and {} "
                        "problems)",
                        entry.first, name, a.size(), b.size()));
      }
    }
  }
  return {};
}

}  // namespace

Result<PairedComparison> ComparePaired(const Outcomes& baseline, const Outcomes& candidate) {
  PAWL_TRY(CheckSameProblems(baseline, candidate));
  PairedComparison out;
  std::vector<double> differences;
  bool single = true;
  double base_sum = 0;
  PairedTable table;
  for (const auto& [id, base] : baseline) {
    const std::vector<bool>& other = candidate.at(id);
    single = single && base.size() == 1 && other.size() == 1;
    const double x = Fraction(base), y = Fraction(other);
    base_sum += x;
    differences.push_back(y - x);
    out.wins += y > x ? 1 : 0;
    out.losses += y < x ? 1 : 0;
    out.ties += y == x ? 1 : 0;
    if (single) {
      ++(x > 0 ? (y > 0 ? table.both : table.only_second)
               : (y > 0 ? table.only_first : table.neither));
    }
  }
  out.problems = differences.size();
  const double n = static_cast<double>(out.problems);
  for (const double d : differences) out.difference += d;
  out.difference /= std::max(n, 1.0);
  out.margin = DefaultMargin(n > 0 ? base_sum / n : 0);
  PairedEvidence evidence(out.margin);
  for (const double d : differences) evidence.Add(d);
  out.e_regression = evidence.Regression();
  out.e_noninferior = evidence.NonInferior();
  out.e_improvement = evidence.Improvement();
  if (single && out.problems > 0) {
    const auto interval = NewcombePaired(table);
    if (interval) out.interval95 = Interval{interval->low, interval->high};
    const auto b = static_cast<long long>(out.losses), c = static_cast<long long>(out.wins);
    out.mcnemar_exact_p = McNemarExact(b, c);
    out.mcnemar_mid_p = McNemarMidP(b, c);
  } else if (const auto interval = TInterval(differences)) {
    out.interval95 = interval->interval;
  }
  // With one answer a problem the churn is the variance (Connor 1987); else it is estimated.
  if (single && out.problems > 0) {
    const double churn = static_cast<double>(out.wins + out.losses) / n;
    out.mde = MinimumDetectableDifference(std::sqrt(churn), static_cast<long long>(out.problems));
  } else if (const auto spread = TInterval(differences)) {
    out.mde = MinimumDetectableDifference(spread->standard_error * std::sqrt(n),
                                          static_cast<long long>(out.problems));
  }
  if (out.mcnemar_exact_p) {
    out.p_value = out.mcnemar_exact_p;
  } else if (const auto t = TInterval(differences); t && t->standard_error > 0) {
    out.p_value = StudentTTwoSided(t->mean / t->standard_error, n - 1);
  } else if (t && t->mean == 0) {
    out.p_value = 1;  // no difference anywhere
  }
  out.verdict = CorrectedVerdict(out, 1);
  return out;
}

std::string CorrectedVerdict(const PairedComparison& c, std::size_t candidates) {
  const double threshold = kThreshold * static_cast<double>(candidates);
  return c.e_regression >= threshold    ? "worse"
         : c.e_improvement >= threshold ? "better"
         : c.e_noninferior >= threshold ? "not worse"
                                        : "not distinguishable";
}

}  // namespace pawl
