#include "tokenizer/chat_template.h"

#include "tokenizer/jinja_renderer.h"

namespace pawl {

struct ChatTemplate::Tree {
  jinja::Statements statements;
};

// Renders with variables that are already values.
class ChatRenderer {
 public:
  static Result<RenderedChat> Render(const ChatTemplate& chat, const jinja::Dict& variables);
};

namespace {

using jinja::Value;

// Marks all strings of a value, keys too, as coming from outside.
void MarkOutside(Value* value) {
  if (value->IsString()) value->text.marks.assign(value->text.size(), '\1');
  if (value->list) {
    for (Value& item : *value->list) MarkOutside(&item);
  }
  if (value->dict) {
    for (auto& [key, item] : *value->dict) {
      MarkOutside(&key);
      MarkOutside(&item);
    }
  }
}

std::vector<Span> SpansOf(const std::string& marks) {
  std::vector<Span> spans;
  for (std::size_t begin = 0; (begin = marks.find('\1', begin)) != std::string::npos;) {
    const std::size_t end = std::min(marks.find('\0', begin), marks.size());
    spans.push_back({begin, end});
    begin = end;
  }
  return spans;
}

Result<jinja::Dict> ReadObject(std::string_view json) {
  PAWL_ASSIGN(Value value, jinja::ParseJsonValue(json, false, "line"));
  if (value.kind != jinja::Kind::kDict) return BadFile("line: is not a JSON object");
  for (auto& [key, item] : *value.dict) {
    const std::string& name = key.text.bytes;
    if (name == "messages" || name == "tools" || name == "documents") MarkOutside(&item);
  }
  return std::move(*value.dict);
}

}  // namespace

Result<RenderedChat> ChatRenderer::Render(const ChatTemplate& chat, const jinja::Dict& variables) {
  PAWL_ASSIGN(jinja::Text text, jinja::Render(chat.tree_->statements, variables, {}));
  return RenderedChat{std::move(text.bytes), SpansOf(text.marks)};
}

Result<ChatTemplate> ChatTemplate::Parse(std::string_view source) {
  auto tree = std::make_shared<Tree>();
  PAWL_ASSIGN(tree->statements, jinja::Parse(source));
  ChatTemplate made;
  made.tree_ = std::move(tree);
  return made;
}

Result<RenderedChat> ChatTemplate::Render(std::string_view variables_json) const {
  PAWL_ASSIGN(const jinja::Dict variables, ReadObject(variables_json));
  return ChatRenderer::Render(*this, variables);
}

Result<RenderedChat> RenderChat(const Tokenizer& tokenizer, std::string_view line) {
  if (!tokenizer.chat_template()) {
    return BadFile("the tokenizer has no chat_template, expected one; give plain text instead");
  }
  PAWL_ASSIGN(const ChatTemplate chat, ChatTemplate::Parse(*tokenizer.chat_template()));
  PAWL_ASSIGN(const Value given, [&]() -> Result<Value> {
    PAWL_ASSIGN(jinja::Dict object, ReadObject(line));
    return Value::MakeDict(std::move(object));
  }());
  const Value* messages = given.Find("messages");
  if (messages == nullptr || !messages->IsSequence()) {
    return BadFile("line: \"messages\" is missing, expected a list");
  }
  jinja::Dict variables;
  const auto add = [&](const char* name, Value value) {
    variables.emplace_back(Value::String(name), std::move(value));
  };
  const auto or_else = [&](const char* name, Value missing) {
    const Value* value = given.Find(name);
    return value == nullptr || value->kind == jinja::Kind::kNone ? std::move(missing) : *value;
  };
  add("messages", *messages);
  add("tools", or_else("tools", Value::None()));
  add("documents", Value::None());
  add("add_generation_prompt", or_else("add_generation_prompt", Value::Bool(false)));
  if (const Value thinking = or_else("enable_thinking", Value()); thinking.kind != Value().kind) {
    add("enable_thinking", thinking);
  }
  const auto add_token = [&](const char* name, const std::optional<NamedToken>& token) {
    if (token) add(name, Value::String(token->content));
  };
  add_token("bos_token", tokenizer.bos());
  add_token("eos_token", tokenizer.eos());
  add_token("pad_token", tokenizer.pad());
  add_token("unk_token", tokenizer.unk());
  return ChatRenderer::Render(chat, variables);
}

Result<std::vector<std::int32_t>> EncodeChat(const Tokenizer& tokenizer, const Json& messages) {
  return EncodeChatLine(tokenizer, Json{{"messages", messages}});
}

Result<std::vector<std::int32_t>> EncodeChatLine(const Tokenizer& tokenizer, const Json& line) {
  Json full = line;
  if (full.is_object() && !full.contains("add_generation_prompt")) {
    full["add_generation_prompt"] = true;
  }
  PAWL_ASSIGN(const RenderedChat chat, RenderChat(tokenizer, WriteJson(full)));
  return tokenizer.EncodeWithPlainSpans(chat.text, chat.plain);
}

Result<Json> RenderChatLine(const Tokenizer& tokenizer, std::string_view line) {
  PAWL_ASSIGN(const RenderedChat chat, RenderChat(tokenizer, line));
  PAWL_ASSIGN(const auto ids, tokenizer.EncodeWithPlainSpans(chat.text, chat.plain));
  return Json{{"text", chat.text}, {"ids", ids}};
}

}  // namespace pawl
