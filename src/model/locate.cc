#include "model/locate.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/json.h"

namespace pawl {
namespace fs = std::filesystem;

namespace {

// base.json: {"path": folder of the base (relative ones start at base.json), "sha256": ...}.
Result<fs::path> BaseOf(const fs::path& adapter) {
  const fs::path file = adapter / "base.json";
  PAWL_ASSIGN(const std::string text, ReadFile(file));
  PAWL_ASSIGN(const Json json, ParseJson(text, file.string()));
  PAWL_ASSIGN(const std::string path, JsonString(json, "path", file.string()));
  const fs::path base = fs::path(path).is_absolute() ? fs::path(path) : adapter / path;
  std::error_code ignored;
  if (!fs::is_directory(base, ignored)) {
    return BadFile(
        fmt::format("{}: names the base model {}, which is not a folder; move it back or "
                    "correct \"path\"",
                    file.string(), base.string()));
  }
  return base;
}

}  // namespace

Result<LocatedModel> LocateModel(const std::string& name, const fs::path& starter_folder) {
  const fs::path folder = name == "starter" ? starter_folder : fs::path(name);
  std::error_code ignored;
  if (!fs::exists(folder, ignored)) {
    return Usage(
        fmt::format("{}: no such model folder; expected a Hugging Face folder, a stage folder "
                    "of a run, or \"starter\"",
                    folder.string()));
  }
  if (!fs::is_directory(folder, ignored)) {
    return Usage(fmt::format("{}: is a file, expected a model folder", folder.string()));
  }
  if (!fs::exists(folder / "config.json", ignored) &&
      fs::exists(folder / "adapter_config.json", ignored)) {
    if (!fs::exists(folder / "base.json", ignored)) {
      return Usage(
          fmt::format("{}: is an adapter without base.json; give the base model as MODEL and "
                      "this folder as --adapter",
                      folder.string()));
    }
    PAWL_ASSIGN(const fs::path base, BaseOf(folder));
    const bool own_tokenizer = fs::exists(folder / "tokenizer.json", ignored);
    return LocatedModel{base, folder, own_tokenizer ? folder : base};
  }
  return LocatedModel{folder, std::nullopt, folder};
}

fs::path StarterFolder() {
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  // The program lies in <project>/build/<preset>/apps.
  for (fs::path at = program.parent_path(); !failed && at.has_relative_path();
       at = at.parent_path()) {
    if (fs::exists(at / "models" / "starter" / "config.json", failed)) {
      return at / "models" / "starter";
    }
  }
  return fs::path("models") / "starter";
}

}  // namespace pawl
