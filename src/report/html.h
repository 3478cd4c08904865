// A self-contained HTML page: no script, no link to the network; light and dark; readable on a
// phone.
#pragma once

#include <string>
#include <string_view>

namespace pawl {

std::string EscapeHtml(std::string_view text);
// The subset of Markdown that reports use: headings, paragraphs, lists, tables, **bold**.  All text
// is escaped.
std::string HtmlFromMarkdown(std::string_view markdown);
std::string HtmlPage(const std::string& title, const std::string& body);

}  // namespace pawl
