// The operating characteristics of the gates as a Markdown table (docs/EXPERIMENTS.md):
//   build/release/benchmarks/gate_characteristics [runs]
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "pipeline/gate_simulation.h"

int main(int argc, char** argv) {
  using namespace pawl;
  const int runs = argc > 1 ? std::max(1, std::atoi(argv[1])) : 2000;
  std::puts("| rule | base | change | k | budget | rollback | accept | hold | problems |");
  std::puts("|---|---|---|---|---|---|---|---|---|");
  const auto row = [&](const char* rule, double base, double change, int k, int budget) {
    GateSection config;
    config.rule = rule;
    config.samples = k;
    config.problems = config.max_problems = budget;
    const GateRates rates = Simulate(config, {base, change, 0.2, budget, runs});
    std::puts(
        fmt::format("| {} | {:.0f} % | {:+.0f} | {} | {} | {:.3f} | {:.3f} | {:.3f} | {:.0f} |",
                    rule, 100 * base, 100 * change, k, budget, rates.rollback, rates.accept,
                    rates.hold, rates.problems)
            .c_str());
  };
  for (const double change : {0.0, -0.03, -0.059}) row("sequential", 0.06, change, 4, 400);
  for (const double base : {0.3, 0.5, 0.8}) {
    for (const double change : {0.05, 0.0, -0.05, -0.1, -0.2})
      row("sequential", base, change, 4, 200);
    for (const double change : {0.0, -0.05, -0.1}) row("sequential", base, change, 4, 400);
  }
  for (const int budget : {20, 50}) row("sequential", 0.3, -0.1, 8, budget);
  for (const double change : {0.0, -0.1}) {
    row("fixed", 0.3, change, 4, 100);
    row("threshold", 0.3, change, 1, 20);
    row("threshold", 0.3, change, 1, 50);
    row("threshold", 0.8, change, 1, 20);
  }
}
