// Grading of hostile answers, each by itself, by every reward: the aim is under 10 ms each.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "reward/reward.h"

namespace pawl {
namespace {

std::string Repeated(const std::string& text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

struct Hostile {
  const char* name;
  std::string text, gold;
};

std::vector<Hostile> Answers() {
  const std::string nines(1'000'000, '9'), boxes = Repeated("\\boxed{", 100'000);
  const std::string grouped = "9" + Repeated(",999", 250'000);
  return {{"million_digits", "#### " + nines, "18"},
          {"million_digits_both", "#### " + nines, nines},
          {"million_digits_fraction", "\\boxed{" + nines + "/" + nines + "}", "1"},
          {"million_digits_grouped", "#### " + grouped, "18"},
          {"million_zeros_after_point", "#### 18." + std::string(1'000'000, '0'), "18"},
          {"nested_boxes_open", boxes, "18"},
          {"nested_boxes_closed", boxes + "18" + std::string(100'000, '}'), "18"},
          {"nested_text", Repeated("\\text{", 100'000) + std::string(100'000, '}'), "18"},
          {"division_by_zero", "\\boxed{1/0}", "18"},
          {"many_markers", Repeated("#### 1\n", 100'000), "18"},
          {"many_boxes", Repeated("\\boxed{1} ", 100'000), "18"},
          {"million_dollars", std::string(1'000'000, '$') + "18", "18"},
          {"million_spaces", "#### 18" + std::string(1'000'000, ' '), "18"},
          {"million_signs", "\\boxed{" + std::string(1'000'000, '-') + "18}", "18"},
          {"million_points", std::string(1'000'000, '.'), "18"},
          {"power_tower", "\\boxed{9^{9^{9^{9^{9}}}}}", "18"}};
}

void Grade(benchmark::State& state, const Reward& reward, const Hostile& answer) {
  Problem problem;
  problem.answer = answer.gold;
  double value = 0;
  for (auto _ : state) value = reward.Grade({answer.text, false, 0}, problem).value;
  state.counters["value"] = value;
}

}  // namespace
}  // namespace pawl

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  static const auto answers = pawl::Answers();
  std::vector<std::unique_ptr<pawl::Reward>> rewards;
  for (const char* name : {"gsm8k-strict", "gsm8k-flexible", "math", "exact", "choice", "format"}) {
    auto reward = pawl::MakeReward({name});
    if (!reward) std::abort();
    rewards.push_back(std::move(*reward));
    for (const auto& answer : answers) {
      benchmark::RegisterBenchmark((std::string(name) + "/" + answer.name).c_str(), pawl::Grade,
                                   std::cref(*rewards.back()), std::cref(answer))
          ->Unit(benchmark::kMillisecond);
    }
  }
  benchmark::RunSpecifiedBenchmarks();
}
