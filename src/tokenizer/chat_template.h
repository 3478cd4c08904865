// Chat templates: a subset of Jinja, interpreted with limits on steps, depth and output; the
// environment is that of transformers (trim_blocks, lstrip_blocks, sandbox, loop controls, tojson =
// json.dumps(ensure_ascii=False)). Everything that a template cannot do here is an error that names
// it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "tokenizer/tokenizer.h"

namespace pawl {

// A rendered conversation; plain: the parts that came from messages and tools, in which control
// tokens are ordinary text.
struct RenderedChat {
  std::string text;
  std::vector<Span> plain;
};

class ChatTemplate {
 public:
  static Result<ChatTemplate> Parse(std::string_view source);

  // variables: a JSON object; numbers and key order are taken as they are spelt.  "messages" and
  // "tools" come from outside: their text is marked plain.  An error's message is that of
  // raise_exception where the template raised.
  Result<RenderedChat> Render(std::string_view variables_json) const;

 private:
  struct Tree;
  std::shared_ptr<const Tree> tree_;
};

// The tokenizer's own template, with its bos, eos, pad and unk tokens as variables.  line: an
// object with messages and optionally add_generation_prompt, enable_thinking, tools (null: not
// passed).
Result<RenderedChat> RenderChat(const Tokenizer& tokenizer, std::string_view line);
// Token ids of a conversation; a generation prompt is added unless the line says otherwise.
Result<std::vector<std::int32_t>> EncodeChat(const Tokenizer& tokenizer, const Json& messages);
Result<std::vector<std::int32_t>> EncodeChatLine(const Tokenizer& tokenizer, const Json& line);
// The answer of `tokenize --chat`: {"text","ids"}.
Result<Json> RenderChatLine(const Tokenizer& tokenizer, std::string_view line);

}  // namespace pawl
