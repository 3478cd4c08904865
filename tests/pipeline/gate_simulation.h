// Gates on made-up populations, whose true change is known: how often they are right.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/philox.h"
#include "pipeline/gate.h"

namespace pawl {

struct GateScenario {
  double base = 0.3;   // mean accuracy of the anchor
  double change = 0;   // of the candidate's mean accuracy
  double churn = 0.2;  // share of problems whose difficulty is drawn anew
  int pool = 400;
  int runs = 400;
};
struct GateRates {
  double rollback = 0, accept = 0, hold = 0, problems = 0;  // shares of runs; mean problems used
};

// Difficulty p ~ Beta(m, 1 - m), by Johnk 1964.
inline double Difficulty(double mean, RandomStream& random) {
  for (;;) {
    const double x = std::pow(random.Uniform(), 1 / mean);
    const double y = std::pow(random.Uniform(), 1 / (1 - mean));
    if (x + y <= 1 && x + y > 0) return x / (x + y);
  }
}

inline double Share(double p, int samples, RandomStream& random) {
  int right = 0;
  for (int s = 0; s < samples; ++s) right += random.Chance(p) ? 1 : 0;
  return static_cast<double>(right) / samples;
}

// The candidate keeps a problem's difficulty or draws it anew, and is scaled to the wanted mean.
inline GateRates Simulate(const GateSection& config, const GateScenario& scenario) {
  GateRates rates;
  const double target = scenario.base + scenario.change;
  for (int run = 0; run < scenario.runs; ++run) {
    RandomStream random(
        {static_cast<std::uint64_t>(run), RandomPurpose::kTest,
         static_cast<std::uint64_t>(1000 * scenario.base + 1e6 * (1 + scenario.change)), 0});
    const auto gate = MakeGate(config, {scenario.base, 1, false});
    GateDecision decision = GateDecision::kKeepTesting;
    int used = 0;
    while (decision == GateDecision::kKeepTesting) {
      const GatePlan plan = gate->Plan();
      for (int i = 0; i < plan.batch && used < scenario.pool; ++i, ++used) {
        const double p = Difficulty(scenario.base, random);
        double q = random.Chance(scenario.churn) ? Difficulty(scenario.base, random) : p;
        q = scenario.change <= 0 ? q * target / scenario.base
                                 : 1 - (1 - q) * (1 - target) / (1 - scenario.base);
        PairedOutcome outcome;
        outcome.anchor = Share(p, plan.samples, random);
        outcome.candidate = Share(q, plan.samples, random);
        // The greedy answer is right where most samples are.
        outcome.greedy = {p > 0.5 ? 1.0 : 0.0, q > 0.5 ? 1.0 : 0.0};
        gate->Add(outcome);
      }
      decision = gate->Decide(used == scenario.pool);
    }
    rates.problems += used;
    rates.rollback += decision == GateDecision::kRollback ? 1 : 0;
    rates.accept += decision == GateDecision::kAccept ? 1 : 0;
    rates.hold += decision == GateDecision::kHold ? 1 : 0;
  }
  for (double* rate : {&rates.rollback, &rates.accept, &rates.hold, &rates.problems}) {
    *rate /= scenario.runs;
  }
  return rates;
}

}  // namespace pawl
