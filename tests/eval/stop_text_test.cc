#include "eval/stop_text.h"

#include "eval/toy.h"

namespace pawl {
namespace {

TEST(StopTexts, AreFoundAcrossTokensAndCutOff) {
  const Tokenizer tokenizer = ByteTokenizer();
  const StopTexts stop(tokenizer, {"Question:", "\n\n"});
  std::vector<std::int32_t> ids = Bytes("18 Question");
  EXPECT_FALSE(stop.Completes(ids));
  EXPECT_EQ(stop.Cut(ids), "18 Question");
  ids.push_back(':');
  EXPECT_TRUE(stop.Completes(ids));
  EXPECT_EQ(stop.Cut(ids), "18 ");
  EXPECT_EQ(stop.Cut(Bytes("a\n\nb Question:")), "a");
}

TEST(StopTexts, MayBeSpecialTokens) {
  const Tokenizer tokenizer = ByteTokenizer();
  const StopTexts stop(tokenizer, {"<|im_end|>"});
  const std::vector<std::int32_t> ids = {kImStart, 'a', kImEnd, 'b'};
  EXPECT_TRUE(stop.Completes(std::span(ids).first(3)));
  EXPECT_FALSE(stop.Completes(ids));
  EXPECT_EQ(stop.Cut(ids), "a");
  EXPECT_TRUE(stop.Completes(Bytes("<|im_end|>")));
}

TEST(StopTexts, LeaveACharacterCutInTheMiddleAsAReplacement) {
  const Tokenizer tokenizer = ByteTokenizer();
  EXPECT_EQ(StopTexts(tokenizer, {"#"}).Cut(Bytes("1\xE2\x82#")), "1\xEF\xBF\xBD");
}

TEST(StopTexts, AgreeWithASearchOfTheWholeText) {
  const Tokenizer tokenizer = ByteTokenizer();
  RandomStream stream({1, RandomPurpose::kTest, 5, 0});
  int hits = 0;
  for (int round = 0; round < 400; ++round) {
    std::vector<std::string> texts;
    for (std::uint32_t i = 0; i <= stream.Below(3); ++i) {
      std::string text;
      for (std::uint32_t n = 0; n <= stream.Below(4); ++n) text += stream.Chance(0.5) ? 'a' : 'b';
      texts.push_back(text);
    }
    const StopTexts stop(tokenizer, texts);
    std::string text;
    std::vector<std::int32_t> ids;
    while (ids.size() < 12) {
      ids.push_back(stream.Chance(0.5) ? 'a' : 'b');
      text += static_cast<char>(ids.back());
      std::size_t at = std::string::npos;
      for (const std::string& one : texts) at = std::min(at, text.find(one));
      ASSERT_EQ(stop.Completes(ids), at != std::string::npos);
      ASSERT_EQ(stop.Cut(ids), text.substr(0, at));
      if (at != std::string::npos) {
        ++hits;
        break;
      }
    }
  }
  EXPECT_GT(hits, 200);
}

TEST(StopTexts, OfNothingNeverComplete) {
  const Tokenizer tokenizer = ByteTokenizer();
  EXPECT_FALSE(StopTexts(tokenizer, {}).Completes(Bytes("x")));
  EXPECT_FALSE(StopTexts(tokenizer, {"x"}).Completes({}));
  EXPECT_EQ(StopTexts(tokenizer, {}).Cut(std::vector<std::int32_t>{'a', kImEnd}), "a");
}

}  // namespace
}  // namespace pawl
