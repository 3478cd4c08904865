#include "study/study_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/nearest.h"
#include "pipeline/config.h"
#include "pipeline/toml.h"

namespace pawl {
namespace {

using Wrongs = std::vector<std::string>;

void CheckKeys(const toml::table& table, const std::string& path,
               const std::vector<std::string>& known, Wrongs& wrongs) {
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      wrongs.push_back(fmt::format("{}{}: unknown key{}", path, name, DidYouMean(name, known)));
    }
  }
}

// Reads `key` where it is there; another type is a problem.
template <class T>
void Read(const toml::table& table, const std::string& path, const char* key, const char* expected,
          T& value, Wrongs& wrongs) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return;
  const auto read = node->value_exact<T>();
  if (read) {
    value = *read;
  } else {
    wrongs.push_back(fmt::format("{}{}: expected {}", path, key, expected));
  }
}

// A list of T, or a problem.
template <class T, class Take>
void ReadList(const toml::table& table, const std::string& path, const char* key,
              const char* expected, const Take& take, Wrongs& wrongs) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return;
  const toml::array* list = node->as_array();
  bool fine = list != nullptr;
  for (std::size_t i = 0; fine && i < list->size(); ++i) {
    const auto value = list->get(i)->value_exact<T>();
    fine = value && take(*value);
  }
  if (!fine) wrongs.push_back(fmt::format("{}{}: expected {}", path, key, expected));
}

bool IsFolderName(const std::string& name) {
  return !name.empty() && name[0] != '.' &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") ==
             std::string::npos;
}

void ReadVariant(const toml::table& table, std::size_t index, const std::filesystem::path& folder,
                 StudyConfig& study, Wrongs& wrongs) {
  StudyVariant variant;
  variant.config = study.config;
  const std::string path = fmt::format(
      "variant.{}.", table["name"].value<std::string>().value_or(std::to_string(index)));
  CheckKeys(table, path, {"name", "train", "set", "config", "note"}, wrongs);
  Read(table, path, "name", "a text", variant.name, wrongs);
  Read(table, path, "note", "a text", variant.note, wrongs);
  Read(table, path, "train", "true or false", variant.train, wrongs);
  std::string config;
  Read(table, path, "config", "a file", config, wrongs);
  if (!config.empty()) variant.config = folder / config;
  ReadList<std::string>(
      table, path, "set", "a list of texts \"key=value\"",
      [&](const std::string& set) {
        variant.sets.push_back(set);
        return set.find('=') != std::string::npos;
      },
      wrongs);
  if (!IsFolderName(variant.name)) {
    wrongs.push_back(path + "name: expected letters, digits, '_', '-' and '.'");
  }
  if (!variant.train && !variant.sets.empty()) {
    wrongs.push_back(path + "set: a variant that is not trained has nothing to set");
  }
  study.variants.push_back(std::move(variant));
}

}  // namespace

Result<StudyConfig> ParseStudy(const std::string& text, const std::string& place,
                               const std::filesystem::path& folder) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    return Usage(fmt::format("{}: line {}: {}", place, parsed.error().source().begin.line,
                             std::string(parsed.error().description())));
  }
  const toml::table& root = parsed.table();
  Wrongs wrongs;
  StudyConfig study;
  CheckKeys(root, "", {"name", "config", "seeds", "bench", "variant"}, wrongs);
  Read(root, "", "name", "a text", study.name, wrongs);
  if (study.name.empty()) study.name = std::filesystem::path(place).stem().string();
  std::string config;
  Read(root, "", "config", "a file", config, wrongs);
  if (config.empty())
    wrongs.push_back("config: is missing, expected the configuration of the runs");
  study.config = folder / config;
  if (root.get("seeds") != nullptr) study.seeds.clear();
  ReadList<std::int64_t>(
      root, "", "seeds", "a list of one or more whole numbers from 0",
      [&](std::int64_t seed) {
        study.seeds.push_back(static_cast<std::uint64_t>(seed));
        return seed >= 0;
      },
      wrongs);
  if (study.seeds.empty()) wrongs.push_back("seeds: expected one or more");
  if (const toml::node* node = root.get("bench"); node != nullptr && node->is_table()) {
    const toml::table& bench = *node->as_table();
    CheckKeys(bench, "bench.", {"samples", "limit"}, wrongs);
    std::int64_t samples = 1, limit = 0;
    Read(bench, "bench.", "samples", "a whole number", samples, wrongs);
    Read(bench, "bench.", "limit", "a whole number", limit, wrongs);
    if (samples < 1 || samples > 1000) wrongs.push_back("bench.samples: expected 1 to 1000");
    if (limit < 0) wrongs.push_back("bench.limit: expected 0 (all) or more");
    study.samples = static_cast<int>(std::clamp<std::int64_t>(samples, 1, 1000));
    study.limit = limit;
  } else if (node != nullptr) {
    wrongs.push_back("bench: expected a table [bench]");
  }
  const toml::array* variants = root["variant"].as_array();
  for (std::size_t i = 0; variants != nullptr && i < variants->size(); ++i) {
    const toml::table* table = variants->get(i)->as_table();
    if (table == nullptr) {
      wrongs.push_back("variant: expected a list of tables [[variant]]");
      break;
    }
    ReadVariant(*table, i, folder, study, wrongs);
  }
  if (study.variants.empty()) wrongs.push_back("variant: expected one or more [[variant]]");
  std::set<std::string> names;
  for (const StudyVariant& variant : study.variants) {
    if (!names.insert(variant.name).second) {
      wrongs.push_back(fmt::format("variant.{}: the name occurs twice", variant.name));
    }
  }
  if (wrongs.empty()) return study;
  return Usage(fmt::format("{}: {} problem{}\n  {}", place, wrongs.size(),
                           wrongs.size() == 1 ? "" : "s", fmt::join(wrongs, "\n  ")));
}

Result<StudyConfig> LoadStudy(const std::filesystem::path& file) {
  PAWL_ASSIGN(const std::string text, ReadFile(file, std::size_t{16} << 20));
  PAWL_ASSIGN(StudyConfig study, ParseStudy(text, file.string(), file.parent_path()));
  std::string wrong;
  for (const StudyVariant& variant : study.variants) {
    const auto config = LoadConfig(variant.config, variant.sets);
    if (!config) wrong += fmt::format("\nvariant {}: {}", variant.name, config.error().message);
  }
  if (!wrong.empty()) return Usage(file.string() + ":" + wrong);
  return study;
}

}  // namespace pawl
