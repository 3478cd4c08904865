#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tokenizer/stream_decoder.h"
#include "tokenizer/tiny_tokenizer.h"

namespace pawl {
namespace {

using IdList = std::vector<std::int32_t>;
constexpr std::int32_t kAb = 256, kAbc = 257, kBc = 258, kSpaceA = 259;

TEST(Encoding, MergesByRankAndLeftmostFirst) {
  const Tokenizer tokenizer = MustLoad(TinyFile().Load());
  EXPECT_EQ(Ids(tokenizer, "abc"), IdList{kAbc});
  EXPECT_EQ(Ids(tokenizer, "bc"), IdList{kBc});
  EXPECT_EQ(Ids(tokenizer, "aabab"), (IdList{'a', kAb, kAb}));
  EXPECT_EQ(Ids(tokenizer, "x ab"), (IdList{'x', ' ', kAb}));  // "ab" comes before " a"
  EXPECT_EQ(Ids(tokenizer, "x ac"), (IdList{'x', kSpaceA, 'c'}));
  EXPECT_EQ(Ids(tokenizer, ""), IdList{});
}

TEST(Encoding, LongPiecesEqualShortOnes) {
  const Tokenizer tokenizer = MustLoad(TinyFile().Load());
  std::string text;
  IdList expected;
  for (int i = 0; i < 500; ++i) {
    text += i % 3 == 0 ? "abc" : i % 3 == 1 ? "ab" : "xbc";
    if (i % 3 == 2) expected.push_back('x');
    expected.push_back(i % 3 == 0 ? kAbc : i % 3 == 1 ? kAb : kBc);
  }
  EXPECT_EQ(Ids(tokenizer, text), expected);
}

TEST(Encoding, LegacyMergesAreTheSame) {
  TinyFile file;
  file.json["model"]["merges"] = {"#version: 0.2", "a b", "ab c", "b c", "\xC4\xA0 a"};
  const Tokenizer tokenizer = MustLoad(file.Load());
  EXPECT_EQ(Ids(tokenizer, "abc bc"), (IdList{kAbc, ' ', kBc}));
}

TEST(Encoding, IgnoreMergesTakesAWholePiece) {
  TinyFile file;
  file.json["model"]["vocab"]["xyz"] = file.next_id;
  EXPECT_EQ(Ids(MustLoad(file.Load()), "xyz"), (IdList{'x', 'y', 'z'}));
  file.json["model"]["ignore_merges"] = true;
  EXPECT_EQ(Ids(MustLoad(file.Load()), "xyz"), IdList{file.next_id});
}

TEST(Encoding, AMebibyteOfOneLetterTakesAtMostASecond) {
  TinyFile file;
  for (std::string a = "a"; a.size() < 64; a += a) file.AddMerge(a, a);
  const Tokenizer tokenizer = MustLoad(file.Load());
  const std::string text(std::size_t{1} << 20, 'a');
  const auto start = std::chrono::steady_clock::now();
  const auto ids = Ids(tokenizer, text);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(ids.size(), text.size() / 64);
  EXPECT_LT(seconds.count(), 1.0);
}

TEST(Encoding, IllFormedBytesReadAsReplacementCharacters) {
  const Tokenizer tokenizer = MustLoad(TinyFile().Load());
  EXPECT_EQ(Ids(tokenizer, "a\xFF\xE2\x82z"), Ids(tokenizer, "a\xEF\xBF\xBD\xEF\xBF\xBDz"));
}

TEST(Encoding, RareBytesWithoutASymbolStandForNothing) {
  TinyFile file;
  file.json["model"]["vocab"].erase("\xC4\x80");  // of byte 0
  file.json["model"]["vocab"]["zz"] = 0;
  const Tokenizer tokenizer = MustLoad(file.Load());
  EXPECT_EQ(Ids(tokenizer, std::string_view("a\0\0b", 4)), (IdList{'a', 'b'}));
}

class AddedTokens : public testing::Test {
 protected:
  TinyFile file_;
};

TEST_F(AddedTokens, AreRecognisedOrPlain) {
  const int special = file_.AddToken("<x>", true), other = file_.AddToken("<xy>", false);
  const Tokenizer tokenizer = MustLoad(file_.Load());
  EXPECT_EQ(Ids(tokenizer, "a<x>b<xy><x"), (IdList{'a', special, 'b', other, '<', 'x'}));
  const IdList plain = {'<', 'x', '>', '<', 'x', 'y', '>'};
  EXPECT_EQ(tokenizer.Encode("<x><xy>", ControlTokens::kPlain), plain);
  EXPECT_EQ(tokenizer.Decode(plain, true), "<x><xy>");
  const IdList both = {special, other};
  EXPECT_EQ(tokenizer.Decode(both, false), "<x><xy>");
  EXPECT_EQ(tokenizer.Decode(both, true), "<xy>");
  EXPECT_TRUE(tokenizer.IsSpecial(special));
  EXPECT_FALSE(tokenizer.IsSpecial(other));
}

TEST_F(AddedTokens, TheLongestWins) {
  const int one = file_.AddToken("<a>", true), both = file_.AddToken("<a><b>", true);
  const Tokenizer tokenizer = MustLoad(file_.Load());
  EXPECT_EQ(Ids(tokenizer, "<a><b><a>"), (IdList{both, one}));
}

TEST_F(AddedTokens, StripWhiteSpace) {
  const int left = file_.AddToken("<l>", true, {{"lstrip", true}});
  const int right = file_.AddToken("<r>", true, {{"rstrip", true}});
  const Tokenizer tokenizer = MustLoad(file_.Load());
  EXPECT_EQ(Ids(tokenizer, "x \n<l> y"), (IdList{'x', left, ' ', 'y'}));
  EXPECT_EQ(Ids(tokenizer, "x <r> \xE3\x80\x80 y"), (IdList{'x', ' ', right, 'y'}));
  EXPECT_EQ(Ids(tokenizer, "<r> <l>"), (IdList{right, left}));
}

TEST_F(AddedTokens, OfSingleWordsNeedNoWordBeside) {
  const int word = file_.AddToken("<w>", true, {{"single_word", true}});
  const Tokenizer tokenizer = MustLoad(file_.Load());
  EXPECT_EQ(Ids(tokenizer, "<w> <w>"), (IdList{word, ' ', word}));
  EXPECT_EQ(Ids(tokenizer, "x<w>"), (IdList{'x', '<', 'w', '>'}));
  EXPECT_EQ(Ids(tokenizer, "<w>_"), (IdList{'<', 'w', '>', '_'}));
  EXPECT_EQ(Ids(tokenizer, ".<w>"), (IdList{'.', word}));
}

TEST_F(AddedTokens, ThatAreNormalizedMatchNormalizedText) {
  file_.json["normalizer"] = {{"type", "NFC"}};
  const int cafe = file_.AddToken("caf\xC3\xA9", false, {{"normalized", true}});
  const int raw = file_.AddToken("e\xCC\x81z", false);
  const Tokenizer tokenizer = MustLoad(file_.Load());
  EXPECT_EQ(Ids(tokenizer, "cafe\xCC\x81"), IdList{cafe});
  EXPECT_EQ(Ids(tokenizer, "e\xCC\x81z"), IdList{raw});
}

TEST_F(AddedTokens, UnderPlainSpansStayText) {
  const int a = file_.AddToken("<a>", true), ab = file_.AddToken("<a><b>", true);
  const Tokenizer tokenizer = MustLoad(file_.Load());
  const auto encode = [&](std::string_view text, std::vector<Span> plain) {
    const auto ids = tokenizer.EncodeWithPlainSpans(text, plain);
    return ids ? *ids : IdList{-1};
  };
  EXPECT_EQ(encode("<a><a>", {{0, 3}}), (IdList{'<', 'a', '>', a}));
  EXPECT_EQ(encode("<a><b>", {{5, 6}}), (IdList{a, '<', 'b', '>'}));
  EXPECT_EQ(encode("<a><b>", {}), IdList{ab});
  EXPECT_EQ(encode("\xFF<a><a>", {{0, 4}}), encode("\xEF\xBF\xBD<a><a>", {{0, 6}}));
  EXPECT_EQ(encode("\xFF<a><a>", {{0, 4}}).back(), a);
}

TEST(Decoding, UnknownIdsStandForNothing) {
  const Tokenizer tokenizer = MustLoad(TinyFile().Load());
  EXPECT_EQ(tokenizer.Decode(IdList{-1, 'a', 5000, kBc}, false), "abc");
  EXPECT_EQ(tokenizer.TokenBytes(-1), "");
  EXPECT_EQ(tokenizer.TokenBytes(0xC3), "\xC3");
  EXPECT_EQ(tokenizer.vocab_size(), 260);
}

TEST(Decoding, StreamedPiecesAddUpAndHoldBackAtMostThreeBytes) {
  TinyFile file;
  const int special = file.AddToken("<x>", true);
  const Tokenizer tokenizer = MustLoad(file.Load());
  std::uint32_t random = 1;
  for (int round = 0; round < 2000; ++round) {
    IdList ids;
    for (int i = 0; i < 12; ++i) {
      random = random * 1664525u + 1013904223u;
      const std::uint32_t high = random >> 8;
      constexpr unsigned char kBytes[] = {'a',  0xC3, 0xA9, 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98,
                                          0x80, 0xED, 0xA0, 0xC0, 0xF5, 0xF4, 0x90, 0xE0};
      ids.push_back(high % 19 == 18 ? special : kBytes[high % sizeof kBytes]);
    }
    for (const bool skip : {false, true}) {
      StreamDecoder decoder(tokenizer, skip);
      std::string text;
      for (std::size_t i = 0; i < ids.size(); ++i) {
        text += decoder.Push(ids[i]);
        const IdList so_far(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        const std::string whole = tokenizer.Decode(so_far, skip);
        ASSERT_LE(whole.size(), text.size() + 3);
        ASSERT_TRUE(whole.starts_with(text));
      }
      text += decoder.Flush();
      ASSERT_EQ(text, tokenizer.Decode(ids, skip));
    }
  }
}

TEST(Threads, EncodeTogether) {
  const Tokenizer tokenizer = MustLoad(TinyFile().Load());
  std::string text;
  for (int i = 0; i < 3000; ++i) text += " w" + std::to_string(i) + "abc";
  const IdList expected = Ids(tokenizer, text);
  std::vector<IdList> results(4);
  std::vector<std::thread> threads;
  for (IdList& result : results) {
    threads.emplace_back([&] {
      for (int round = 0; round < 3; ++round) result = Ids(tokenizer, text);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const IdList& result : results) EXPECT_EQ(result, expected);
}

TEST(Patterns, ThatGiveUpAreErrorsOfTryEncode) {
  TinyFile file;
  const Json split{
      {"type", "Split"}, {"pattern", {{"Regex", "(a+)+(a+)+(a+)+$"}}}, {"behavior", "Isolated"}};
  file.json["pre_tokenizer"] = {{"type", "Sequence"},
                                {"pretokenizers", {split, {{"type", "ByteLevel"}}}}};
  const Tokenizer tokenizer = MustLoad(file.Load());
  const std::string text = std::string(200, 'a') + "b";
  const auto ids = tokenizer.TryEncode(text, ControlTokens::kRecognise);
  ASSERT_FALSE(ids);
  EXPECT_NE(ids.error().message.find("pretokenizers[0].pattern.Regex: matching gave up"),
            std::string::npos);
  EXPECT_EQ(tokenizer.Decode(Ids(tokenizer, text), false), text);
}

}  // namespace
}  // namespace pawl
