// pawl score: log-probabilities, entropies and likeliest tokens of given sequences.
#include <fmt/format.h>

#include "apps/lines.h"
#include "apps/policy.h"
#include "apps/verbs.h"
#include "model/debug.h"

namespace pawl {
namespace {

struct Flags {
  PolicyFlags policy;
  std::string input;
  bool json = false;
};

Result<std::vector<std::int32_t>> LineIds(const LoadedPolicy& loaded, const Json& line) {
  if (line.is_object() && line.contains("ids")) {
    return IdsField(line, loaded.model.config.vocab_size);
  }
  PAWL_ASSIGN(const std::string text, JsonString(line, "text", "line"));
  if (!loaded.tokenizer) return Usage("\"text\" needs a model with tokenizer.json; give \"ids\"");
  return loaded.tokenizer->Encode(text, ControlTokens::kRecognise);
}

Result<Json> ScoreLine(const LoadedPolicy& loaded, Scratch& scratch, const Json& line) {
  PAWL_ASSIGN(const std::vector<std::int32_t> ids, LineIds(loaded, line));
  if (ids.empty()) return BadFile("the sequence is empty, expected at least one token");
  if (ids.size() > loaded.model.max_positions) {
    return BadFile(
        fmt::format("{} tokens exceed the context of {}", ids.size(), loaded.model.max_positions));
  }
  const SequenceScores scores = ScoreSequence(loaded.policy(), loaded.compute(), ids, scratch);
  Json out;
  out["ids"] = ids;
  out["logprobs"] = scores.log_probs;
  out["entropy"] = scores.entropies;
  out["argmax"] = scores.argmax;
  return out;
}

Status Run(const Flags& flags) {
  PAWL_ASSIGN(const auto loaded, LoadPolicy(flags.policy, TokenizerNeed::kOptional));
  Scratch scratch;
  return AnswerLines(flags.input, [&](const Json& line, std::string_view) {
    return ScoreLine(*loaded, scratch, line);
  });
}

}  // namespace

void AddScore(CLI::App& app, VerbResult& result) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = AddVerb(app, "score", "log-probabilities of given sequences",
                           "echo '{\"text\":\"2+2=4\"}' | pawl score starter");
  AddPolicyFlags(*verb, flags->policy);
  verb->add_option("--input", flags->input, "JSON Lines file (default: standard input)");
  verb->add_flag("--json", flags->json, "accepted for uniformity: output is JSON Lines anyway");
  verb->callback([flags, &result] { result.status = Run(*flags); });
}

}  // namespace pawl
