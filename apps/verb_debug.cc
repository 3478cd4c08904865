// pawl debug: the numbers an engineer needs to compare a model port or a loss with a reference.
#include <fmt/format.h>

#include "apps/lines.h"
#include "apps/output_path.h"
#include "apps/policy.h"
#include "apps/verbs.h"
#include "checkpoint/safetensors.h"
#include "model/debug.h"
#include "model/divergence.h"
#include "optim/schedule.h"
#include "stats/debug_stats.h"
#include "train/debug_cases.h"

namespace pawl {
namespace {

struct Flags {
  PolicyFlags policy;
  std::string input, output, folder;
  bool json = false;
};

Result<std::vector<std::int32_t>> CheckedIds(const LoadedPolicy& loaded, const Json& line,
                                             std::size_t number) {
  auto ids = IdsField(line, loaded.model.config.vocab_size);
  if (!ids) return Within(fmt::format("line {}", number), ids.error());
  if (ids->empty() || ids->size() > loaded.model.max_positions) {
    return BadFile(fmt::format("line {}: {} ids, expected 1 to {}", number, ids->size(),
                               loaded.model.max_positions));
  }
  return ids;
}

Status Logits(const Flags& flags) {
  PAWL_ASSIGN(const auto lines, ReadJsonLines(flags.input));
  PAWL_ASSIGN(const auto loaded, LoadPolicy(flags.policy, TokenizerNeed::kNone));
  Scratch scratch;
  std::vector<FloatTensor> tensors;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    PAWL_ASSIGN(const auto ids, CheckedIds(*loaded, lines[i], i));
    SequenceLogits out = LogitsOf(loaded->policy(), loaded->compute(), ids, scratch);
    tensors.push_back({fmt::format("logits.{}", i),
                       {ids.size(), loaded->model.config.vocab_size},
                       std::move(out.logits)});
    tensors.push_back({fmt::format("final_hidden.{}", i),
                       {ids.size(), loaded->model.config.hidden_size},
                       std::move(out.final_hidden)});
  }
  return WriteSafetensors(flags.output, std::move(tensors));
}

Result<MaskedSequence> Masked(const LoadedPolicy& loaded, const Json& line, std::size_t number) {
  PAWL_ASSIGN(auto ids, CheckedIds(loaded, line, number));
  if (!line.contains("mask") || !line.at("mask").is_array() ||
      line.at("mask").size() != ids.size()) {
    return BadFile(fmt::format("line {}: \"mask\" must be a list of {} numbers, one an id", number,
                               ids.size()));
  }
  MaskedSequence sequence;
  for (const Json& flag : line.at("mask")) {
    if (flag != Json(0) && flag != Json(1)) {
      return BadFile(
          fmt::format("line {}: \"mask\" holds {}, expected 0 or 1", number, WriteJson(flag)));
    }
    sequence.mask.push_back(flag.get<int>());
  }
  sequence.ids = std::move(ids);
  return sequence;
}

Status GradientsOf(const Flags& flags) {
  PAWL_ASSIGN(const auto lines, ReadJsonLines(flags.input));
  PAWL_ASSIGN(const auto loaded, LoadPolicy(flags.policy, TokenizerNeed::kNone));
  std::vector<MaskedSequence> sequences;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    PAWL_ASSIGN(MaskedSequence sequence, Masked(*loaded, lines[i], i));
    sequences.push_back(std::move(sequence));
  }
  Scratch scratch;
  LossGradients out = MaskedLossGradients(loaded->policy(), loaded->compute(), sequences, scratch);
  std::vector<FloatTensor> tensors{{"loss", {1}, {static_cast<float>(out.loss)}}};
  for (NamedTensor& gradient : out.gradients) {
    tensors.push_back({"grad." + gradient.name, gradient.shape, std::move(gradient.values)});
  }
  return WriteSafetensors(flags.output, std::move(tensors));
}

// Ids of a line: given, or the tokens of its text.
Result<std::vector<std::int32_t>> LineIds(const LoadedPolicy& loaded, const Json& line,
                                          std::size_t number) {
  if (line.contains("ids") || !line.contains("text") || !line.at("text").is_string() ||
      !loaded.tokenizer) {
    return CheckedIds(loaded, line, number);
  }
  PAWL_ASSIGN(const auto encoded, loaded.tokenizer->TryEncode(line.at("text").get<std::string>(),
                                                              ControlTokens::kRecognise));
  return CheckedIds(loaded, Json{{"ids", encoded}}, number);
}

Status DivergenceOf(const Flags& flags) {
  PAWL_ASSIGN(const auto lines, ReadJsonLines(flags.input));
  PolicyFlags stored = flags.policy;
  stored.precision.clear();
  PAWL_ASSIGN(const auto reference, LoadPolicy(stored, TokenizerNeed::kOptional));
  PAWL_ASSIGN(const auto other, LoadPolicy(flags.policy, TokenizerNeed::kNone));
  std::vector<std::vector<std::int32_t>> sequences;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    PAWL_ASSIGN(auto ids, LineIds(*reference, lines[i], i));
    sequences.push_back(std::move(ids));
  }
  const Divergence found =
      MeasureDivergence(reference->policy(), other->policy(), reference->compute(), sequences);
  return PrintLine(
      WriteJson(Json{{"reference_precision", WeightTypeName(reference->model.weights.embed.type())},
                     {"precision", WeightTypeName(other->model.weights.embed.type())},
                     {"positions", found.positions},
                     {"mean_kl", found.mean_kl},
                     {"max_kl", found.max_kl},
                     {"greedy_agreement", found.greedy_agreement},
                     {"mean_log_prob_difference", found.mean_log_prob_difference}}));
}

void AddDivergence(CLI::App& debug, VerbResult& result) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      AddVerb(debug, "divergence",
              "how far a precision's next-token distributions lie from the stored ones",
              "pawl debug divergence starter --precision int8 --input lines.jsonl");
  AddPolicyFlags(*verb, flags->policy);
  verb->add_option("--input", flags->input, "JSON Lines with ids, or with text")->required();
  verb->callback([flags, &result] { result.status = DivergenceOf(*flags); });
}

void AddModelDebug(CLI::App& debug, const char* name, const char* description,
                   Status (*run)(const Flags&), VerbResult& result) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      AddVerb(debug, name, description,
              fmt::format("pawl debug {} starter --input ids.jsonl --output out.safetensors", name)
                  .c_str());
  AddPolicyFlags(*verb, flags->policy);
  verb->add_option("--input", flags->input, "JSON Lines with ids (and mask for gradients)")
      ->required();
  verb->add_option("--output", flags->output, "safetensors file to write")->required();
  verb->callback([flags, run, &result] {
    result.status = CheckOutputFile("--output", flags->output);
    if (result.status) result.status = run(*flags);
  });
}

void AddFolderDebug(CLI::App& debug, const char* name, const char* description,
                    Status (*run)(const std::filesystem::path&, const std::filesystem::path&),
                    VerbResult& result) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      AddVerb(debug, name, description,
              fmt::format("pawl debug {} cases/ --output out.safetensors", name).c_str());
  verb->add_option("DIR", flags->folder, "folder with the cases")->required();
  verb->add_option("--output", flags->output, "safetensors file to write")->required();
  verb->callback([flags, run, &result] {
    result.status = CheckOutputFile("--output", flags->output);
    if (result.status) result.status = run(flags->folder, flags->output);
  });
}

void AddLineDebug(CLI::App& debug, const char* name, const char* description, const char* example,
                  Result<Json> (*answer)(const Json&), VerbResult& result) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = AddVerb(debug, name, description, example);
  verb->add_option("--input", flags->input, "JSON Lines file (default: standard input)");
  verb->callback([flags, answer, &result] {
    result.status =
        AnswerLines(flags->input, [&](const Json& line, std::string_view) { return answer(line); });
  });
}

}  // namespace

void AddDebug(CLI::App& app, VerbResult& result) {
  CLI::App* debug = AddVerb(app, "debug", "numbers to compare with a reference implementation",
                            "pawl debug logits starter --input ids.jsonl --output out.safetensors");
  debug->require_subcommand(1);
  AddModelDebug(*debug, "logits", "logits and final hidden states of given ids", Logits, result);
  AddModelDebug(*debug, "gradients", "parameter gradients of a masked loss", GradientsOf, result);
  AddDivergence(*debug, result);
  AddFolderDebug(*debug, "grpo-loss", "losses, gradients and metrics of GRPO cases", DebugGrpoLoss,
                 result);
  AddFolderDebug(*debug, "optimizer", "AdamW traces", DebugOptimizer, result);
  AddLineDebug(*debug, "schedule", "learning rates of a schedule",
               "echo '{\"name\":\"linear\",\"base_lr\":1e-3,\"warmup\":10,\"total\":100}' | pawl "
               "debug schedule",
               DebugSchedule, result);
  AddLineDebug(*debug, "stats", "statistics of evaluation",
               "echo '{\"stat\":\"wilson\",\"x\":3,\"n\":50}' | pawl debug stats", DebugStats,
               result);
}

}  // namespace pawl
