// What the word MODEL on the command line means: a Hugging Face folder, a PEFT folder with
// base.json beside the adapter (as pawl's runs write), or "starter".
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/error.h"

namespace pawl {

struct LocatedModel {
  std::filesystem::path folder;                  // config.json and weights
  std::optional<std::filesystem::path> adapter;  // a PEFT folder to put on it
  std::filesystem::path tokenizer;               // where tokenizer.json is looked for
};

// starter_folder: where the built-in model lies.  A path that does not exist is kUsage; base.json
// that names a folder which is gone is kBadFile.
Result<LocatedModel> LocateModel(const std::string& name,
                                 const std::filesystem::path& starter_folder);

// models/starter beside the project the running program was built from.
std::filesystem::path StarterFolder();

}  // namespace pawl
