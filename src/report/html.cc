// Documents as HTML.
#include <fmt/format.h>

#include <utility>

#include "report/document.h"
#include "report/style.h"

namespace pawl {
namespace {

std::string Inline(std::string_view text) {
  std::string out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t mark = std::min(text.find_first_of("\x01\x02", begin), text.size());
    out += EscapeHtml(text.substr(begin, mark - begin));
    if (mark < text.size()) out += text[mark] == '\x01' ? "<strong>" : "</strong>";
    begin = mark + 1;
  }
  return out;
}

// Verdicts and decisions in their colour; the word says the same.
std::string VerdictHtml(const std::string& cell) {
  constexpr std::pair<const char*, const char*> kColours[] = {
      {"accept", "good"},         {"rollback", "bad"},  {"hold", "open"}, {"skipped", "open"},
      {"cannot be told", "open"}, {"supported", "bad"}, {"yes", "good"},  {"no", "bad"},
      {"not supported", "good"}};
  for (const auto& [word, colour] : kColours) {
    if (cell == word || cell == Strong(word)) {
      return fmt::format("<span class=\"{}\">{}</span>", colour, Inline(cell));
    }
  }
  return Inline(cell);
}

std::string TableHtml(const std::vector<std::vector<std::string>>& rows) {
  std::string html = "<div class=\"scroll\" tabindex=\"0\"><table>\n";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    html += r == 0 ? "<thead><tr>" : "<tr>";
    for (const std::string& cell : rows[r]) {
      // Short cells keep their line; long ones wrap.
      const char* open = cell.size() > 30 ? "<td class=\"wide\">" : "<td>";
      html += r == 0 ? "<th scope=\"col\">" + Inline(cell) + "</th>"
                     : open + VerdictHtml(cell) + "</td>";
    }
    html += r == 0 ? "</tr></thead><tbody>\n" : "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

void Render(const std::vector<Block>& blocks, int& section, std::string& html) {
  for (const Block& block : blocks) {
    switch (block.kind) {
      case Block::Kind::kHeading:
        html += block.level == 2
                    ? fmt::format("<h2 id=\"s{}\">{}</h2>\n", ++section, Inline(block.text))
                    : fmt::format("<h{0}>{1}</h{0}>\n", block.level, Inline(block.text));
        break;
      case Block::Kind::kParagraph:
        html += "<p>" + Inline(block.text) + "</p>\n";
        break;
      case Block::Kind::kNote:
        html += "<p class=\"note\" role=\"note\">" + Inline(block.text) + "</p>\n";
        break;
      case Block::Kind::kList:
        html += "<ul>\n";
        for (const std::string& item : block.items) html += "<li>" + Inline(item) + "</li>\n";
        html += "</ul>\n";
        break;
      case Block::Kind::kTable:
        html += TableHtml(block.rows);
        break;
      case Block::Kind::kFigures:
        html += "<div class=\"figures\">\n";
        for (const auto& figure : block.figures) html += "<figure>" + figure.svg + "</figure>\n";
        html += "</div>\n";
        break;
      case Block::Kind::kTexts:
        html += "<div class=\"texts\">\n";
        for (const auto& text : block.texts) {
          html += fmt::format("<div><h4>{}</h4><pre>{}</pre></div>\n", Inline(text.title),
                              EscapeHtml(text.text));
        }
        html += "</div>\n";
        break;
      case Block::Kind::kFolded:
        html += "<details><summary>" + Inline(block.text) + "</summary>\n";
        Render(block.blocks, section, html);
        html += "</details>\n";
        break;
    }
  }
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') {
          out += "\uFFFD";
        } else {
          out += c;
        }
    }
  }
  return out;
}

std::string HtmlOf(const Document& document, const std::string& title) {
  std::string body, contents;
  int section = 0;
  Render(document.blocks(), section, body);
  section = 0;
  for (const Block& block : document.blocks()) {
    if (block.kind != Block::Kind::kHeading || block.level != 2) continue;
    contents += fmt::format("<a href=\"#s{}\">{}</a>\n", ++section, Inline(block.text));
  }
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width,initial-scale=1\"><title>" +
         EscapeHtml(title) + "</title><style>" + kReportStyle + "</style></head>\n<body>\n" +
         "<nav aria-label=\"Contents\">\n" + contents + "</nav>\n<main>\n" + body +
         "</main>\n</body></html>\n";
}

}  // namespace pawl
