// pawl tokenize and pawl grade: text without a model.
#include <fmt/format.h>

#include "apps/lines.h"
#include "apps/verbs.h"
#include "model/locate.h"
#include "reward/reward.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace pawl {
namespace {

struct TokenizeFlags {
  std::string folder, input;
  bool decode = false, skip_special = false, chat = false, plain = false, json = false;
};

Result<Json> Decoded(const Tokenizer& tokenizer, const TokenizeFlags& flags, const Json& line) {
  if (!line.is_object() || !line.contains("ids") || !line.at("ids").is_array()) {
    return BadFile("\"ids\" is missing, expected a list of token ids");
  }
  std::vector<std::int32_t> ids;
  for (const Json& id : line.at("ids")) {
    if (!id.is_number_integer())
      return BadFile("\"ids\" holds something that is not a whole number");
    const auto value = id.get<long long>();
    ids.push_back(value < 0 || value > INT32_MAX ? -1 : static_cast<std::int32_t>(value));
  }
  return Json{{"text", tokenizer.Decode(ids, flags.skip_special)}};
}

Status Tokenize(const TokenizeFlags& flags) {
  std::filesystem::path folder =
      flags.folder == "starter" ? StarterFolder() : std::filesystem::path(flags.folder);
  std::error_code ignored;
  if (!std::filesystem::exists(folder, ignored)) {
    return Usage(
        fmt::format("{}: no such folder; expected one with tokenizer.json", folder.string()));
  }
  PAWL_ASSIGN(const Tokenizer tokenizer, Tokenizer::Load(folder));
  return AnswerLines(flags.input, [&](const Json& line, std::string_view raw) -> Result<Json> {
    if (flags.decode) return Decoded(tokenizer, flags, line);
    if (flags.chat) return RenderChatLine(tokenizer, raw);
    PAWL_ASSIGN(const std::string text, JsonString(line, "text", "line"));
    PAWL_ASSIGN(const auto ids, tokenizer.TryEncode(text, flags.plain ? ControlTokens::kPlain
                                                                      : ControlTokens::kRecognise));
    return Json{{"ids", ids}};
  });
}

struct GradeFlags {
  std::string reward = "gsm8k-strict", input;
  bool json = false;
};

Status Grade(const GradeFlags& flags) {
  PAWL_ASSIGN(const auto reward, MakeReward({flags.reward}));
  return AnswerLines(flags.input, [&](const Json& line, std::string_view) -> Result<Json> {
    PAWL_ASSIGN(const std::string completion, JsonString(line, "completion", "line"));
    Problem problem;
    PAWL_ASSIGN(problem.answer, JsonString(line, "gold", "line"));
    const Graded graded = reward->Grade({completion, false, 0}, problem);
    return Json{{"extracted", graded.extracted ? Json(*graded.extracted) : Json()},
                {"correct", graded.correct},
                {"reward", graded.value}};
  });
}

}  // namespace

void AddTokenize(CLI::App& app, VerbResult& result) {
  auto flags = std::make_shared<TokenizeFlags>();
  CLI::App* verb = AddVerb(app, "tokenize", "text to token ids and back, chat templates",
                           "echo '{\"text\":\"2 + 2\"}' | pawl tokenize starter");
  verb->add_option("MODEL_OR_DIR", flags->folder, "folder with tokenizer.json, or starter")
      ->required();
  verb->add_option("--input", flags->input, "JSON Lines file (default: standard input)");
  verb->add_flag("--decode", flags->decode, "ids to text");
  verb->add_flag("--skip-special-tokens", flags->skip_special,
                 "with --decode: leave special tokens out");
  verb->add_flag("--chat", flags->chat, "render messages through the chat template");
  verb->add_flag("--plain", flags->plain, "the text of control tokens is ordinary text");
  verb->add_flag("--json", flags->json, "accepted for uniformity: output is JSON Lines anyway");
  verb->callback([flags, &result] { result.status = Tokenize(*flags); });
}

void AddGrade(CLI::App& app, VerbResult& result) {
  auto flags = std::make_shared<GradeFlags>();
  CLI::App* verb = AddVerb(app, "grade", "judge completions against gold answers",
                           "echo '{\"completion\":\"#### 18\",\"gold\":\"18\"}' | pawl grade");
  verb->add_option("--reward", flags->reward, "gsm8k-strict, gsm8k-flexible or math");
  verb->add_option("--input", flags->input, "JSON Lines file (default: standard input)");
  verb->add_flag("--json", flags->json, "accepted for uniformity: output is JSON Lines anyway");
  verb->callback([flags, &result] { result.status = Grade(*flags); });
}

}  // namespace pawl
