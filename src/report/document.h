// A report as a list of blocks, rendered to Markdown and to HTML.  Texts are plain: whatever they
// contain (answers of models, names from files) is escaped by the renderers; only Strong() marks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pawl {

std::string Strong(std::string_view text);  // bold, inside a paragraph, item or cell

struct Block {
  enum class Kind { kHeading, kParagraph, kNote, kList, kTable, kFigures, kTexts, kFolded };
  Kind kind = Kind::kParagraph;
  int level = 2;                               // of headings, 1 to 4
  std::string text;                            // heading, paragraph, note, title of kFolded
  std::vector<std::string> items;              // of a list
  std::vector<std::vector<std::string>> rows;  // of a table; the first is its head
  struct Figure {
    std::string svg, words;  // words: the same in text, for Markdown and readers without pictures
  };
  std::vector<Figure> figures;
  struct Text {
    std::string title, text;  // shown as it is, side by side
  };
  std::vector<Text> texts;
  std::vector<Block> blocks;  // inside kFolded
};

class Document {
 public:
  Document& Heading(int level, std::string text);
  Document& Paragraph(std::string text);
  Document& Note(std::string text);  // stands out: what a reader must not miss
  Document& List(std::vector<std::string> items);
  Document& Table(std::vector<std::vector<std::string>> rows);  // nothing with a head alone
  Document& Figures(std::vector<Block::Figure> figures);        // nothing without figures
  Document& Texts(std::vector<Block::Text> texts);
  Document& Folded(std::string title, const Document& inner);  // open in Markdown
  Document& Append(const Document& other);

  const std::vector<Block>& blocks() const { return blocks_; }

 private:
  Block& Add(Block::Kind kind);
  std::vector<Block> blocks_;
};

std::string EscapeHtml(std::string_view text);  // <, >, &, quotes; control characters become U+FFFD
std::string MarkdownOf(const Document& document);
// A page that needs nothing but itself: no script, no link; light and dark; readable on a phone.
// The headings of level 2 are its contents.
std::string HtmlOf(const Document& document, const std::string& title);

}  // namespace pawl
