// Chat templates: the Jinja subset that they use, interpreted with limits on steps, depth and
// output.  The environment is that of transformers: trim_blocks, lstrip_blocks, the immutable
// sandbox, loop controls, tojson = json.dumps(ensure_ascii=False), raise_exception, strftime_now.
// Whatever a template asks for that is not there is an error that names it.
//
//   statements  if, for (with if, else, break, continue), set (also blocks, unpacking, namespaces),
//               macro, with, raw, generation
//   values      Python's, with iterators where Jinja has them (map, select, ...); integers beyond
//               64 bits can be passed on and printed but not computed with
// Not there: call, filter, block, include, import, recursive loops, *args, str.format.
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

// A rendered conversation; plain: the ascending parts that came from messages and tools, in which
// control tokens are ordinary text (Tokenizer::EncodeWithPlainSpans).
struct RenderedChat {
  std::string text;
  std::vector<Span> plain;
};

// Immutable; Render may be called by several threads at once.
class ChatTemplate {
 public:
  // An error names the line of the template.
  static Result<ChatTemplate> Parse(std::string_view source);

  // variables: a JSON object; numbers and the order of keys are taken as they are spelt.  What
  // comes out of "messages", "tools" and "documents" is marked plain, through every operation of
  // the template.  An error's message is that of raise_exception where the template raised.
  Result<RenderedChat> Render(std::string_view variables_json) const;

 private:
  struct Tree;
  friend class ChatRenderer;
  std::shared_ptr<const Tree> tree_;
};

// The tokenizer's own template, with its bos, eos, pad and unk tokens as variables.  line: a JSON
// object with messages and optionally add_generation_prompt (false), enable_thinking (null: not
// passed) and tools.
Result<RenderedChat> RenderChat(const Tokenizer& tokenizer, std::string_view line);
// Token ids of a conversation; a generation prompt is added unless the line says otherwise.
Result<std::vector<std::int32_t>> EncodeChat(const Tokenizer& tokenizer, const Json& messages);
Result<std::vector<std::int32_t>> EncodeChatLine(const Tokenizer& tokenizer, const Json& line);
// The answer of `tokenize --chat`: {"text","ids"}.
Result<Json> RenderChatLine(const Tokenizer& tokenizer, std::string_view line);

}  // namespace pawl
