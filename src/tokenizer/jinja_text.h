// Python's string operations on marked text.  Where characters are replaced, the new ones carry the
// marks of the old.  Private to tokenizer/.
#pragma once

#include <optional>
#include <string>

#include "tokenizer/jinja_value.h"

namespace pawl::jinja {

bool IsPythonSpace(char32_t c);  // str.isspace()
bool IsLetter(char32_t c);       // str.isalpha()

enum class Sides { kLeft, kRight, kBoth };
// str.strip, lstrip, rstrip; no characters: white space.
Text Strip(const Text& text, Sides sides, const std::optional<std::string>& characters);

Text Upper(const Text& text);
Text Lower(const Text& text);
Text Capitalize(const Text& text);
Text TitleMethod(const Text& text);  // str.title(): a word starts behind anything but a letter
Text TitleFilter(const Text& text);  // Jinja's filter: behind white space and -({[<
// str.isupper() and islower().
bool IsUpper(const Text& text);
bool IsLower(const Text& text);

// At most count times; count < 0: always.
Text Replace(const Text& text, const Text& from, const Text& to, long long count);
// str.split and rsplit; no separator: runs of white space; limit < 0: none.
List Split(const Text& text, const std::optional<std::string>& separator, long long limit,
           bool from_right);
List SplitLines(const Text& text, bool keep_ends);
// str.partition and rpartition.
List Partition(const Text& text, const Text& separator, bool from_right);
// Jinja's indent filter.
Text Indent(const Text& text, const Text& pad, bool first, bool blank);
Text EscapeHtml(const Text& text);
// str.ljust, rjust, center of Jinja and Python: spaces on `sides` up to width characters.
Text Pad(const Text& text, long long width, Sides sides);
// text % arguments with %s %r %d %i %f %% (flags, width and precision as in printf).
Result<Text> PercentFormat(const Text& text, const List& arguments);

}  // namespace pawl::jinja
