#include "base/file_system.h"
#include "checkpoint/safetensors.h"
#include "grpo/debug_cases.h"
#include "train/case_files.h"
#include "train/debug_cases.h"

namespace pawl {
namespace {

// An empty table where the file has no such tensor: whether the case needs it is the case's matter.
// Its shape must be [batch, columns].
Result<std::vector<float>> Table(const SafetensorsFile& file, const GrpoCase& c, const char* name,
                                 std::size_t columns) {
  const std::string full = c.name + "/" + name;
  const TensorInfo* info = file.Find(full);
  if (info == nullptr) return std::vector<float>();
  const std::vector<std::size_t> expected{c.batch, columns};
  if (info->shape != expected) {
    return BadFile(file.path().string() + ": tensor '" + full + "' has shape " +
                   ShapeText(info->shape) + ", expected " + ShapeText(expected));
  }
  return file.ReadFloats(full);
}

Result<GrpoTables> ReadTables(const SafetensorsFile& file, const GrpoCase& c) {
  GrpoTables t;
  PAWL_ASSIGN(t.mask, file.ReadInts(c.name + "/completion_mask"));
  for (const auto& [name, member] : {std::pair{"logps", &GrpoTables::log_probs},
                                     std::pair{"old_logps", &GrpoTables::old_log_probs},
                                     std::pair{"ref_logps", &GrpoTables::ref_log_probs},
                                     std::pair{"sampling_logps", &GrpoTables::sampling_log_probs},
                                     std::pair{"entropies", &GrpoTables::entropies}}) {
    PAWL_ASSIGN(t.*member, Table(file, c, name, c.width));
  }
  PAWL_ASSIGN(t.rewards, Table(file, c, "rewards", c.reward_weights.size()));
  return t;
}

}  // namespace

Status DebugGrpoLoss(const std::filesystem::path& folder, const std::filesystem::path& output) {
  const std::filesystem::path list = folder / "cases.json";
  PAWL_ASSIGN(const Json cases, ReadCases(list));
  PAWL_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(folder / "cases.safetensors"));
  std::vector<FloatTensor> tensors;
  Json document = Json::object();
  for (const Json& json : cases) {
    PAWL_ASSIGN(const GrpoCase c, ParseGrpoCase(json, list.string()));
    PAWL_ASSIGN(const GrpoTables tables, ReadTables(file, c));
    auto ran = RunGrpoCase(c, tables);
    if (!ran) return Within(file.path().string(), ran.error());
    if (document.contains(c.name)) return BadFile(list.string() + ": two cases named " + c.name);
    tensors.push_back({c.name + "/advantages", {c.batch}, Float32(ran->advantages)});
    tensors.push_back({c.name + "/loss", {ran->losses.size()}, Float32(ran->losses)});
    tensors.push_back({c.name + "/grad_logps", {c.batch, c.width}, Float32(ran->grad_log_probs)});
    if (!ran->grad_entropies.empty()) {
      tensors.push_back(
          {c.name + "/grad_entropies", {c.batch, c.width}, Float32(ran->grad_entropies)});
    }
    document[c.name] = {{"metrics", std::move(ran->metrics)},
                        {"generation_metrics", std::move(ran->generation_metrics)}};
  }
  PAWL_TRY(WriteSafetensors(output, std::move(tensors)));
  std::filesystem::path beside = output;
  return WriteFileAtomic(beside.replace_extension(".json"), WriteJsonPretty(document));
}

}  // namespace pawl
