#include "tokenizer/chat_template.h"

#include "tokenizer/jinja_renderer.h"

namespace pawl {

struct ChatTemplate::Tree {
  jinja::Statements statements;
};

namespace {

// Marks all strings of a value as coming from outside.
void MarkOutside(jinja::Value& value) {
  if (value.IsString()) value.text.marks.assign(value.text.size(), '\1');
  if (value.list) {
    for (jinja::Value& item : *value.list) MarkOutside(item);
  }
  if (value.dict) {
    for (auto& entry : *value.dict) MarkOutside(entry.second);
  }
}

std::vector<Span> SpansOf(const std::string& marks) {
  std::vector<Span> spans;
  for (std::size_t i = 0; i < marks.size();) {
    if (marks[i] == 0) {
      ++i;
      continue;
    }
    const std::size_t begin = i;
    while (i < marks.size() && marks[i] != 0) ++i;
    spans.push_back({begin, i});
  }
  return spans;
}

void AddToken(const char* name, const std::optional<NamedToken>& token, Json& variables) {
  if (token) variables[name] = token->content;
}

}  // namespace

Result<ChatTemplate> ChatTemplate::Parse(std::string_view source) {
  auto tree = std::make_shared<Tree>();
  PAWL_ASSIGN(tree->statements, jinja::Parse(source));
  ChatTemplate made;
  made.tree_ = std::move(tree);
  return made;
}

Result<RenderedChat> ChatTemplate::Render(std::string_view variables_json) const {
  PAWL_ASSIGN(jinja::Value variables, jinja::ParseJsonValue(variables_json, false));
  if (variables.kind != jinja::Kind::kDict) return BadFile("line: is not a JSON object");
  for (auto& [key, value] : *variables.dict) {
    if (key.text.bytes == "messages" || key.text.bytes == "tools") MarkOutside(value);
  }
  PAWL_ASSIGN(jinja::Text text, jinja::Render(tree_->statements, *variables.dict, {}));
  return RenderedChat{std::move(text.bytes), SpansOf(text.marks)};
}

Result<RenderedChat> RenderChat(const Tokenizer& tokenizer, std::string_view line) {
  if (!tokenizer.chat_template()) return BadFile("the tokenizer has no chat_template");
  PAWL_ASSIGN(const ChatTemplate parsed, ChatTemplate::Parse(*tokenizer.chat_template()));
  PAWL_ASSIGN(jinja::Value given, jinja::ParseJsonValue(line, false));
  if (given.kind != jinja::Kind::kDict || given.Find("messages") == nullptr ||
      !given.Find("messages")->IsSequence()) {
    return BadFile("line: \"messages\" is missing, expected a list");
  }
  // What the line gives, without nulls, then the special tokens.  The text is built from its parts
  // so that numbers in messages and tools keep their spelling.
  Json tokens = Json::object();
  AddToken("bos_token", tokenizer.bos(), tokens);
  AddToken("eos_token", tokenizer.eos(), tokens);
  AddToken("pad_token", tokenizer.pad(), tokens);
  AddToken("unk_token", tokenizer.unk(), tokens);
  jinja::Dict variables;
  for (const char* name : {"messages", "tools", "add_generation_prompt", "enable_thinking"}) {
    const jinja::Value* value = given.Find(name);
    if (value == nullptr || (value->kind == jinja::Kind::kNone && std::string(name) != "tools"))
      continue;
    variables.emplace_back(jinja::Value::String(name), *value);
  }
  if (given.Find("add_generation_prompt") == nullptr) {
    variables.emplace_back(jinja::Value::String("add_generation_prompt"),
                           jinja::Value::Bool(false));
  }
  PAWL_ASSIGN(const jinja::Text whole,
              jinja::ToJson(jinja::Value::MakeDict(std::move(variables)), std::nullopt, false));
  std::string text = whole.bytes;
  if (!tokens.empty())
    text = WriteJson(tokens).substr(0, WriteJson(tokens).size() - 1) + "," + text.substr(1);
  return parsed.Render(text);
}

Result<std::vector<std::int32_t>> EncodeChat(const Tokenizer& tokenizer, const Json& messages) {
  return EncodeChatLine(tokenizer, Json{{"messages", messages}});
}

Result<std::vector<std::int32_t>> EncodeChatLine(const Tokenizer& tokenizer, const Json& line) {
  Json full = line;
  if (full.is_object() && !full.contains("add_generation_prompt"))
    full["add_generation_prompt"] = true;
  PAWL_ASSIGN(const RenderedChat chat, RenderChat(tokenizer, WriteJson(full)));
  return tokenizer.EncodeWithPlainSpans(chat.text, chat.plain);
}

Result<Json> RenderChatLine(const Tokenizer& tokenizer, std::string_view line) {
  PAWL_ASSIGN(const RenderedChat chat, RenderChat(tokenizer, line));
  PAWL_ASSIGN(const auto ids, tokenizer.EncodeWithPlainSpans(chat.text, chat.plain));
  return Json{{"text", chat.text}, {"ids", ids}};
}

}  // namespace pawl
