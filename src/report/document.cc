#include "report/document.h"

#include <algorithm>

namespace pawl {
namespace {

// Around Strong(); no text from outside keeps them (Plain).
constexpr char kBegin = '\x01', kEnd = '\x02';

std::string EscapeMarkdown(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (c == kBegin || c == kEnd) {
      out += "**";
      continue;
    }
    if (c == '\n' || c == '\r') {
      out += ' ';
      continue;
    }
    const bool special = std::string_view("\\`*_<>[]|~").find(c) != std::string_view::npos ||
                         (line_start && std::string_view("#+-=").find(c) != std::string_view::npos);
    if (special) out += '\\';
    out += c;
    line_start = false;
  }
  return out;
}

// A fence longer than any run of backquotes inside.
std::string Fenced(const std::string& text) {
  std::size_t longest = 2, run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(longest + 1, '`');
  return fence + "\n" + text + "\n" + fence + "\n";
}

std::string MarkdownTable(const std::vector<std::vector<std::string>>& rows) {
  std::string out;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    out += "|";
    for (const std::string& cell : rows[r]) {
      std::string text = EscapeMarkdown(cell);
      if (text.starts_with("\\-") || text.starts_with("\\+")) text.erase(0, 1);
      out += " " + text + " |";
    }
    out += "\n";
    if (r > 0) continue;
    out += "|";
    for (std::size_t i = 0; i < rows[0].size(); ++i) out += "---|";
    out += "\n";
  }
  return out;
}

void Render(const std::vector<Block>& blocks, std::string& out) {
  for (const Block& block : blocks) {
    switch (block.kind) {
      case Block::Kind::kHeading:
        out += std::string(static_cast<std::size_t>(block.level), '#') + " " +
               EscapeMarkdown(block.text) + "\n\n";
        break;
      case Block::Kind::kParagraph:
        out += EscapeMarkdown(block.text) + "\n\n";
        break;
      case Block::Kind::kNote:
        out += "> " + EscapeMarkdown(block.text) + "\n\n";
        break;
      case Block::Kind::kList:
        for (const std::string& item : block.items) out += "* " + EscapeMarkdown(item) + "\n";
        out += "\n";
        break;
      case Block::Kind::kTable:
        out += MarkdownTable(block.rows) + "\n";
        break;
      case Block::Kind::kFigures:
        for (const auto& figure : block.figures) out += "* " + EscapeMarkdown(figure.words) + "\n";
        out += "\n";
        break;
      case Block::Kind::kTexts:
        for (const auto& text : block.texts) {
          out += EscapeMarkdown(text.title) + ":\n\n" + Fenced(text.text) + "\n";
        }
        break;
      case Block::Kind::kFolded:
        out += "**" + EscapeMarkdown(block.text) + "**\n\n";
        Render(block.blocks, out);
        break;
    }
  }
}

}  // namespace

std::string Strong(std::string_view text) { return kBegin + std::string(text) + kEnd; }

Block& Document::Add(Block::Kind kind) {
  blocks_.emplace_back();
  blocks_.back().kind = kind;
  return blocks_.back();
}

Document& Document::Heading(int level, std::string text) {
  Block& block = Add(Block::Kind::kHeading);
  block.level = level;
  block.text = std::move(text);
  return *this;
}
Document& Document::Paragraph(std::string text) {
  Add(Block::Kind::kParagraph).text = std::move(text);
  return *this;
}
Document& Document::Note(std::string text) {
  Add(Block::Kind::kNote).text = std::move(text);
  return *this;
}
Document& Document::List(std::vector<std::string> items) {
  if (!items.empty()) Add(Block::Kind::kList).items = std::move(items);
  return *this;
}
Document& Document::Table(std::vector<std::vector<std::string>> rows) {
  if (rows.size() > 1) Add(Block::Kind::kTable).rows = std::move(rows);
  return *this;
}
Document& Document::Figures(std::vector<Block::Figure> figures) {
  std::erase_if(figures, [](const Block::Figure& figure) { return figure.svg.empty(); });
  if (!figures.empty()) Add(Block::Kind::kFigures).figures = std::move(figures);
  return *this;
}
Document& Document::Texts(std::vector<Block::Text> texts) {
  Add(Block::Kind::kTexts).texts = std::move(texts);
  return *this;
}
Document& Document::Folded(std::string title, const Document& inner) {
  Block& block = Add(Block::Kind::kFolded);
  block.text = std::move(title);
  block.blocks = inner.blocks_;
  return *this;
}
Document& Document::Append(const Document& other) {
  blocks_.insert(blocks_.end(), other.blocks_.begin(), other.blocks_.end());
  return *this;
}

std::string MarkdownOf(const Document& document) {
  std::string out;
  Render(document.blocks(), out);
  return out;
}

}  // namespace pawl
