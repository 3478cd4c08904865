#include <fmt/format.h>

#include <sstream>

#include "pipeline/config_keys.h"
#include "pipeline/toml.h"

namespace pawl {
namespace {

struct WriteFrom {
  toml::table& table;
  const char* name;

  void operator()(const int& value) { table.insert(name, static_cast<std::int64_t>(value)); }
  void operator()(const double& value) { table.insert(name, value); }
  void operator()(const bool& value) { table.insert(name, value); }
  void operator()(const std::string& value) { table.insert(name, value); }
  void operator()(const std::uint64_t& value) {
    table.insert(name, static_cast<std::int64_t>(value));
  }
  template <class T>
  void operator()(const std::vector<T>& value) {
    toml::array list;
    for (const T& item : value) list.push_back(item);
    table.insert(name, std::move(list));
  }
};

template <class Section>
toml::table SectionTable(const Section& section, const std::vector<ConfigKey<Section>>& keys) {
  toml::table table;
  Section copy = section;
  for (const auto& key : keys) {
    WriteFrom write{table, key.name};
    key.Visit(copy, write);
  }
  return table;
}

struct WriteJsonFrom {
  Json& json;
  const char* name;
  template <class T>
  void operator()(const T& value) {
    json[name] = value;
  }
};

}  // namespace

Json StageJson(const StageConfig& stage) {
  Json json = Json::object();
  StageConfig copy = stage;
  for (const auto& key : StageKeys()) {
    WriteJsonFrom write{json, key.name};
    key.Visit(copy, write);
  }
  return json;
}

std::string WriteConfig(const RunConfig& c) {
  toml::table root;
  toml::table model = SectionTable(c.model, ModelKeys());
  model.insert("new", SectionTable(c.new_model, NewModelKeys()));
  root.insert("model", std::move(model));
  root.insert("lora", SectionTable(c.lora, LoraKeys()));
  root.insert("data", SectionTable(c.data, DataKeys()));
  root.insert("prompt", SectionTable(c.prompt, PromptKeys()));
  root.insert("defaults", SectionTable(c.defaults, StageKeys()));
  root.insert("gate", SectionTable(c.gate, GateKeys()));
  root.insert("health", SectionTable(c.health, HealthKeys()));
  root.insert("benchmark", SectionTable(c.benchmark, BenchmarkKeys()));
  root.insert("run", SectionTable(c.run, RunKeys()));
  toml::array stages, rewards;
  for (const StageConfig& stage : c.stages) stages.push_back(SectionTable(stage, StageKeys()));
  for (const RewardConfig& reward : c.rewards)
    rewards.push_back(SectionTable(reward, RewardKeys()));
  root.insert("stage", std::move(stages));
  root.insert("reward", std::move(rewards));
  std::ostringstream text;
  text << root << "\n";
  return text.str();
}

}  // namespace pawl
