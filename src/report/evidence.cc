#include <fmt/format.h>

#include <algorithm>

#include "base/sha256.h"
#include "records/fields.h"
#include "report/format.h"
#include "report/sections.h"

namespace pawl {
namespace fs = std::filesystem;

namespace {

// Every file but the reports themselves (they would hold their own hash) and the private state.
std::vector<fs::path> Files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const fs::path relative = it->path().lexically_relative(folder);
    if (relative == "state") it.disable_recursion_pending();
    const bool report = relative == "report.md" || relative == "report.html" ||
                        relative == "next_config.toml" || relative.extension() == ".tmp";
    if (!report && it->is_regular_file(error)) files.push_back(relative);
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Document EvidenceSection(const RunRecords& run) {
  Document d;
  d.Heading(2, "Evidence");
  const Json& e = run.environment;
  if (e.is_object()) {
    d.List({PlainAt(e, "version"),
            fmt::format("{}, {} threads, {}", PlainAt(e, "cpu"), IntAt(e, "threads").value_or(0),
                        PlainAt(e, "isa")),
            fmt::format("model {}, {} parameters", PlainAt(FieldAt(e, "model"), "path"),
                        IntAt(FieldAt(e, "model"), "parameters").value_or(0)),
            fmt::format("seed {}, data SHA-256 {}", IntAt(e, "seed").value_or(0),
                        PlainAt(e, "data_sha256"))});
  }
  std::vector<std::vector<std::string>> rows = {{"file", "bytes", "SHA-256"}};
  for (const fs::path& file : Files(run.folder)) {
    std::error_code ignored;
    const auto hash = Sha256OfFile(run.folder / file);
    rows.push_back({Plain(file.string()), std::to_string(fs::file_size(run.folder / file, ignored)),
                    hash ? *hash : "could not be read"});
  }
  Document files;
  const std::size_t count = rows.size() - 1;
  files.Table(std::move(rows));
  d.Folded(fmt::format("{} files with their hashes", count), files);
  d.Paragraph(
      "Not listed: this report, next_config.toml, and state/, which is private to resuming.");
  return d;
}

}  // namespace pawl
