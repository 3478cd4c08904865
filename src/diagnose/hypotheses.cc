#include "diagnose/hypotheses.h"

#include <map>
#include <set>

#include "records/fields.h"

namespace pawl {

PairedShares PairShares(const BenchRecord& a, const BenchRecord& b, int level) {
  std::map<std::string, const AnsweredProblem*> by_id;
  for (const AnsweredProblem& problem : b.problems) by_id[problem.id] = &problem;
  PairedShares out;
  for (const AnsweredProblem& problem : a.problems) {
    const auto other = by_id.find(problem.id);
    if (other == by_id.end() || (level != 0 && problem.level != level)) continue;
    if (problem.samples.empty() || other->second->samples.empty()) continue;
    out.a.push_back(problem.Share());
    out.b.push_back(other->second->Share());
    out.difference.push_back(out.b.back() - out.a.back());
    const bool before = problem.samples[0].correct, after = other->second->samples[0].correct;
    ++(before ? (after ? out.kept : out.lost) : (after ? out.gained : out.neither));
  }
  return out;
}

BasePair GreedyPair(const RunRecords& run) { return {run.Bench("base"), run.Bench("final")}; }
BasePair SampledPair(const RunRecords& run) {
  const BasePair sampled{run.Bench("base_sampled"), run.Bench("final_sampled")};
  return sampled ? sampled : GreedyPair(run);
}

std::vector<int> Levels(const BenchRecord& bench) {
  std::set<int> levels;
  for (const AnsweredProblem& problem : bench.problems) {
    if (problem.level) levels.insert(*problem.level);
  }
  return {levels.begin(), levels.end()};
}

const Json& ProbedModel(const RunRecords& run, const std::string& name) {
  for (const Json& model : FieldAt(run.probe, "models")) {
    if (TextAt(model, "name") == name) return model;
  }
  return FieldAt(Json(), "");
}

std::vector<double> Numbers(const Json& list) {
  std::vector<double> numbers;
  if (!list.is_array()) return numbers;
  for (const Json& item : list) {
    if (item.is_number()) numbers.push_back(item.get<double>());
  }
  return numbers;
}

std::string SourceOf(const RunRecords& run, const BenchRecord& bench) {
  return bench.file.lexically_relative(run.folder).string();
}

Measurement MeanMeasurement(std::string name, const std::optional<MeanInterval>& mean, double scale,
                            std::size_t n, std::string unit, std::string source) {
  Measurement m;
  m.name = std::move(name);
  if (mean) {
    m.value = scale * mean->mean;
    m.interval95 = Interval{scale * mean->interval.low, scale * mean->interval.high};
  }
  m.n = static_cast<long long>(n);
  m.unit = std::move(unit);
  m.source = std::move(source);
  return m;
}

Measurement ShareMeasurement(std::string name, long long k, long long n, std::string source) {
  Measurement m;
  m.name = std::move(name);
  if (n > 0) m.value = static_cast<double>(k) / static_cast<double>(n);
  m.interval95 = Wilson(k, n);
  m.n = n;
  m.unit = "share";
  m.source = std::move(source);
  return m;
}

}  // namespace pawl
