#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/file.h"
#include "base/nearest.h"
#include "pipeline/config_checks.h"
#include "pipeline/config_keys.h"
#include "pipeline/toml.h"

namespace pawl {
namespace {

using Wrongs = std::vector<std::string>;

std::string Show(const toml::node& node) {
  if (const auto* text = node.as_string()) return fmt::format("\"{}\"", text->get());
  if (const auto* number = node.as_integer()) return fmt::format("{}", number->get());
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
  return node.is_array() ? "a list" : node.is_table() ? "a table" : "a value of another type";
}

// Reads a node into a member of each possible type; false: wrong type or range.
struct ReadInto {
  const toml::node& node;
  double low, high;
  const std::vector<std::string>& choices;
  std::string expected;

  template <class T>
  bool Number(T& member) {
    if constexpr (std::is_floating_point_v<T>) {
      expected = fmt::format("a number from {} to {}", low, high);
      const auto value = node.value<double>();
      if (!value || !(*value >= low && *value <= high)) return false;
      member = *value;
    } else {
      expected = fmt::format("a whole number from {} to {}", low, high);
      const auto* value = node.as_integer();
      if (value == nullptr || !(static_cast<double>(value->get()) >= low &&
                                static_cast<double>(value->get()) <= high)) {
        return false;
      }
      member = static_cast<T>(value->get());
    }
    return true;
  }
  bool operator()(int& member) { return Number(member); }
  bool operator()(double& member) { return Number(member); }
  bool operator()(std::uint64_t& member) { return Number(member); }
  bool operator()(bool& member) {
    expected = "true or false";
    const auto* value = node.as_boolean();
    if (value != nullptr) member = value->get();
    return value != nullptr;
  }
  bool operator()(std::string& member) {
    expected = "a text";
    const auto* value = node.as_string();
    if (value == nullptr) return false;
    if (!choices.empty()) {
      expected =
          fmt::format("one of {}{}", fmt::join(choices, ", "), DidYouMean(value->get(), choices));
      if (std::find(choices.begin(), choices.end(), value->get()) == choices.end()) return false;
    }
    member = value->get();
    return true;
  }
  bool operator()(std::vector<double>& member) {
    expected = "a list of numbers from 0";
    const auto* list = node.as_array();
    if (list == nullptr) return false;
    member.clear();
    for (const toml::node& item : *list) {
      const auto value = item.value<double>();
      if (!value || !(*value >= 0) || !std::isfinite(*value)) return false;
      member.push_back(*value);
    }
    return true;
  }
  bool operator()(std::vector<std::string>& member) {
    expected = "a text or a list of texts";
    if (const auto* one = node.as_string()) {
      member = {one->get()};
      return true;
    }
    const auto* list = node.as_array();
    if (list == nullptr) return false;
    member.clear();
    for (const toml::node& item : *list) {
      const auto* value = item.as_string();
      if (value == nullptr) return false;
      member.push_back(value->get());
    }
    return true;
  }
};

// Names that other trainers know and this one refuses, with the reason.
const char* WhyRefused(const std::string& key) {
  static const std::map<std::string, const char*> reasons = {
      {"top_p", "would sample from another distribution than the loss differentiates; remove it"},
      {"top_k", "would sample from another distribution than the loss differentiates; remove it"},
      {"min_p", "would sample from another distribution than the loss differentiates; remove it"},
      {"repetition_penalty",
       "would sample from another distribution than the loss differentiates; remove it"},
      {"reward_weights", "give each [[reward]] its own weight"},
      {"reward_funcs", "list rewards as [[reward]] tables"},
      {"top_entropy_quantile", "is not supported; all tokens are trained"},
      {"max_prompt_length", "prompts are never cut; a prompt that does not fit is an error"},
      {"bf16", "use [model] precision = \"bf16\""},
      {"seed", "belongs to [run]"},
  };
  const auto found = reasons.find(key);
  return found == reasons.end() ? nullptr : found->second;
}

template <class Section>
void ReadSection(const toml::table& table, const std::string& path,
                 const std::vector<ConfigKey<Section>>& keys, Section& section, Wrongs& wrongs,
                 const std::vector<std::string>& subtables = {}) {
  std::vector<std::string> names;
  for (const auto& key : keys) names.emplace_back(key.name);
  for (const auto& [toml_key, node] : table) {
    const std::string name(toml_key.str());
    if (std::find(subtables.begin(), subtables.end(), name) != subtables.end()) continue;
    const auto key = std::find_if(keys.begin(), keys.end(),
                                  [&](const auto& known) { return name == known.name; });
    if (key == keys.end() && WhyRefused(name) != nullptr) {
      wrongs.push_back(fmt::format("{}.{}: {}", path, name, WhyRefused(name)));
      continue;
    }
    if (key == keys.end()) {
      wrongs.push_back(fmt::format("{}.{}: unknown key{}", path, name, DidYouMean(name, names)));
      continue;
    }
    ReadInto read{node, key->low, key->high, key->choices, ""};
    const bool fine = key->Visit(section, read);
    if (!fine) {
      wrongs.push_back(
          fmt::format("{}.{}: got {}, expected {}", path, name, Show(node), read.expected));
    }
  }
}

// The table behind a key, when it is one.
const toml::table* Table(const toml::table& root, const char* name, Wrongs& wrongs) {
  const toml::node* node = root.get(name);
  if (node == nullptr) return nullptr;
  if (!node->is_table()) wrongs.push_back(fmt::format("{}: expected a table [{}]", name, name));
  return node->as_table();
}

const toml::array* Tables(const toml::table& root, const char* name, Wrongs& wrongs) {
  const toml::node* node = root.get(name);
  if (node == nullptr) return nullptr;
  const toml::array* list = node->as_array();
  if (list == nullptr || !list->is_homogeneous(toml::node_type::table)) {
    wrongs.push_back(fmt::format("{}: expected a list of tables [[{}]]", name, name));
    return nullptr;
  }
  return list;
}

void ReadAll(const toml::table& root, RunConfig& c, Wrongs& wrongs) {
  const std::vector<std::string> sections = {"model",    "lora",      "data",   "prompt",
                                             "defaults", "stage",     "reward", "gate",
                                             "health",   "benchmark", "run"};
  for (const auto& [key, node] : root) {
    const std::string name(key.str());
    if (std::find(sections.begin(), sections.end(), name) == sections.end()) {
      wrongs.push_back(fmt::format("{}: unknown section{}", name, DidYouMean(name, sections)));
    }
  }
  if (const auto* t = Table(root, "model", wrongs)) {
    ReadSection(*t, "model", ModelKeys(), c.model, wrongs, {"new"});
    if (const auto* shape = Table(*t, "new", wrongs)) {
      ReadSection(*shape, "model.new", NewModelKeys(), c.new_model, wrongs);
    }
  }
  if (const auto* t = Table(root, "lora", wrongs))
    ReadSection(*t, "lora", LoraKeys(), c.lora, wrongs);
  if (const auto* t = Table(root, "data", wrongs)) {
    const bool files = t->contains("train") || t->contains("validation") || t->contains("test");
    if (files && !t->contains("source")) c.data.source = "files";
    ReadSection(*t, "data", DataKeys(), c.data, wrongs);
  }
  if (const auto* t = Table(root, "prompt", wrongs)) {
    ReadSection(*t, "prompt", PromptKeys(), c.prompt, wrongs);
  }
  if (const auto* t = Table(root, "gate", wrongs))
    ReadSection(*t, "gate", GateKeys(), c.gate, wrongs);
  if (const auto* t = Table(root, "health", wrongs)) {
    ReadSection(*t, "health", HealthKeys(), c.health, wrongs);
  }
  if (const auto* t = Table(root, "benchmark", wrongs)) {
    ReadSection(*t, "benchmark", BenchmarkKeys(), c.benchmark, wrongs);
  }
  if (const auto* t = Table(root, "run", wrongs)) ReadSection(*t, "run", RunKeys(), c.run, wrongs);
  if (const auto* t = Table(root, "defaults", wrongs)) {
    ReadSection(*t, "defaults", StageKeys(), c.defaults, wrongs);
  }
  if (const auto* list = Tables(root, "stage", wrongs)) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      StageConfig stage = c.defaults;
      const toml::table& table = *list->get(i)->as_table();
      const auto name = table["name"].value<std::string>();
      ReadSection(table, "stage." + name.value_or(std::to_string(i)), StageKeys(), stage, wrongs);
      c.stages.push_back(std::move(stage));
    }
  }
  if (const auto* list = Tables(root, "reward", wrongs)) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      RewardConfig reward;
      ReadSection(*list->get(i)->as_table(), fmt::format("reward[{}]", i), RewardKeys(), reward,
                  wrongs);
      c.rewards.push_back(std::move(reward));
    }
  }
  if (c.rewards.empty()) c.rewards.push_back({"gsm8k-strict"});
}

// The table among root's [[list]] whose name is `name`.
toml::table* NamedTable(toml::table& root, const std::string& list, const std::string& name) {
  toml::array* tables = root[list].as_array();
  for (std::size_t i = 0; tables != nullptr && i < tables->size(); ++i) {
    toml::table* table = tables->get(i)->as_table();
    if (table != nullptr && (*table)["name"].value<std::string>() == name) return table;
  }
  return nullptr;
}

// The table that a dotted key's last part lies in, made where it is missing.
toml::table* TableOf(const std::vector<std::string>& path, toml::table& root, std::string& wrong) {
  const bool named = path.size() >= 2 && (path[0] == "stage" || path[0] == "reward");
  if (named && path.size() != 3) {
    wrong = fmt::format("expected {}.<name>.<key>=value", path[0]);
    return nullptr;
  }
  if (named) {
    toml::table* table = NamedTable(root, path[0], path[1]);
    if (table == nullptr) wrong = fmt::format("there is no {} \"{}\"", path[0], path[1]);
    return table;
  }
  toml::table* at = &root;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    if (at->get(path[i]) == nullptr) at->insert(path[i], toml::table{});
    at = at->get(path[i])->as_table();
    if (at == nullptr) {
      wrong = fmt::format("\"{}\" is not a table", path[i]);
      return nullptr;
    }
  }
  return at;
}

// Puts "a.b=value" into the tree before it is read; a stage or reward is named by its name.  What
// is no TOML value, and times of day, are texts.
void ApplySet(const std::string& set, toml::table& root, Wrongs& wrongs) {
  const std::size_t equals = set.find('=');
  if (equals == std::string::npos || equals == 0) {
    wrongs.push_back(fmt::format("--set {}: expected key=value", set));
    return;
  }
  const std::string value = set.substr(equals + 1);
  std::vector<std::string> path;
  for (std::size_t begin = 0; begin <= equals;) {
    const std::size_t dot = std::min(set.find('.', begin), equals);
    path.push_back(set.substr(begin, dot - begin));
    begin = dot + 1;
  }
  std::string wrong;
  toml::table* table = TableOf(path, root, wrong);
  if (table == nullptr) {
    wrongs.push_back(fmt::format("--set {}: {}", set, wrong));
    return;
  }
  toml::parse_result parsed = toml::parse("value = " + value);
  toml::node* node = parsed && parsed.table().size() == 1 ? parsed.table().get("value") : nullptr;
  if (node == nullptr || node->is_time() || node->is_date() || node->is_date_time()) {
    table->insert_or_assign(path.back(), value);
  } else {
    node->visit([&](auto&& typed) { table->insert_or_assign(path.back(), typed); });
  }
}

}  // namespace

Result<RunConfig> ParseConfig(const std::string& text, const std::string& place,
                              const std::vector<std::string>& sets) {
  toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    return Usage(fmt::format("{}: line {}: {}", place, parsed.error().source().begin.line,
                             std::string(parsed.error().description())));
  }
  Wrongs wrongs;
  toml::table& root = parsed.table();
  for (const std::string& set : sets) ApplySet(set, root, wrongs);
  RunConfig config;
  ReadAll(root, config, wrongs);
  CheckConfig(config, wrongs);
  if (wrongs.empty()) return config;
  return Usage(fmt::format("{}: {} problem{}\n  {}", place, wrongs.size(),
                           wrongs.size() == 1 ? "" : "s", fmt::join(wrongs, "\n  ")));
}

Result<RunConfig> LoadConfig(const std::filesystem::path& file,
                             const std::vector<std::string>& sets) {
  PAWL_ASSIGN(const std::string text, ReadFile(file, std::size_t{16} << 20));
  return ParseConfig(text, file.string(), sets);
}

}  // namespace pawl
