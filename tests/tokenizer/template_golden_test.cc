// Templates rendered by Jinja 3.1.6 in the environment of transformers: tests/golden holds the
// variables in the first line and a template with its result in each of the others.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "tokenizer/chat_template.h"

namespace pawl {
namespace {

TEST(JinjaTemplates, RenderOrFailAsJinja) {
  const auto path = std::filesystem::path(PAWL_SOURCE_DIR) / "tests/golden/jinja_templates.jsonl";
  const auto text = ReadFile(path);
  ASSERT_TRUE(text) << text.error().message;
  std::string variables;
  int rendered_count = 0, failed_count = 0;
  const Status all = ForEachLine(*text, [&](std::string_view raw, std::size_t number) -> Status {
    if (number == 0) variables = raw;
    if (number == 0) return {};
    PAWL_ASSIGN(const Json line, ParseJson(raw, "golden"));
    const std::string source = line["template"].get<std::string>();
    const auto parsed = ChatTemplate::Parse(source);
    Result<RenderedChat> rendered = RenderedChat{};
    if (parsed) {
      rendered = parsed->Render(variables);
    } else {
      rendered = tl::unexpected<Error>(parsed.error());
    }
    if (line["rendered"].is_null()) {
      ++failed_count;
      EXPECT_FALSE(rendered) << source;
      if (!rendered && line["raised"].is_string()) {
        EXPECT_EQ(rendered.error().message, line["raised"].get<std::string>());
      }
    } else {
      ++rendered_count;
      EXPECT_TRUE(rendered) << source << ": " << (rendered ? "" : rendered.error().message);
      if (rendered) {
        EXPECT_EQ(rendered->text, line["rendered"].get<std::string>()) << source;
      }
    }
    return {};
  });
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_GT(rendered_count, 150);
  EXPECT_GT(failed_count, 30);
}

}  // namespace
}  // namespace pawl
