// The configuration of a study: one base configuration and variants of it.
//
//   name = "variants"
//   config = "../quickstart.toml"     # of every variant; relative to this file
//   seeds = [1]                       # each variant is run with each of them
//   [bench]
//   samples = 1                       # 1: greedy; more: at temperature 1
//   limit = 300                       # test problems; 0: all of the base configuration's
//   [[variant]]
//   name = "base"
//   train = false                     # the untrained model
//   [[variant]]
//   name = "fast"
//   set = ["stage.basic.max_steps=2"] # as for run --set
//   config = "other.toml"             # instead of the study's
//   note = "shown in the report"
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace pawl {

struct StudyVariant {
  std::string name, note;
  std::filesystem::path config;
  std::vector<std::string> sets;
  bool train = true;
};
struct StudyConfig {
  std::string name;
  std::filesystem::path config;
  std::vector<std::uint64_t> seeds = {1};
  int samples = 1;
  long long limit = 0;
  std::vector<StudyVariant> variants;  // the first is the baseline of all comparisons
};

// Every problem at once (kUsage): unknown keys with the nearest valid one, wrong types, names that
// occur twice or cannot be folders, no variant; and what is wrong with a variant's own
// configuration.
Result<StudyConfig> LoadStudy(const std::filesystem::path& file);
// folder: what relative paths count from.  Does not look at the variants' configurations.
Result<StudyConfig> ParseStudy(const std::string& text, const std::string& place,
                               const std::filesystem::path& folder);

}  // namespace pawl
