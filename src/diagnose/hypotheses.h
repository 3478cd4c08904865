// The hypotheses, each a function of the records.  What the records do not hold makes a finding
// that cannot be told and says what to do.
#pragma once

#include "diagnose/finding.h"
#include "records/records.h"

namespace pawl {

Finding Forgetting(const RunRecords& run);
Finding Overfitting(const RunRecords& run);
Finding ObjectiveMismatch(const RunRecords& run);
Finding Convergence(const RunRecords& run);
Finding StepSize(const RunRecords& run);
Finding Drift(const RunRecords& run);
Finding Capacity(const RunRecords& run);
Finding AnswerErrors(const RunRecords& run);
Finding SpeedChange(const RunRecords& run);

// Measurements of points: a difference of shares times 100.
inline constexpr double kMarginPoints = 5;

// Shares of right answers of the problems of both, paired; in the order of `a`.
struct PairedShares {
  std::vector<double> a, b, difference;
  long long kept = 0, lost = 0, gained = 0, neither = 0;  // first answers
};
// level: only problems of it; 0: all.
PairedShares PairShares(const BenchRecord& a, const BenchRecord& b, int level = 0);
// The run's base and final results: sampled where both have them, else greedy; null when missing.
struct BasePair {
  const BenchRecord* base = nullptr;
  const BenchRecord* after = nullptr;
  explicit operator bool() const { return base != nullptr && after != nullptr; }
};
BasePair SampledPair(const RunRecords& run);
BasePair GreedyPair(const RunRecords& run);
// Levels of the problems, ascending.
std::vector<int> Levels(const BenchRecord& bench);
// What probe.json has on a model ("base", a stage's name, "final"); null when missing.
const Json& ProbedModel(const RunRecords& run, const std::string& name);
std::vector<double> Numbers(const Json& list);  // those of a list; others are left out
// "file in the run's folder".
std::string SourceOf(const RunRecords& run, const BenchRecord& bench);
Measurement MeanMeasurement(std::string name, const std::optional<MeanInterval>& mean, double scale,
                            std::size_t n, std::string unit, std::string source);
// A share k of n with Wilson's interval.
Measurement ShareMeasurement(std::string name, long long k, long long n, std::string source);

inline constexpr const char* kProbeHint = "pawl diagnose RUN_DIR measures the run's models";

}  // namespace pawl
