// Reads the files of a tokenizer and refuses what it would not reproduce exactly.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_json.h"
#include "tokenizer/tokenizer_state.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace pawl {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{256} << 20;
constexpr std::size_t kMaxConfigBytes = std::size_t{16} << 20;

const Json* Field(const Json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || object[key].is_null()) return nullptr;
  return &object[key];
}

Result<std::string> TypeOf(const Json& node, const std::string& place) {
  if (!node.is_object()) return BadFile(place + ": expected an object or null");
  return JsonString(node, "type", place);
}

Result<bool> Flag(const Json& object, const char* key, const std::string& place) {
  if (Field(object, key) == nullptr) return false;
  return JsonBool(object, key, place);
}

// null, NFC, or a Sequence of such; the result says whether NFC is applied.
Result<bool> ReadNormalizer(const Json* node, const std::string& place) {
  if (node == nullptr) return false;
  PAWL_ASSIGN(const std::string type, TypeOf(*node, place));
  if (type == "NFC") return true;
  if (type != "Sequence") {
    return BadFile(
        fmt::format("{}: normalizer \"{}\" is not supported, expected null or NFC", place, type));
  }
  bool nfc = false;
  const Json* children = Field(*node, "normalizers");
  if (children == nullptr || !children->is_array()) {
    return BadFile(place + ": \"normalizers\" is missing, expected a list");
  }
  for (std::size_t i = 0; i < children->size(); ++i) {
    const Json& child = (*children)[i];
    const std::string child_place = fmt::format("{}.normalizers[{}]", place, i);
    PAWL_ASSIGN(const std::string child_type, TypeOf(child, child_place));
    if (child_type != "NFC") {
      return BadFile(fmt::format("{}: normalizer \"{}\" is not supported, expected NFC",
                                 child_place, child_type));
    }
    nfc = true;
  }
  return nfc;
}

// Post-processors only add ids that pawl never adds, but an unknown one may do more.
Status CheckPostProcessor(const Json* node, const std::string& place, int depth = 0) {
  if (node == nullptr) return {};
  PAWL_ASSIGN(const std::string type, TypeOf(*node, place));
  if (type == "ByteLevel" || type == "TemplateProcessing" || type == "RobertaProcessing" ||
      type == "BertProcessing") {
    return {};
  }
  if (type != "Sequence" || depth > 4) {
    return BadFile(
        fmt::format("{}: post-processor \"{}\" is not supported, expected ByteLevel, "
                    "TemplateProcessing or a Sequence of them",
                    place, type));
  }
  const Json* children = Field(*node, "processors");
  if (children == nullptr || !children->is_array()) {
    return BadFile(place + ": \"processors\" is missing, expected a list");
  }
  for (std::size_t i = 0; i < children->size(); ++i) {
    PAWL_TRY(
        CheckPostProcessor(&(*children)[i], fmt::format("{}.processors[{}]", place, i), depth + 1));
  }
  return {};
}

Status CheckDecoder(const Json* node, const std::string& place) {
  std::string type = "null";
  if (node != nullptr) {
    PAWL_ASSIGN(type, TypeOf(*node, place));
    const Json* children = Field(*node, "decoders");
    if (type == "Sequence" && children != nullptr && children->is_array() &&
        children->size() == 1) {
      PAWL_ASSIGN(type, TypeOf((*children)[0], place + ".decoders[0]"));
    }
  }
  if (type == "ByteLevel") return {};
  return BadFile(
      fmt::format("{}: decoder \"{}\" is not supported, expected ByteLevel", place, type));
}

Status CheckModel(const Json& model, const std::string& place) {
  PAWL_ASSIGN(const std::string type, TypeOf(model, place));
  if (type != "BPE") {
    return BadFile(
        fmt::format("{}: model \"{}\" is not supported, expected byte-level BPE", place, type));
  }
  if (const Json* dropout = Field(model, "dropout");
      dropout != nullptr && !(dropout->is_number() && dropout->get<double>() == 0.0)) {
    return BadFile(place + ".dropout: is set, expected null; random merges are not supported");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json* value = Field(model, key);
    if (value != nullptr && *value != "") {
      return BadFile(fmt::format("{}.{}: is set, expected null or empty", place, key));
    }
  }
  return {};
}

Result<AddedToken> ReadAddedToken(const Json& node, const std::string& place) {
  AddedToken token;
  PAWL_ASSIGN(const long long id, JsonInt(node, "id", place));
  PAWL_ASSIGN(token.content, JsonString(node, "content", place));
  PAWL_ASSIGN(token.special, Flag(node, "special", place));
  PAWL_ASSIGN(token.normalized, Flag(node, "normalized", place));
  PAWL_ASSIGN(token.single_word, Flag(node, "single_word", place));
  PAWL_ASSIGN(token.lstrip, Flag(node, "lstrip", place));
  PAWL_ASSIGN(token.rstrip, Flag(node, "rstrip", place));
  if (token.content.empty()) {
    return BadFile(place + ".content: is empty, expected at least one character");
  }
  if (id < 0 || id > INT32_MAX) {
    return BadFile(fmt::format("{}.id: {}, expected 0 to {}", place, id, INT32_MAX));
  }
  token.id = static_cast<std::int32_t>(id);
  return token;
}

}  // namespace

class TokenizerLoader {
 public:
  static Result<Tokenizer> Load(std::string_view tokenizer_json, const std::string& place);
  static Status AddConfig(Tokenizer* tokenizer, std::string_view config_json,
                          const std::string& place);
  static Status AddTemplate(Tokenizer* tokenizer, std::string_view text, const std::string& place);

 private:
  using State = Tokenizer::State;
  static Status ReadAdded(const Json& root, const std::string& place, State* state);
  static Status Index(const BpeTables& tables, const std::string& place, State* state);
  static Status ProtectSpecial(const std::string& place, State* state);
};

Status TokenizerLoader::ReadAdded(const Json& root, const std::string& place, State* state) {
  const Json* added = Field(root, "added_tokens");
  if (added == nullptr) return {};
  if (!added->is_array()) return BadFile(place + ".added_tokens: expected a list");
  std::unordered_set<std::string> contents;
  std::unordered_set<std::int32_t> ids;
  for (std::size_t i = 0; i < added->size(); ++i) {
    const std::string item = fmt::format("{}.added_tokens[{}]", place, i);
    PAWL_ASSIGN(AddedToken token, ReadAddedToken((*added)[i], item));
    if (!contents.insert(token.content).second) {
      return BadFile(fmt::format("{}: \"{}\" occurs twice", item, token.content));
    }
    if (!ids.insert(token.id).second) {
      return BadFile(fmt::format("{}: id {} occurs twice", item, token.id));
    }
    state->added.push_back(std::move(token));
  }
  return {};
}

// Fills what is kept per id; ids of vocabulary and added tokens must be 0 to n - 1 together.
Status TokenizerLoader::Index(const BpeTables& tables, const std::string& place, State* state) {
  std::unordered_set<std::string_view> keys;
  for (const AddedToken& token : state->added) keys.insert(token.content);
  std::size_t shared = 0;
  for (const auto& [key, id] : tables.vocab) shared += keys.contains(key) ? 1 : 0;
  const std::size_t count = tables.vocab.size() + state->added.size() - shared;
  if (count == 0 || count > static_cast<std::size_t>(INT32_MAX)) {
    return BadFile(fmt::format("{}.model.vocab: {} entries", place, count));
  }
  PAWL_ASSIGN(state->bpe,
              Bpe::Build(tables, static_cast<std::int64_t>(count) - 1, place + ".model"));
  state->bytes.resize(count);
  state->special.assign(count, false);
  std::vector<bool> used(count);
  state->bpe->ForEachEntry([&](std::string_view key, std::int32_t id) {
    state->bytes[static_cast<std::size_t>(id)] = TokenTextToBytes(key);
    used[static_cast<std::size_t>(id)] = true;
  });
  for (std::size_t i = 0; i < state->added.size(); ++i) {
    const AddedToken& token = state->added[i];
    const std::string item = fmt::format("{}.added_tokens[{}]", place, i);
    const auto at = static_cast<std::size_t>(token.id);
    const auto in_vocab = state->bpe->IdOfKey(token.content);
    if (in_vocab && *in_vocab != token.id) {
      return BadFile(fmt::format("{}: \"{}\" has id {}, but {} in the vocabulary", item,
                                 token.content, token.id, *in_vocab));
    }
    if (at >= count || (!in_vocab && used[at])) {
      return BadFile(
          fmt::format("{}: \"{}\" has id {}, expected a free one of 0 to {} without gaps", item,
                      token.content, token.id, count - 1));
    }
    used[at] = true;
    state->bytes[at] = TokenTextToBytes(token.content);
    state->special[at] = token.special;
    if (token.normalized) {
      state->normalized_matcher.Add(state->nfc ? NormalizeNfc(token.content) : token.content,
                                    token);
    } else {
      state->raw_matcher.Add(token.content, token);
    }
  }
  return {};
}

// Ordinary text must never become a special token by merging.
Status TokenizerLoader::ProtectSpecial(const std::string& place, State* state) {
  for (const std::int32_t id : state->bpe->MergeResults()) {
    if (state->special[static_cast<std::size_t>(id)]) {
      return BadFile(
          fmt::format("{}.model.merges: a merge makes the special token \"{}\"; ordinary "
                      "text could not be told from it",
                      place, state->bytes[static_cast<std::size_t>(id)]));
    }
  }
  for (const AddedToken& token : state->added) {
    if (token.special) state->bpe->ForbidWhole(token.id);
  }
  return {};
}

Result<Tokenizer> TokenizerLoader::Load(std::string_view text, const std::string& place) {
  PAWL_ASSIGN(TokenizerJson file, ReadTokenizerJson(text, place));
  const Json& root = file.rest;
  const Json* model = Field(root, "model");
  if (model == nullptr) return BadFile(place + ".model: is missing, expected a BPE model");
  PAWL_TRY(CheckModel(*model, place + ".model"));
  if (!file.has_vocab) return BadFile(place + ".model.vocab: is missing, expected an object");
  if (!file.has_merges) return BadFile(place + ".model.merges: is missing, expected a list");
  auto state = std::make_unique<State>();
  PAWL_ASSIGN(file.tables.ignore_merges, Flag(*model, "ignore_merges", place + ".model"));
  PAWL_ASSIGN(state->nfc, ReadNormalizer(Field(root, "normalizer"), place + ".normalizer"));
  const Json* pre = Field(root, "pre_tokenizer");
  PAWL_ASSIGN(state->pre_tokenizer,
              PreTokenizer::FromJson(pre == nullptr ? Json() : *pre, place + ".pre_tokenizer"));
  PAWL_TRY(CheckPostProcessor(Field(root, "post_processor"), place + ".post_processor"));
  PAWL_TRY(CheckDecoder(Field(root, "decoder"), place + ".decoder"));
  PAWL_TRY(ReadAdded(root, place, state.get()));
  PAWL_TRY(Index(file.tables, place, state.get()));
  PAWL_TRY(ProtectSpecial(place, state.get()));
  PAWL_ASSIGN(const bool fallback, Flag(*model, "byte_fallback", place + ".model"));
  if (!state->bpe->has_all_bytes() && (fallback || Field(*model, "unk_token") != nullptr)) {
    return BadFile(place +
                   ".model: byte symbols are missing and unk_token or byte_fallback is set, "
                   "expected all 256 symbols");
  }
  return Tokenizer(std::move(state));
}

Status TokenizerLoader::AddConfig(Tokenizer* tokenizer, std::string_view config_json,
                                  const std::string& place) {
  PAWL_ASSIGN(const Json config, ParseJson(config_json, place));
  if (!config.is_object()) return BadFile(place + ": expected an object");
  const auto read = [&](const char* key, std::optional<NamedToken>* out) -> Status {
    const Json* value = Field(config, key);
    if (value == nullptr) return {};
    NamedToken token;
    if (value->is_string()) {
      token.content = value->get<std::string>();
    } else {
      PAWL_ASSIGN(token.content, JsonString(*value, "content", fmt::format("{}.{}", place, key)));
    }
    token.id = tokenizer->IdOf(token.content);
    *out = std::move(token);
    return {};
  };
  State& state = *tokenizer->state_;
  PAWL_TRY(read("bos_token", &state.bos));
  PAWL_TRY(read("eos_token", &state.eos));
  PAWL_TRY(read("pad_token", &state.pad));
  PAWL_TRY(read("unk_token", &state.unk));
  const Json* chat = Field(config, "chat_template");
  if (chat == nullptr) return {};
  if (chat->is_string()) {
    state.chat_template = chat->get<std::string>();
    return {};
  }
  // A list of named templates: the one called "default" is used.
  if (!chat->is_array()) {
    return BadFile(place + ".chat_template: expected a string or a list of named templates");
  }
  for (std::size_t i = 0; i < chat->size(); ++i) {
    const std::string item = fmt::format("{}.chat_template[{}]", place, i);
    PAWL_ASSIGN(const std::string name, JsonString((*chat)[i], "name", item));
    PAWL_ASSIGN(const std::string text, JsonString((*chat)[i], "template", item));
    if (name == "default") state.chat_template = text;
  }
  return {};
}

Status TokenizerLoader::AddTemplate(Tokenizer* tokenizer, std::string_view text,
                                    const std::string& place) {
  if (!IsWellFormedUtf8(text)) return BadFile(place + ": is not UTF-8");
  tokenizer->state_->chat_template = std::string(text);
  return {};
}

Result<Tokenizer> Tokenizer::FromJson(std::string_view tokenizer_json, std::string_view config_json,
                                      std::string_view chat_template, const std::string& place) {
  const std::string prefix = place.empty() ? "" : place + "/";
  PAWL_ASSIGN(Tokenizer tokenizer,
              TokenizerLoader::Load(tokenizer_json, prefix + "tokenizer.json"));
  if (!config_json.empty()) {
    PAWL_TRY(TokenizerLoader::AddConfig(&tokenizer, config_json, prefix + "tokenizer_config.json"));
  }
  if (!chat_template.empty()) {
    PAWL_TRY(
        TokenizerLoader::AddTemplate(&tokenizer, chat_template, prefix + "chat_template.jinja"));
  }
  return tokenizer;
}

Result<Tokenizer> Tokenizer::Load(const std::filesystem::path& folder) {
  PAWL_TRY(NeedsFile(folder, "tokenizer.json"));
  PAWL_ASSIGN(const std::string json, ReadFile(folder / "tokenizer.json", kMaxFileBytes));
  std::string config, chat;
  std::error_code ignored;
  if (std::filesystem::exists(folder / "tokenizer_config.json", ignored)) {
    PAWL_ASSIGN(config, ReadFile(folder / "tokenizer_config.json", kMaxConfigBytes));
    if (config.empty()) {
      return BadFile((folder / "tokenizer_config.json").string() + ": is empty, expected JSON");
    }
  }
  if (std::filesystem::exists(folder / "chat_template.jinja", ignored)) {
    PAWL_ASSIGN(chat, ReadFile(folder / "chat_template.jinja", kMaxConfigBytes));
  }
  return FromJson(json, config, chat, folder.string());
}

}  // namespace pawl
