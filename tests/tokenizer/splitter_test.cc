// The hand-written splitters against PCRE2 with the pattern they stand for.
#include "tokenizer/splitter.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/json.h"
#include "tokenizer/regex.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace pawl {
namespace {

std::string RandomText(std::mt19937* random) {
  static const std::vector<std::string> kParts = {"a",
                                                  "Z",
                                                  "e\xCC\x81",
                                                  "'",
                                                  "'s",
                                                  "'S",
                                                  "'ll",
                                                  "'\xC5\xBF",
                                                  "'re",
                                                  "1",
                                                  "23",
                                                  " ",
                                                  "  ",
                                                  "\n",
                                                  "\r\n",
                                                  "\t",
                                                  "\r",
                                                  "\xC2\xA0",
                                                  "\xE3\x80\x80",
                                                  ".",
                                                  "!?",
                                                  "\xC2\xB2",
                                                  "\xE2\x85\xA7",
                                                  "\xE6\xBC\xA2",
                                                  "\xE1\xA0\x8E",
                                                  "\xF0\x9F\x98\x80",
                                                  "\xF0\x9E\x93\xAC",
                                                  "\xF0\x90\x97\x80",
                                                  "\xF0\x9E\x93\xB1",
                                                  "\xC2\x85",
                                                  "\xE2\x80\xA8",
                                                  "x"};
  std::string text;
  const auto count = (*random)() % 14;
  for (std::size_t i = 0; i < count; ++i) text += kParts[(*random)() % kParts.size()];
  return text;
}

void ExpectSame(KnownPattern known, std::string_view pattern) {
  const auto regex = Regex::Compile(std::string(pattern), "pattern");
  ASSERT_TRUE(regex) << regex.error().message;
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    const std::string text = RandomText(&random);
    std::vector<std::size_t> ends, expected;
    SplitKnown(known, text, &ends);
    std::size_t covered = 0;
    ASSERT_TRUE(regex->ForEachMatch(text, [&](std::size_t begin, std::size_t end) {
      EXPECT_EQ(begin, covered);
      covered = end;
      expected.push_back(end);
    }));
    EXPECT_EQ(covered, text.size());
    ASSERT_EQ(ends, expected) << WriteJson(Json(text));
  }
}

TEST(Splitter, Gpt2IsItsPattern) { ExpectSame(KnownPattern::kGpt2, kGpt2Regex); }
TEST(Splitter, Qwen2IsItsPattern) { ExpectSame(KnownPattern::kQwen2, kQwen2Regex); }
TEST(Splitter, Llama3IsItsPattern) { ExpectSame(KnownPattern::kLlama3, kLlama3Regex); }

TEST(Unicode, EveryCharacterHasTheClassThatPcre2Sees) {
  const std::vector<std::pair<const char*, CharClass>> classes = {{"\\p{L}", CharClass::kLetter},
                                                                  {"\\p{N}", CharClass::kNumber}};
  for (const auto& [pattern, wanted] : classes) {
    const auto regex = Regex::Compile(pattern, "pattern");
    ASSERT_TRUE(regex) << regex.error().message;
    std::string text;
    std::vector<std::size_t> expected, found;
    for (char32_t c = 1; c < 0x110000; ++c) {
      if (c >= 0xD800 && c <= 0xDFFF) continue;
      if (ClassOf(c) == wanted) expected.push_back(text.size());
      AppendUtf8(c, &text);
    }
    ASSERT_TRUE(
        regex->ForEachMatch(text, [&](std::size_t begin, std::size_t) { found.push_back(begin); }));
    EXPECT_EQ(found, expected) << pattern;
  }
  EXPECT_EQ(ClassOf(0x1E030), CharClass::kLetter);  // of Unicode 15
  EXPECT_EQ(ClassOf(0x10D40), CharClass::kNumber);  // of Unicode 16
  EXPECT_EQ(ClassOf(0x180E), CharClass::kOther);
}

TEST(Unicode, NfcIsThatOfUnicode9) {
  EXPECT_EQ(NormalizeNfc("e\xCC\x81"), "\xC3\xA9");
  EXPECT_EQ(NormalizeNfc("\xE1\x84\x80\xE1\x85\xA1"), "\xEA\xB0\x80");              // Hangul
  EXPECT_EQ(NormalizeNfc("\xEA\xB0\x80\xE1\x86\xA7"), "\xEA\xB0\x80\xE1\x86\xA7");  // U+11A7
  EXPECT_EQ(NormalizeNfc("a\xCC\x95\xCC\x80"), "\xC3\xA0\xCC\x95");                 // reordered
  // U+08D3 (Unicode 11) has a combining class that Unicode 9 did not know.
  EXPECT_EQ(NormalizeNfc("\xCC\x80\xE0\xA3\x93"), "\xCC\x80\xE0\xA3\x93");
  // U+11935 U+11930 compose since Unicode 13.
  EXPECT_EQ(NormalizeNfc("\xF0\x91\xA4\xB5\xF0\x91\xA4\xB0"), "\xF0\x91\xA4\xB5\xF0\x91\xA4\xB0");
}

TEST(Unicode, LongRunsOfMarksAreSortedInTime) {
  std::string marks = "a";
  for (int i = 0; i < 100000; ++i) marks += "\xCC\x80\xCC\x96";  // classes 230 and 220
  const std::string sorted = NormalizeNfc(marks);
  EXPECT_EQ(sorted.substr(0, 6), "\xC3\xA0\xCC\x96\xCC\x96");
}

TEST(Regex, AWrongPatternNamesItsPlace) {
  const auto regex = Regex::Compile("(a", "file.pattern");
  ASSERT_FALSE(regex);
  EXPECT_EQ(regex.error().code, ErrorCode::kBadFile);
  EXPECT_NE(regex.error().message.find("file.pattern: regular expression is wrong at byte 2"),
            std::string::npos);
}

TEST(Regex, EndlessMatchingGivesUp) {
  const auto regex = Regex::Compile("(a+)+(a+)+(a+)+$", "file.pattern");
  ASSERT_TRUE(regex) << regex.error().message;
  const Status done =
      regex->ForEachMatch(std::string(200, 'a') + "b", [](std::size_t, std::size_t) {});
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("file.pattern: matching gave up"), std::string::npos);
}

}  // namespace
}  // namespace pawl
