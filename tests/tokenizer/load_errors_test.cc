// Every way in which the files of a tokenizer can be wrong is an error that names file and place.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "tokenizer/tiny_tokenizer.h"

namespace pawl {
namespace {

std::string ErrorAfter(const std::function<void(TinyFile*)>& change) {
  TinyFile file;
  change(&file);
  const auto loaded = file.Load();
  if (loaded) return "no error";
  EXPECT_EQ(loaded.error().code, ErrorCode::kBadFile);
  return loaded.error().message;
}

void ExpectError(const std::string& expected, const std::function<void(TinyFile*)>& change) {
  EXPECT_NE(ErrorAfter(change).find("tiny/tokenizer.json" + expected), std::string::npos)
      << "expected " << expected << "\ngot      " << ErrorAfter(change);
}

TEST(LoadErrors, OfTheVocabulary) {
  ExpectError(".model.vocab: \"b\" has id",
              [](TinyFile* f) { f->json["model"]["vocab"]["b"] = -1; });
  ExpectError(".model.vocab: \"b\" has id 1000000",
              [](TinyFile* f) { f->json["model"]["vocab"]["b"] = 1000000; });
  ExpectError(".model.vocab: \"b\" has id 18446744073709551615, which is too large",
              [](TinyFile* f) { f->json["model"]["vocab"]["b"] = UINT64_MAX; });
  ExpectError(".model.vocab: id 97 occurs twice",
              [](TinyFile* f) { f->json["model"]["vocab"]["b"] = 97; });
  ExpectError(".model.vocab: \"b\" is a string, expected an integer id",
              [](TinyFile* f) { f->json["model"]["vocab"]["b"] = "98"; });
  ExpectError(".model.vocab: \"b\" is the number 1.5",
              [](TinyFile* f) { f->json["model"]["vocab"]["b"] = 1.5; });
  ExpectError(".model.vocab: \"b\" is a list",
              [](TinyFile* f) { f->json["model"]["vocab"]["b"] = Json::array(); });
  ExpectError(".model.vocab: an entry is empty",
              [](TinyFile* f) { f->json["model"]["vocab"][""] = f->next_id++; });
  ExpectError(".model.vocab: the symbol \"z\" of byte 0x7A is missing", [](TinyFile* f) {
    f->json["model"]["vocab"].erase("z");
    f->json["model"]["vocab"]["zz"] = 'z';
  });
  ExpectError(".model.vocab: is missing", [](TinyFile* f) { f->json["model"].erase("vocab"); });
}

TEST(LoadErrors, OfMerges) {
  ExpectError(".model.merges[4]: \"\xC4\x80\" is not in the vocabulary", [](TinyFile* f) {
    f->json["model"]["vocab"].erase("\xC4\x80");  // of byte 0, which may be missing
    f->json["model"]["vocab"]["xx"] = 0;
    f->json["model"]["merges"].push_back({"\xC4\x80", "a"});
  });
  ExpectError(".model.merges[4]: \"ax\" is not in the vocabulary", [](TinyFile* f) {
    f->json["model"]["merges"].push_back({"a", "x"});
  });
  ExpectError(".model.merges[4]: a side is empty", [](TinyFile* f) {
    f->json["model"]["merges"].push_back({"", "a"});
  });
  ExpectError(".model.merges[4]: \"a\" + \"b\" occurs twice, first at 0", [](TinyFile* f) {
    f->json["model"]["merges"].push_back({"a", "b"});
  });
  ExpectError(".model.merges[4]: 3 parts, expected 2", [](TinyFile* f) {
    f->json["model"]["merges"].push_back({"a", "b", "c"});
  });
  ExpectError(".model.merges[4]: \"a b c\", expected two parts and one space",
              [](TinyFile* f) { f->json["model"]["merges"].push_back("a b c"); });
  ExpectError(".model.merges[4]: \"ab\", expected two parts",
              [](TinyFile* f) { f->json["model"]["merges"].push_back("ab"); });
  ExpectError(".model.merges[4]: a number, expected",
              [](TinyFile* f) { f->json["model"]["merges"].push_back(5); });
  ExpectError(".model.merges: is missing", [](TinyFile* f) { f->json["model"].erase("merges"); });
  ExpectError(".model.merges: a merge makes the special token \"ab\"", [](TinyFile* f) {
    f->AddToken("ab", true);
    f->json["added_tokens"][0]["id"] = f->json["model"]["vocab"]["ab"];
  });
}

TEST(LoadErrors, OfAddedTokens) {
  ExpectError(".added_tokens[0].content: is empty", [](TinyFile* f) { f->AddToken("", true); });
  ExpectError(".added_tokens[1]: \"<x>\" occurs twice", [](TinyFile* f) {
    f->AddToken("<x>", true);
    f->AddToken("<x>", true);
  });
  ExpectError(".added_tokens[1]: id 260 occurs twice", [](TinyFile* f) {
    f->AddToken("<x>", true);
    f->AddToken("<y>", true, {{"id", 260}});
  });
  ExpectError(".added_tokens[0]: \"<x>\" has id 5000, expected a free one", [](TinyFile* f) {
    f->AddToken("<x>", true, {{"id", 5000}});
  });
  ExpectError(".added_tokens[0]: \"<x>\" has id 97, expected a free one", [](TinyFile* f) {
    f->AddToken("<x>", true, {{"id", 97}});
  });
  ExpectError(".added_tokens[0]: \"a\" has id 260, but 97 in the vocabulary",
              [](TinyFile* f) { f->AddToken("a", false); });
  ExpectError(".added_tokens[0].id: -5, expected", [](TinyFile* f) {
    f->AddToken("<x>", true, {{"id", -5}});
  });
  ExpectError(".added_tokens[0]: \"special\" is string", [](TinyFile* f) {
    f->AddToken("<x>", true, {{"special", "yes"}});
  });
  ExpectError(".added_tokens[0]: key \"content\" is missing", [](TinyFile* f) {
    f->json["added_tokens"].push_back({{"id", 260}});
  });
  ExpectError(".added_tokens: expected a list", [](TinyFile* f) { f->json["added_tokens"] = 3; });
}

TEST(LoadErrors, OfWhatIsNotSupported) {
  const auto set = [](const char* key, const Json& value) {
    return [key, value](TinyFile* f) { f->json[key] = value; };
  };
  const auto model = [](const char* key, const Json& value) {
    return [key, value](TinyFile* f) { f->json["model"][key] = value; };
  };
  ExpectError(".model: model \"Unigram\" is not supported", model("type", "Unigram"));
  ExpectError(".model.dropout: is set", model("dropout", 0.1));
  ExpectError(".model.end_of_word_suffix: is set", model("end_of_word_suffix", "</w>"));
  ExpectError(".model: is missing", set("model", nullptr));
  ExpectError(".normalizer: normalizer \"Lowercase\" is not supported",
              set("normalizer", {{"type", "Lowercase"}}));
  ExpectError(".normalizer.normalizers[1]: normalizer \"NFKC\" is not supported",
              set("normalizer", {{"type", "Sequence"},
                                 {"normalizers", {{{"type", "NFC"}}, {{"type", "NFKC"}}}}}));
  ExpectError(".normalizer: expected an object or null", set("normalizer", "NFC"));
  ExpectError(".post_processor: post-processor \"Odd\" is not supported",
              set("post_processor", {{"type", "Odd"}}));
  ExpectError(".decoder: decoder \"Metaspace\" is not supported",
              set("decoder", {{"type", "Metaspace"}}));
  ExpectError(".decoder: decoder \"null\" is not supported", set("decoder", nullptr));
  ExpectError(".pre_tokenizer: no ByteLevel", set("pre_tokenizer", nullptr));
  ExpectError(".pre_tokenizer: pre-tokenizer \"Whitespace\" is not supported",
              set("pre_tokenizer", {{"type", "Whitespace"}}));
  ExpectError(".model: byte symbols are missing and unk_token", [](TinyFile* f) {
    f->json["model"]["vocab"].erase("\xC3\xBF");
    f->json["model"]["vocab"]["<unk>"] = 255;
    f->json["model"]["unk_token"] = "<unk>";
  });
}

TEST(LoadErrors, OfSplits) {
  const auto with = [](const Json& split) {
    return [split](TinyFile* f) {
      f->json["pre_tokenizer"] = {{"type", "Sequence"},
                                  {"pretokenizers", {split, {{"type", "ByteLevel"}}}}};
    };
  };
  const std::string place = ".pre_tokenizer.pretokenizers[0]";
  ExpectError(place + ": \"pattern\" is missing",
              with({{"type", "Split"}, {"behavior", "Isolated"}}));
  ExpectError(place + ": behavior \"Odd\", expected Removed",
              with({{"type", "Split"}, {"behavior", "Odd"}, {"pattern", {{"String", "a"}}}}));
  ExpectError(place + ".pattern: the string is empty",
              with({{"type", "Split"}, {"behavior", "Removed"}, {"pattern", {{"String", ""}}}}));
  ExpectError(place + ".pattern.Regex: regular expression is wrong",
              with({{"type", "Split"}, {"behavior", "Removed"}, {"pattern", {{"Regex", "("}}}}));
  ExpectError(".pre_tokenizer.pretokenizers[1]: stands behind ByteLevel",
              with({{"type", "ByteLevel"}}));
  ExpectError(".pre_tokenizer: \"pretokenizers\" is missing", [](TinyFile* f) {
    f->json["pre_tokenizer"] = {{"type", "Sequence"}};
  });
}

TEST(LoadErrors, OfJson) {
  const auto error = [](const std::string& text) {
    const auto loaded = Tokenizer::FromJson(text, "", "", "x");
    return loaded ? "no error" : loaded.error().message;
  };
  EXPECT_EQ(error(""), "x/tokenizer.json: not valid JSON at byte 1");
  EXPECT_EQ(error("[]"), "x/tokenizer.json: not an object, expected a tokenizer");
  const std::string whole = WriteJson(TinyFile().json);
  EXPECT_EQ(error(whole), "no error");
  EXPECT_EQ(error(whole + std::string("\0{", 2)),
            "x/tokenizer.json: not valid JSON at byte " + std::to_string(whole.size() + 1));
  EXPECT_EQ(error("{\"a\":1,\"a\":2}"), "x/tokenizer.json: key \"a\" occurs twice in one object");
  EXPECT_EQ(error("{\"a\":" + std::string(100, '[')),
            "x/tokenizer.json: nested deeper than 64 levels");
  EXPECT_EQ(error(R"({"model":{"vocab":{"a":1},"vocab":{}}})"),
            "x/tokenizer.json: key \"vocab\" occurs twice in one object");
  std::string cut = WriteJson(TinyFile().json);
  cut.resize(cut.size() / 2);
  EXPECT_NE(error(cut).find("x/tokenizer.json: not valid JSON at byte"), std::string::npos);
}

TEST(LoadErrors, OfTheConfiguration) {
  const TinyFile file;
  const auto error = [&](const std::string& config) {
    const auto loaded = file.Load(config);
    return loaded ? "no error" : loaded.error().message;
  };
  EXPECT_EQ(error("{"), "tiny/tokenizer_config.json: not valid JSON at byte 2");
  EXPECT_EQ(error("[]"), "tiny/tokenizer_config.json: expected an object");
  EXPECT_EQ(error(R"({"eos_token":{"x":1}})"),
            "tiny/tokenizer_config.json.eos_token: key \"content\" is missing, expected a string");
  EXPECT_EQ(error(R"({"chat_template":3})"),
            "tiny/tokenizer_config.json.chat_template: expected a string or a list of named "
            "templates");
  EXPECT_EQ(file.Load("", "\xFF").error().message, "tiny/chat_template.jinja: is not UTF-8");
}

TEST(LoadErrors, OfFolders) {
  const auto missing = Tokenizer::Load("/nonexistent/folder");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kUsage);
}

TEST(Loading, ReadsAFolderAndPrefersTheSeparateTemplate) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(testing::TempDir()) / "pawl_tokenizer_folder";
  fs::create_directories(folder / "linked");
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(folder / name) << text;
  };
  write("tokenizer.json", WriteJson(TinyFile().json));
  write("tokenizer_config.json", R"({"chat_template":"config","eos_token":"ab"})");
  fs::remove(folder / "linked/tokenizer.json");
  fs::create_symlink("../tokenizer.json", folder / "linked/tokenizer.json");
  const auto plain = Tokenizer::Load(folder);
  ASSERT_TRUE(plain) << plain.error().message;
  EXPECT_EQ(plain->chat_template(), "config");
  EXPECT_EQ(plain->eos()->id, 256);
  write("chat_template.jinja", "file");
  EXPECT_EQ(Tokenizer::Load(folder)->chat_template(), "file");
  const auto linked = Tokenizer::Load(folder / "linked");
  ASSERT_TRUE(linked) << linked.error().message;
  EXPECT_FALSE(linked->chat_template());
  fs::remove_all(folder);
}

TEST(Loading, TakesTheDefaultOfNamedTemplates) {
  const auto loaded = TinyFile().Load(
      R"({"chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]})");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->chat_template(), "d");
}

}  // namespace
}  // namespace pawl
