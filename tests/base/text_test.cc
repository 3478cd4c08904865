// Errors as values, JSON and lines.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "support/fault_files.h"

namespace pawl {
namespace {

Result<int> Half(int x) {
  if (x % 2 != 0) return BadFile("odd");
  return x / 2;
}
Result<int> Quarter(int x) {
  PAWL_ASSIGN(const int half, Half(x));
  PAWL_ASSIGN(int quarter, Half(half));
  return quarter;
}
Status TryHalf(int x, bool& reached) {
  PAWL_TRY(Half(x));
  reached = true;
  return {};
}

TEST(Errors, TryAndAssignReturnTheErrorOrGoOnWithTheValue) {
  EXPECT_EQ(*Quarter(8), 2);
  ASSERT_FALSE(Quarter(6));
  EXPECT_EQ(Quarter(6).error().message, "odd");
  EXPECT_EQ(Quarter(6).error().code, ErrorCode::kBadFile);
  bool reached = false;
  EXPECT_TRUE(TryHalf(2, reached));
  EXPECT_TRUE(reached);
  reached = false;
  EXPECT_FALSE(TryHalf(3, reached));
  EXPECT_FALSE(reached);
  const Result<int> within = Within("place", Half(1).error());
  EXPECT_EQ(within.error().message, "place: odd");
}

std::string Problem(const std::string& text) {
  const auto json = ParseJson(text, "here");
  if (json) return "";
  EXPECT_EQ(json.error().code, ErrorCode::kBadFile);
  EXPECT_EQ(json.error().message.substr(0, 6), "here: ");
  return json.error().message.substr(6);
}

TEST(JsonText, NestingIsLimitedWhateverItsLength) {
  const auto nested = [](std::size_t depth, const std::string& open, const std::string& close) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) text += open;
    text += "1";
    for (std::size_t i = 0; i < depth; ++i) text += close;
    return text;
  };
  EXPECT_EQ(Problem(nested(64, "[", "]")), "");
  EXPECT_EQ(Problem(nested(65, "[", "]")), "nested deeper than 64 levels");
  EXPECT_EQ(Problem(nested(65, "{\"a\":", "}")), "nested deeper than 64 levels");
  EXPECT_EQ(Problem(std::string(1'000'000, '[')), "nested deeper than 64 levels");
}

TEST(JsonText, AKeyTwiceInOneObjectIsRefusedInSmallObjectsAndLargeOnes) {
  EXPECT_EQ(Problem(R"({"a":1,"b":{"a":1},"c":[{"a":2},{"a":3}]})"), "");
  EXPECT_EQ(Problem(R"({"a":1,"b":2,"a":3})"), "key \"a\" occurs twice in one object");
  EXPECT_EQ(Problem(R"({"x":{"a":1,"\u0061":3}})"), "key \"a\" occurs twice in one object");
  std::string large = "{";
  for (int i = 0; i < 1000; ++i) large += "\"k" + std::to_string(i) + "\":0,";
  for (const int twice : {0, 31, 32, 33, 999}) {
    EXPECT_EQ(Problem(large + "\"k" + std::to_string(twice) + "\":1}"),
              "key \"k" + std::to_string(twice) + "\" occurs twice in one object");
  }
  EXPECT_EQ(Problem(large + "\"k\":1}"), "");
}

TEST(JsonText, AnObjectOfManyKeysIsReadInTimeLinearInItsLength) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) {
    text += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":" + std::to_string(i);
  }
  text += "}";
  const auto start = std::chrono::steady_clock::now();
  const Json json = *ParseJson(text, "here");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(json.size(), 200'000u);
  EXPECT_LT(seconds.count(), 8);  // 0.3 s; by comparing keys pairwise it took over a minute
}

TEST(JsonText, WhatIsNoJsonIsNamedByItsByte) {
  EXPECT_EQ(Problem("{\"a\":}"), "not valid JSON at byte 6");
  for (const char* text : {"", "{", "[1,]", "{\"a\":1,}", "nul", "NaN", "[1] 2", "// x\n1", "'a'",
                           "\"\xff\"", "\"\\ud800\"", "\"a\nb\"", "01", "+1", "1."}) {
    EXPECT_NE(Problem(text).find("not valid JSON"), std::string::npos) << text;
  }
  EXPECT_NE(Problem(std::string("{\"a\0b\":1}", 9)), "");
  EXPECT_EQ(Problem(std::string("{}\0[", 4)), "not valid JSON at byte 3");
  EXPECT_EQ(Problem("[1e400]"), "JSON number out of range");
}

TEST(JsonText, ValuesKeepTheirOrderKindAndBits) {
  const Json json = *ParseJson(
      R"({"z":1,"a":-2,"m":[true,false,null,"\u00e9",0.1,1e3,18446744073709551615]})", "here");
  EXPECT_EQ(WriteJson(json),
            "{\"z\":1,\"a\":-2,\"m\":[true,false,null,\"\xc3\xa9\",0.1,1000.0,"
            "18446744073709551615]}");
  EXPECT_TRUE(json["m"][5].is_number_float());
  EXPECT_EQ(*ParseJson("7", "here"), Json(7));
  for (const double x : {0.1, 1e-300, 5e-324, 1.7976931348623157e308, -0.0, 1.0 / 3}) {
    const double back = ParseJson(WriteJson(Json(x)), "here")->get<double>();
    EXPECT_EQ(std::bit_cast<std::uint64_t>(back), std::bit_cast<std::uint64_t>(x)) << x;
  }
  EXPECT_EQ(WriteJson(Json(std::nan(""))), "null");
  EXPECT_EQ(WriteJson(Json("a\xff")), "\"a\xef\xbf\xbd\"");
  EXPECT_EQ(WriteJsonPretty(Json{{"a", 1}}), "{\n  \"a\": 1\n}\n");
}

TEST(JsonText, TypedFieldsSayWhatIsMissingOrOfAnotherKind) {
  const Json json = *ParseJson(R"({"s":"x","n":1.5,"i":3,"b":true})", "here");
  EXPECT_EQ(*JsonString(json, "s", "p"), "x");
  EXPECT_EQ(*JsonNumber(json, "n", "p"), 1.5);
  EXPECT_EQ(*JsonNumber(json, "i", "p"), 3.0);
  EXPECT_EQ(*JsonInt(json, "i", "p"), 3);
  EXPECT_TRUE(*JsonBool(json, "b", "p"));
  EXPECT_EQ(JsonString(json, "none", "p").error().message,
            "p: key \"none\" is missing, expected a string");
  EXPECT_EQ(JsonInt(json, "n", "p").error().message, "p: \"n\" is number, expected an integer");
  EXPECT_EQ(JsonNumber(json, "s", "p").error().message, "p: \"s\" is string, expected a number");
  EXPECT_EQ(JsonBool(json, "i", "p").error().message, "p: \"i\" is number, expected true or false");
  EXPECT_FALSE(JsonString(Json(3), "s", "p"));
}

TEST(Lines, ComeNumberedWithoutTheirEndsAndStopAtAnError) {
  std::vector<std::string> seen;
  const auto collect = [&](std::string_view line, std::size_t number) -> Status {
    EXPECT_EQ(number, seen.size());
    seen.emplace_back(line);
    return {};
  };
  EXPECT_TRUE(ForEachLine("a\n\nb\r\nc\rd", collect));
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "", "b", "c\rd"}));
  seen.clear();
  EXPECT_TRUE(ForEachLine("", collect));
  EXPECT_TRUE(seen.empty());
  EXPECT_TRUE(ForEachLine("a\n", collect));
  EXPECT_EQ(seen.size(), 1u);
  int count = 0;
  const Status stopped = ForEachLine("a\nb\nc", [&](std::string_view, std::size_t n) -> Status {
    ++count;
    if (n == 1) return BadFile("second");
    return {};
  });
  EXPECT_EQ(stopped.error().message, "second");
  EXPECT_EQ(count, 2);
}

TEST(Files, ThatAreMissingFoldersOrTooLargeSaySo) {
  TemporaryFolder folder;
  ASSERT_TRUE(WriteFileAtomic(folder / "f", std::string(100, 'x')));
  EXPECT_EQ(ReadFile(folder / "f")->size(), 100u);
  EXPECT_EQ(ReadFile(folder / "none").error().code, ErrorCode::kUsage);
  EXPECT_NE(ReadFile(folder / "none").error().message.find("cannot be opened"), std::string::npos);
  EXPECT_EQ(ReadFile(folder.path()).error().code, ErrorCode::kBadFile);
  EXPECT_NE(ReadFile(folder.path()).error().message.find("is a folder"), std::string::npos);
  EXPECT_NE(ReadFile(folder / "f", 99).error().message.find("larger than 99 bytes"),
            std::string::npos);
  EXPECT_TRUE(ReadFile(folder / "f", 100));
}

}  // namespace
}  // namespace pawl
