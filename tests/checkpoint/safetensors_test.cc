#include "checkpoint/safetensors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <cmath>
#include <limits>

#include "base/bf16.h"
#include "base/file.h"
#include "base/philox.h"
#include "checkpoint/raw_file.h"
#include "support/fault_files.h"
#include "support/shared_data.h"

namespace pawl {
namespace {

class Safetensors : public testing::Test {
 protected:
  // The message of the error that opening these bytes gives; "" when they are accepted.
  std::string Problem(const std::string& bytes) {
    Put(folder_ / "f", bytes);
    const auto file = SafetensorsFile::Open(folder_ / "f");
    if (file) return "";
    EXPECT_EQ(file.error().code, ErrorCode::kBadFile);
    const std::string place = (folder_ / "f").string() + ": ";
    EXPECT_EQ(file.error().message.substr(0, place.size()), place);
    return file.error().message.substr(std::min(place.size(), file.error().message.size()));
  }
  std::string ProblemOf(const std::string& header, std::size_t data_bytes) {
    return Problem(Raw(header, std::string(data_bytes, '\0')));
  }
  void Expect(const std::string& header, std::size_t data_bytes, const std::string& part) {
    const std::string problem = ProblemOf(header, data_bytes);
    EXPECT_NE(problem.find(part), std::string::npos) << header << "\n" << problem;
    EXPECT_NE(problem, "") << header;
  }
  TemporaryFolder folder_;
};

TEST_F(Safetensors, WhatTheFormatAllowsIsRead) {
  EXPECT_EQ(ProblemOf("{}", 0), "");
  EXPECT_EQ(ProblemOf("{}       ", 0), "");
  EXPECT_EQ(ProblemOf(R"({"__metadata__":{"format":"pt"}})", 0), "");
  EXPECT_EQ(ProblemOf(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4), "");
  EXPECT_EQ(ProblemOf(R"({"a":{"shape":[2,0],"data_offsets":[0,0],"dtype":"F32"}})", 0), "");
  // A tensor without bytes where another begins, as the reference reader accepts.
  EXPECT_EQ(ProblemOf(R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                      R"("b":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})",
                      3),
            "");
  // Neither order in the header nor alignment is required.
  EXPECT_EQ(ProblemOf(R"({"b":{"dtype":"F64","shape":[1],"data_offsets":[1,9]},)"
                      R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                      9),
            "");
  std::string ones = "1";
  for (int i = 1; i < 1000; ++i) ones += ",1";
  EXPECT_EQ(ProblemOf(R"({"a":{"dtype":"U8","shape":[)" + ones + R"(],"data_offsets":[0,1]}})", 1),
            "");
}

TEST_F(Safetensors, AHeaderLengthThatLiesIsRefusedBeforeAnythingIsAllocated) {
  const std::string good = Raw(R"({"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]}})", "12345");
  ASSERT_EQ(Problem(good), "");
  struct rusage before {};
  getrusage(RUSAGE_SELF, &before);
  for (const std::uint64_t length :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{7}, std::uint64_t{good.size() - 8 - 1},
        std::uint64_t{good.size() - 8}, std::uint64_t{good.size() - 8 + 1}, std::uint64_t{99999999},
        std::uint64_t{100000000}, std::uint64_t{100000001}, std::uint64_t{1} << 31,
        std::uint64_t{1} << 32, std::uint64_t{1} << 63, ~std::uint64_t{0}, ~std::uint64_t{7}}) {
    std::string bytes = good;
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_NE(Problem(bytes), "") << length;
  }
  struct rusage after {};
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 8192);  // KiB
  EXPECT_NE(Problem("").find("0 bytes, expected at least 8"), std::string::npos);
  EXPECT_NE(Problem("1234567").find("7 bytes, expected at least 8"), std::string::npos);
  EXPECT_NE(Problem(std::string(8, '\xff')).find("the limit is 100000000"), std::string::npos);
}

TEST_F(Safetensors, EveryTruncationIsRefusedAndSaysSo) {
  ASSERT_TRUE(WriteSafetensors(folder_ / "t",
                               {{"x", {5, 7}, std::vector<float>(35, 1)}, {"y", {3}, {1, 2, 3}}}));
  const std::string whole = *ReadFile(folder_ / "t");
  ASSERT_EQ(Problem(whole), "");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    ASSERT_NE(Problem(whole.substr(0, length)), "") << length;
  }
  EXPECT_NE(Problem(whole.substr(0, whole.size() - 1)).find("probably incomplete"),
            std::string::npos);
  EXPECT_NE(Problem(whole + "x").find("probably damaged"), std::string::npos);
}

TEST_F(Safetensors, ShapesWhoseProductWrapsAroundAreRefused) {
  // 4194305 * 4194305 * 211106198978564 is 4 modulo 2^64.
  Expect(R"({"a":{"dtype":"F32","shape":[4194305,4194305,211106198978564],"data_offsets":[0,16]}})",
         16, "overflows");
  Expect(R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
         "overflows");
  Expect(R"({"a":{"dtype":"U8","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0,
         "overflows");
  Expect(R"({"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}})", 0,
         "overflows");
  Expect(R"({"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,0]}})", 0,
         "overflows");
}

TEST_F(Safetensors, OffsetsMustTileTheData) {
  const auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}";
  };
  EXPECT_EQ(ProblemOf(two("[0,4]", "[4,8]"), 8), "");
  EXPECT_EQ(ProblemOf(two("[4,8]", "[0,4]"), 8), "");
  Expect(two("[0,4]", "[5,9]"), 9, "a hole or an overlap");
  Expect(two("[0,4]", "[3,7]"), 7, "a hole or an overlap");
  Expect(two("[0,4]", "[0,4]"), 4, "a hole or an overlap");
  Expect(two("[1,5]", "[5,9]"), 9, "a hole or an overlap");
  Expect(two("[4,0]", "[4,8]"), 8, "begin <= end");
  Expect(two("[0,3]", "[3,7]"), 7, "data_offsets span 3 bytes, expected 4");
  Expect(two("[0,4]", "[4,8]"), 7, "tensors need 8 bytes of data, the file has 7");
  Expect(two("[0,4]", "[4,8]"), 9, "tensors need 8 bytes of data, the file has 9");
  Expect(two("[0,4]", "[4,18446744073709551615]"), 8, "expected 4");
  for (const char* bad : {"[0]", "[0,4,4]", "[]"}) {
    Expect(two(bad, "[4,8]"), 8, "data_offsets must be [begin, end]");
  }
  for (const char* bad : {"[-1,3]", "[0.0,4]", "[0,4e0]", "[0,\"4\"]", "[0,null]", "[0,true]",
                          "[[0],4]", "[0,{}]", "[0,18446744073709551616]"}) {
    Expect(two(bad, "[4,8]"), 8, "expected integers from 0 on");
  }
  Expect(two("4", "[4,8]"), 8, "expected a list of integers");
}

TEST_F(Safetensors, EntriesHaveExactlyTheKeysOfTheFormat) {
  Expect(R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1, "\"dtype\" is missing");
  Expect(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1, "\"shape\" is missing");
  Expect(R"({"a":{"dtype":"U8","shape":[1]}})", 1, "\"data_offsets\" is missing");
  Expect(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":1}})", 1, "unknown key \"x\"");
  Expect(R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1,
         "key \"dtype\" occurs twice");
  Expect(R"({"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}})", 1,
         "key \"shape\" occurs twice");
  Expect(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]}})", 1,
         "key \"data_offsets\" occurs twice");
  Expect(R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})", 1, "unknown dtype \"F4\"");
  Expect(R"({"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}})", 4, "unknown dtype \"f32\"");
  Expect(R"({"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}})", 1, "expected a string");
  Expect(R"({"a":{"dtype":"U8","shape":1,"data_offsets":[0,1]}})", 1, "expected a list");
  Expect(R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1, "from 0 on");
  Expect(R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1, "from 0 on");
  Expect(R"({"a":{"dtype":"U8","shape":[1e3],"data_offsets":[0,1000]}})", 1000, "from 0 on");
  Expect(R"({"a":[]})", 0, "expected an object");
  Expect(R"({"a":{"dtype":{"x":1},"shape":[1],"data_offsets":[0,1]}})", 1, "found an object");
  Expect(R"({"a":1})", 0, "expected an object");
}

TEST_F(Safetensors, HeaderTextIsStrictJsonThatBeginsWithABrace) {
  Expect("", 0, "does not begin with '{'");
  Expect(" {}", 0, "does not begin with '{'");
  Expect("\xef\xbb\xbf{}", 0, "does not begin with '{'");
  Expect("[]", 0, "does not begin with '{'");
  Expect("{", 0, "not valid JSON");
  Expect("{} x", 0, "not valid JSON");
  Expect("{\"a\xff\":1}", 0, "not valid JSON");
  Expect(std::string("{\0}", 3), 0, "not valid JSON");
  Expect(std::string("{}\0", 3), 0, "not valid JSON");
  Expect(std::string("{}\0GIF89a", 9), 0, "not valid JSON at byte 3");
  Expect("{\"a\":NaN}", 0, "not valid JSON");
  Expect("{/**/}", 0, "not valid JSON");
  Expect(R"({"a":1e999})", 0, "");
  Expect("{\"a\":" + std::string(100000, '['), 0, "found a list");
  Expect(R"({"__metadata__":{"a":1}})", 0, "expected a string");
  Expect(R"({"__metadata__":{"a":{}}})", 0, "expected a string");
  Expect(R"({"__metadata__":"pt"})", 0, "expected an object of strings");
  Expect(R"({"__metadata__":{"a":"x","a":"y"}})", 0, "occurs twice in __metadata__");
  Expect(R"({"__metadata__":{},"__metadata__":{}})", 0, "key \"__metadata__\" occurs twice");
  Expect(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
         R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
         0, "tensor \"a\" occurs twice");
}

TEST_F(Safetensors, ManyTensorsTakeTimeAndMemoryLinearInTheHeader) {
  std::string header = "{";
  for (int i = 0; i < 200'000; ++i) {
    header += (i > 0 ? ",\"" : "\"") + std::to_string(i) +
              R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  }
  header += "}";
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(ProblemOf(header, 0), "");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 10);  // 0.3 s; by comparing names pairwise it took minutes
}

TEST_F(Safetensors, NoMutationOfAFileCrashesTheReader) {
  ASSERT_TRUE(WriteSafetensors(
      folder_ / "t",
      {{"alpha", {2, 3}, {1, 2, 3, 4, 5, 6}}, {"beta", {}, {7}}, {"gamma", {4}, {1, 2, 3, 4}}}));
  const std::string whole = *ReadFile(folder_ / "t");
  RandomStream random({.seed = 1, .purpose = RandomPurpose::kTest, .item = 0, .sample = 0});
  const std::string tokens = "{}[]\",:0123456789-e.\\u";
  int accepted = 0;
  for (int round = 0; round < 4000; ++round) {
    std::string bytes = whole;
    for (std::uint32_t i = random.Below(4) + 1; i > 0; --i) {
      const std::size_t at = random.Below(static_cast<std::uint32_t>(bytes.size()));
      switch (random.Below(5)) {
        case 0:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.Below(8)));
          break;
        case 1:
          bytes[at] = tokens[random.Below(static_cast<std::uint32_t>(tokens.size()))];
          break;
        case 2:
          bytes.resize(at + 1);
          break;
        case 3:
          bytes.insert(at, bytes.substr(0, random.Below(16)));
          break;
        default:
          bytes.erase(at, std::min<std::size_t>(random.Below(8), bytes.size() - 1));
          break;
      }
    }
    Put(folder_ / "f", bytes);
    const auto file = SafetensorsFile::Open(folder_ / "f");
    if (!file) {
      ASSERT_EQ(file.error().code, ErrorCode::kBadFile);
      continue;
    }
    ++accepted;  // a changed name or value: whatever is there must be readable
    for (const TensorInfo& tensor : file->tensors()) {
      ASSERT_LE(tensor.offset + tensor.bytes, bytes.size());
      static_cast<void>(file->ReadFloats(tensor.name));
      static_cast<void>(file->ReadInts(tensor.name));
      ASSERT_EQ(file->Find(tensor.name), &tensor);
    }
  }
  EXPECT_GT(accepted, 50);
  EXPECT_LT(accepted, 2500);
}

TEST_F(Safetensors, AFileThatShrinksAfterOpeningIsAnErrorOfReading) {
  ASSERT_TRUE(WriteSafetensors(folder_ / "t", {{"x", {1000}, std::vector<float>(1000, 1)}}));
  const auto file = SafetensorsFile::Open(folder_ / "t");
  ASSERT_TRUE(file);
  std::filesystem::resize_file(folder_ / "t", 1000);
  const auto values = file->ReadFloats("x");
  ASSERT_FALSE(values);
  EXPECT_EQ(values.error().code, ErrorCode::kBadFile);
  EXPECT_NE(values.error().message.find("the file ends before"), std::string::npos);
}

TEST_F(Safetensors, PathsThatAreNoRegularFileAreErrors) {
  EXPECT_EQ(SafetensorsFile::Open(folder_ / "none").error().code, ErrorCode::kUsage);
  EXPECT_EQ(SafetensorsFile::Open(folder_.path()).error().code, ErrorCode::kBadFile);
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  const auto pipe = SafetensorsFile::Open(folder_ / "pipe");  // must not wait for a writer
  EXPECT_NE(pipe.error().message.find("is not a regular file"), std::string::npos);
}

TEST_F(Safetensors, ValuesOfEveryKindReadBackExactly) {
  const std::string header = R"({"d":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},)"
                             R"("l":{"dtype":"I64","shape":[2],"data_offsets":[16,32]},)"
                             R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[32,36]},)"
                             R"("h":{"dtype":"F16","shape":[2],"data_offsets":[36,40]},)"
                             R"("i":{"dtype":"I32","shape":[2],"data_offsets":[40,48]},)"
                             R"("u":{"dtype":"U8","shape":[1],"data_offsets":[48,49]},)"
                             R"("f":{"dtype":"F32","shape":[1],"data_offsets":[49,53]}})";
  std::string data;
  const auto put = [&](auto x) { data.append(reinterpret_cast<const char*>(&x), sizeof x); };
  put(0.1);
  put(-2.5);
  put(std::int64_t{-3});
  put(std::int64_t{1} << 31);
  put(ToBf16(1.5f));
  put(ToBf16(-INFINITY));
  put(ToF16(0.25f));
  put(F16{1});
  put(std::int32_t{-7});
  put(std::numeric_limits<std::int32_t>::min());
  put(std::uint8_t{1});
  put(0.1f);  // at an odd address
  Put(folder_ / "f", Raw(header, data));
  const auto file = SafetensorsFile::Open(folder_ / "f");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(*file->ReadDoubles("d"), (std::vector<double>{0.1, -2.5}));
  EXPECT_EQ(*file->ReadFloats("d"), (std::vector<float>{0.1f, -2.5f}));
  EXPECT_EQ(*file->ReadFloats("b"), (std::vector<float>{1.5f, -INFINITY}));
  EXPECT_EQ(*file->ReadFloats("h"), (std::vector<float>{0.25f, 0x1p-24f}));
  EXPECT_EQ(*file->ReadFloats("f"), std::vector<float>{0.1f});
  EXPECT_EQ(*file->ReadDoubles("f"), std::vector<double>{double{0.1f}});
  EXPECT_EQ(*file->ReadInts("i"),
            (std::vector<std::int32_t>{-7, std::numeric_limits<std::int32_t>::min()}));
  const auto message = [](const auto& result) { return result ? "" : result.error().message; };
  EXPECT_NE(message(file->ReadInts("l")).find("2147483648, beyond 32 bits"), std::string::npos);
  EXPECT_NE(message(file->ReadInts("f")).find("is F32, expected I32 or I64"), std::string::npos);
  EXPECT_NE(message(file->ReadFloats("i")).find("expected F32, F16, BF16 or F64"),
            std::string::npos);
  EXPECT_NE(message(file->ReadDoubles("u")).find("expected F64 or F32"), std::string::npos);
  EXPECT_NE(message(file->ReadFloats("zz")).find("'zz' is missing"), std::string::npos);
  std::byte two[2];
  EXPECT_NE(message(file->ReadBytes(*file->Find("u"), 0, two)).find("past its end"),
            std::string::npos);
  EXPECT_EQ(file->Find("none"), nullptr);
}

TEST_F(Safetensors, TheWriterOrdersByAlignmentThenNameAndPadsTheHeader) {
  auto writer =
      SafetensorsWriter::Create(folder_ / "w", {{"model.layers.2", DType::kBF16, {1}},
                                                {"z", DType::kF32, {1}},
                                                {"model.layers.10", DType::kBF16, {1}},
                                                {"a \"quoted\" \xc3\xa9", DType::kF32, {0, 3}},
                                                {"wide", DType::kI64, {1}}});
  ASSERT_TRUE(writer);
  std::vector<std::string> names;
  for (const TensorSpec& spec : writer->order()) names.push_back(spec.name);
  EXPECT_EQ(names, (std::vector<std::string>{"wide", "a \"quoted\" \xc3\xa9", "z",
                                             "model.layers.10", "model.layers.2"}));
  const std::string data =
      "01234567"
      "abcd"
      "xy"
      "uv";
  const auto bytes = std::as_bytes(std::span(data));
  ASSERT_TRUE(writer->Append(bytes.first(5)));  // pieces need not end where tensors do
  ASSERT_TRUE(writer->Append(bytes.subspan(5)));
  ASSERT_TRUE(writer->Finish());
  const std::string text = *ReadFile(folder_ / "w");
  std::uint64_t length = 0;
  std::memcpy(&length, text.data(), 8);
  EXPECT_EQ(length % 8, 0u);
  EXPECT_EQ(text.substr(8, 32), R"({"__metadata__":{"format":"pt"},)");
  EXPECT_EQ(text.substr(8 + length), data);
  const auto file = SafetensorsFile::Open(folder_ / "w");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->Find(names[1])->shape, (std::vector<std::size_t>{0, 3}));
  EXPECT_EQ(file->tensors().front().name, "wide");
}

TEST_F(Safetensors, MissingBytesAreNoticedWhenAWriterFinishes) {
  auto writer = SafetensorsWriter::Create(folder_ / "w", {{"a", DType::kF32, {2}}});
  ASSERT_TRUE(writer);
  const float one = 1;
  ASSERT_TRUE(writer->Append(std::as_bytes(std::span(&one, 1))));
  const Status finished = writer->Finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, ErrorCode::kInternal);
  EXPECT_NE(finished.error().message.find("4 tensor bytes written, expected 8"), std::string::npos);
}

TEST_F(Safetensors, AFileWrittenWithAFaultAtAnyCallIsTheOldOneOrTheNewOne) {
  const std::vector<FloatTensor> before = {{"x", {3}, {1, 2, 3}}};
  const std::vector<FloatTensor> after = {{"x", {3}, {4, 5, 6}}, {"y", {1}, {7}}};
  for (const bool sticky : {false, true}) {
    for (const auto kind : {FaultFiles::Kind::kError, FaultFiles::Kind::kShortWrite}) {
      for (int n = 1;; ++n) {
        const auto path = folder_ / "t";
        ASSERT_TRUE(WriteSafetensors(path, before));
        FaultFiles files(n, ENOSPC, sticky, kind);
        Status status;
        {
          const FileSystemOverride use(files);
          status = WriteSafetensors(path, after);
        }
        const auto file = SafetensorsFile::Open(path);
        ASSERT_TRUE(file) << file.error().message;
        const bool is_new = file->tensors().size() == 2;
        EXPECT_EQ(file->ReadFloats("x")->front(), is_new ? 4 : 1);
        if (status) {
          EXPECT_TRUE(is_new);
        }
        if (!status) {
          EXPECT_EQ(status.error().code, ErrorCode::kResources);
        }
        if (!sticky) {
          EXPECT_FALSE(std::filesystem::exists(folder_ / "t.tmp")) << n;
        }
        if (!files.failed()) break;
        ASSERT_LT(n, 50);
      }
    }
  }
}

TEST_F(Safetensors, FilesOfTheReferenceWriterAreReproducedByteForByte) {
  PAWL_NEED_SHARED();
  const auto original = SharedDir() / "oracle/models/llama_f32/model.safetensors";
  const auto file = SafetensorsFile::Open(original);
  ASSERT_TRUE(file) << file.error().message;
  std::vector<FloatTensor> tensors;
  for (const TensorInfo& info : file->tensors()) {
    tensors.push_back({info.name, info.shape, *file->ReadFloats(info.name)});
  }
  ASSERT_TRUE(WriteSafetensors(folder_ / "again", tensors));
  EXPECT_TRUE(*ReadFile(folder_ / "again") == *ReadFile(original));
}

}  // namespace
}  // namespace pawl
