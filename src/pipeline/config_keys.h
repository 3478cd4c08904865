// One table of keys per section: name, member, allowed range.  Reading, checking and writing go
// through it, so that a key is written down once.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "pipeline/config.h"

namespace pawl {

template <class Section>
struct ConfigKey {
  using Member = std::variant<int Section::*, double Section::*, bool Section::*,
                              std::string Section::*, std::uint64_t Section::*,
                              std::vector<double> Section::*, std::vector<std::string> Section::*>;
  ConfigKey(const char* key, Member m) : name(key), member(m) {}
  ConfigKey(const char* key, Member m, double lowest, double highest)
      : name(key), member(m), low(lowest), high(highest) {}
  ConfigKey(const char* key, Member m, std::vector<std::string> known)
      : name(key), member(m), choices(std::move(known)) {}

  const char* name;
  Member member;
  double low = -1e300, high = 1e300;  // of numbers, both allowed
  std::vector<std::string> choices;   // of strings; empty: anything

  // f(the member of `section`, in its own type).
  template <class F>
  auto Visit(Section& section, F& f) const {
    return std::visit([&](auto pointer) { return f(section.*pointer); }, member);
  }
};

const std::vector<ConfigKey<ModelSection>>& ModelKeys();
const std::vector<ConfigKey<NewModelSection>>& NewModelKeys();
const std::vector<ConfigKey<LoraSection>>& LoraKeys();
const std::vector<ConfigKey<DataSection>>& DataKeys();
const std::vector<ConfigKey<PromptConfig>>& PromptKeys();
const std::vector<ConfigKey<StageConfig>>& StageKeys();
const std::vector<ConfigKey<RewardConfig>>& RewardKeys();
const std::vector<ConfigKey<GateSection>>& GateKeys();
const std::vector<ConfigKey<HealthSection>>& HealthKeys();
const std::vector<ConfigKey<BenchmarkSection>>& BenchmarkKeys();
const std::vector<ConfigKey<RunSection>>& RunKeys();

Json StageJson(const StageConfig& stage);  // every setting of a stage

}  // namespace pawl
