#include "eval/partial.h"

#include <fmt/format.h>

#include "base/file.h"
#include "eval/bench.h"

namespace pawl {
namespace {

struct Kept {
  long long bytes = 0;  // of whole, valid lines; 0: start anew
  std::map<std::size_t, ProblemRecord> records;
};

// One problem's line; nothing when it is damaged or of another problem.
std::optional<std::pair<std::size_t, ProblemRecord>> ReadLine(std::string_view line,
                                                              std::span<const Problem> problems) {
  const auto json = ParseJson(line, "line");
  if (!json) return {};
  const auto index = JsonInt(*json, "index", "line");
  if (!index || *index < 0 || static_cast<std::size_t>(*index) >= problems.size()) return {};
  auto record = ParseProblemRecord(*json, "line");
  const auto place = static_cast<std::size_t>(*index);
  if (!record || record->id != problems[place].id) return {};
  return std::pair(place, std::move(*record));
}

// Why the file belongs to another bench; empty where it does not, or where its header is torn.
std::string Differences(const std::string& text, const Json& identity) {
  const std::size_t end = text.find('\n');
  if (end == std::string::npos) return "";
  const auto header = ParseJson(std::string_view(text).substr(0, end), "header");
  if (!header || !header->is_object() || !header->contains("identity")) return "its header";
  const Json& before = header->at("identity");
  std::string names;
  for (const auto& [key, value] : identity.items()) {
    const bool same = before.is_object() && before.contains(key) && before.at(key) == value;
    if (!same) names += (names.empty() ? "" : ", ") + key;
  }
  return names;
}

Kept ReadKept(const std::string& text, const std::string& header,
              std::span<const Problem> problems) {
  Kept kept;
  if (!text.starts_with(header + "\n")) return kept;
  kept.bytes = static_cast<long long>(header.size()) + 1;
  while (true) {
    const std::size_t begin = static_cast<std::size_t>(kept.bytes);
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) return kept;
    auto line = ReadLine(std::string_view(text).substr(begin, end - begin), problems);
    if (!line) return kept;
    kept.records.insert(std::move(*line));
    kept.bytes = static_cast<long long>(end) + 1;
  }
}

}  // namespace

Result<PartialBench> PartialBench::Open(const std::filesystem::path& out, const Json& identity,
                                        std::span<const Problem> problems) {
  std::filesystem::path path = out;
  path += ".partial.jsonl";
  const std::string header = WriteJson({{"format_version", 1}, {"identity", identity}});
  Kept kept;
  std::error_code error;
  if (std::filesystem::exists(path, error)) {
    PAWL_ASSIGN(const std::string text, ReadFile(path));
    const std::string differ = Differences(text, identity);
    if (!differ.empty()) {
      return Fail(ErrorCode::kNoCheckpoint,
                  fmt::format("{}: holds finished problems of another bench ({} differ); use the "
                              "same settings, another --out, or remove the file",
                              path.string(), differ));
    }
    kept = ReadKept(text, header, problems);
  }
  PAWL_ASSIGN(AppendOnlyFile file, AppendOnlyFile::Open(path, kept.bytes));
  if (kept.bytes == 0) PAWL_TRY(file.Append(header));
  return PartialBench(std::move(path), std::move(file), std::move(kept.records));
}

std::optional<ProblemRecord> PartialBench::Known(std::size_t index) const {
  const auto found = records_.find(index);
  if (found == records_.end()) return std::nullopt;
  return found->second;
}

Status PartialBench::Add(std::size_t index, const ProblemRecord& record) {
  Json line = ProblemRecordJson(record);
  line["index"] = index;
  PAWL_TRY(file_.Append(WriteJson(line)));
  return file_.Sync();
}

Status PartialBench::Finish() {
  std::error_code error;
  std::filesystem::remove(path_, error);
  if (error) {
    return Fail(ErrorCode::kResources,
                fmt::format("{}: cannot remove: {}", path_.string(), error.message()));
  }
  return {};
}

}  // namespace pawl
