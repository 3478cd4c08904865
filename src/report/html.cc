#include "report/html.h"

#include <fmt/format.h>

#include <sstream>
#include <vector>

namespace pawl {
namespace {

constexpr const char* kStyle =
    R"(:root{color-scheme:light dark;--ink:#1c1c1e;--paper:#fdfdfb;--line:#d8d8d2;--soft:#f1f1ec;--mark:#1f6f8b}
@media (prefers-color-scheme:dark){:root{--ink:#e8e8e3;--paper:#16181a;--line:#3a3d40;--soft:#202326;--mark:#6fc3df}}
body{margin:0 auto;max-width:60rem;padding:1.5rem 1rem 4rem;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2rem;border-bottom:1px solid var(--line)}h3{font-size:1.05rem}
table{border-collapse:collapse;display:block;overflow-x:auto;margin:1rem 0}
th,td{padding:.35rem .7rem;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}th{background:var(--soft)}
.curves{display:flex;flex-wrap:wrap;gap:1rem;margin:1rem 0}.curves figure{margin:0}
svg text{fill:var(--ink);font:11px system-ui,sans-serif}svg .axis{stroke:var(--line)}svg .curve{stroke:var(--mark);fill:none;stroke-width:1.6}
)";

std::string Inline(std::string_view text) {
  std::string out = EscapeHtml(text);
  bool open = false;
  for (std::size_t at; (at = out.find("**")) != std::string::npos; open = !open) {
    out.replace(at, 2, open ? "</strong>" : "<strong>");
  }
  return out;
}

std::vector<std::string> Cells(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream stream(row.substr(1));
  for (std::string cell; std::getline(stream, cell, '|');) {
    const std::size_t begin = cell.find_first_not_of(' ');
    if (begin == std::string::npos) continue;
    cells.push_back(cell.substr(begin, cell.find_last_not_of(' ') - begin + 1));
  }
  return cells;
}

std::string Row(const std::string& line, const char* tag) {
  std::string html = "<tr>";
  for (const std::string& cell : Cells(line))
    html += fmt::format("<{0}>{1}</{0}>", tag, Inline(cell));
  return html + "</tr>\n";
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
        out += c;
    }
  }
  return out;
}

std::string HtmlFromMarkdown(std::string_view markdown) {
  std::string html, list;
  std::istringstream stream{std::string(markdown)};
  enum class In { kText, kList, kTable } in = In::kText;
  const auto leave = [&] {
    if (in == In::kList) html += "</ul>\n";
    if (in == In::kTable) html += "</table>\n";
    in = In::kText;
  };
  for (std::string line; std::getline(stream, line);) {
    if (line.rfind("|---", 0) == 0) continue;
    if (!line.empty() && line[0] == '|') {
      const bool head = in != In::kTable;
      if (head) {
        leave();
        html += "<table>\n";
        in = In::kTable;
      }
      html += Row(line, head ? "th" : "td");
    } else if (line.rfind("* ", 0) == 0) {
      if (in != In::kList) {
        leave();
        html += "<ul>\n";
        in = In::kList;
      }
      html += "<li>" + Inline(line.substr(2)) + "</li>\n";
    } else {
      leave();
      const std::size_t level = line.find_first_not_of('#');
      if (level != std::string::npos && level > 0 && level <= 4 && line[level] == ' ') {
        html += fmt::format("<h{0}>{1}</h{0}>\n", level, Inline(line.substr(level + 1)));
      } else if (!line.empty()) {
        html += "<p>" + Inline(line) + "</p>\n";
      }
    }
  }
  leave();
  return html;
}

std::string HtmlPage(const std::string& title, const std::string& body) {
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width,initial-scale=1\"><title>" +
         EscapeHtml(title) + "</title><style>" + kStyle + "</style></head>\n<body>\n" + body +
         "</body></html>\n";
}

}  // namespace pawl
