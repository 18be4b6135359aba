#include "formats/safetensors.h"

#include <gmock/gmock.h>

#include "base/strings.h"
#include "support/memory_file_system.h"
#include "support/safetensors_bytes.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::LittleEndian64;
using testing::MemoryFileSystem;
using testing::MemoryMapping;
using testing::SafetensorsBytes;

Result<SafetensorsFile> Parse(std::string_view bytes, std::size_t misalignment = 0) {
  return SafetensorsFile::Parse(std::make_shared<MemoryMapping>(bytes, misalignment),
                                "m.safetensors");
}

// An entry of the header.
std::string Entry(std::string_view name, std::string_view dtype, std::string_view shape,
                  std::uint64_t begin, std::uint64_t end) {
  return StrCat("\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":", shape,
                ",\"data_offsets\":[", begin, ",", end, "]}");
}

std::string Message(std::string_view bytes) {
  const auto file = Parse(bytes);
  if (file.ok()) return "no error";
  EXPECT_EQ(file.status().code(), StatusCode::kDataLoss) << file.status().ToString();
  EXPECT_THAT(file.status().message(), HasSubstr("m.safetensors: "));
  EXPECT_THAT(file.status().message(), Not(HasSubstr("\n")));
  return file.status().message();
}

std::string MessageFor(std::string_view header, std::size_t data_bytes) {
  return Message(SafetensorsBytes(header, std::string(data_bytes, '\1')));
}

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const std::string data("\0\0\x80\x3f\0\0\0\x40\x7f\0\0\0\x03", 13);
  ASSERT_OK_AND_ASSIGN(
      const SafetensorsFile file,
      Parse(SafetensorsBytes(
          StrCat("{\"__metadata__\":{\"format\":\"pt\",\"k\":\"v\"},",
                 Entry("n", "I32", "[]", 8, 12), ",", Entry("w", "F32", "[1,2]", 0, 8), ",",
                 Entry("u", "U8", "[1]", 12, 13), "}   "),
          data)));
  EXPECT_EQ(file.metadata().at("k"), "v");
  ASSERT_EQ(file.entries().size(), 3u);
  EXPECT_EQ(file.entries()[0].name, "w");  // In the order of the data.
  ASSERT_OK_AND_ASSIGN(const TensorView w, file.Tensor("w"));
  EXPECT_EQ(w.shape, Shape({1, 2}));
  EXPECT_EQ(ElementAsF32(w, 0), 1.0f);
  EXPECT_EQ(ElementAsF32(w, 1), 2.0f);
  ASSERT_OK_AND_ASSIGN(const TensorView n, file.Tensor("n"));
  EXPECT_EQ(n.shape.rank(), 0);
  EXPECT_EQ(n.span()[0], std::byte{0x7f});
  EXPECT_EQ(file.Tensor("u").status().code(), StatusCode::kUnsupported);
  EXPECT_EQ(file.Tensor("u").status().message(), "m.safetensors: tensor 'u': dtype U8");
  EXPECT_EQ(file.Tensor("x").status().code(), StatusCode::kNotFound);

  NamedTensors tensors;
  ASSERT_OK(file.AddTo(&tensors));
  EXPECT_THAT(tensors.names(), ElementsAre("n", "u", "w"));
  EXPECT_EQ(tensors.Get("u").status().message(), "tensor 'u': dtype U8");
  EXPECT_EQ(file.AddTo(&tensors).code(), StatusCode::kDataLoss);
}

TEST(Safetensors, AcceptsNullMetadataEmptyTensorsAndNoTensors) {
  EXPECT_OK(Parse(SafetensorsBytes("{}", "")));
  EXPECT_OK(Parse(SafetensorsBytes("{\"__metadata__\":null}", "")));
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile file,
                       Parse(SafetensorsBytes(StrCat("{", Entry("a", "F32", "[1]", 0, 4), ",",
                                                     Entry("z", "F32", "[0,3]", 0, 0), "}"),
                                              "\1\1\1\1")));
  ASSERT_OK_AND_ASSIGN(const TensorView empty, file.Tensor("z"));
  EXPECT_EQ(empty.bytes(), 0);
}

TEST(Safetensors, TellsWhetherTensorsAreAligned) {
  const std::string bytes = SafetensorsBytes(
      StrCat("{", Entry("b", "F16", "[1]", 0, 2), ",", Entry("w", "F32", "[1]", 2, 6), "}     "),
      std::string("\x00\x3c\0\0\x80\x3f", 6));
  ASSERT_EQ((bytes.size() - 6) % 2, 0u);
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile file, Parse(bytes));
  EXPECT_FALSE(file.aligned());
  ASSERT_OK_AND_ASSIGN(const TensorView w, file.Tensor("w"));
  EXPECT_FALSE(IsAligned(w));
  EXPECT_EQ(ElementAsF32(w, 0), 1.0f);
  ASSERT_OK_AND_ASSIGN(const TensorView b, file.Tensor("b"));
  EXPECT_TRUE(IsAligned(b));
}

// --- Attacks: each class of the format's own list, and what the message says. ---

TEST(SafetensorsAttack, TruncatedBeforeTheHeader) {
  EXPECT_THAT(Message(""), HasSubstr("0 bytes, needs at least 8"));
  EXPECT_THAT(Message("\1\0\0\0\0\0\0"), HasSubstr("needs at least 8"));
}

TEST(SafetensorsAttack, HeaderLengthLies) {
  EXPECT_THAT(Message(LittleEndian64(UINT64_MAX) + "{}"),
              HasSubstr("header of 18446744073709551615 bytes, allowed at most 100000000"));
  EXPECT_THAT(Message(LittleEndian64(100'000'001) + "{}"), HasSubstr("allowed at most 100000000"));
  EXPECT_THAT(Message(LittleEndian64(3) + "{}"),
              HasSubstr("header of 3 bytes, the file has 2 after its length"));
  EXPECT_THAT(Message(LittleEndian64(0)), HasSubstr("does not begin with '{'"));
}

TEST(SafetensorsAttack, HeaderIsNotTheJsonItMustBe) {
  EXPECT_THAT(MessageFor(" {}", 0), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(MessageFor("[]", 0), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(MessageFor("{\"a\":", 0), HasSubstr("header: byte"));
  EXPECT_THAT(MessageFor("{} x", 0), HasSubstr("text after the end"));
  EXPECT_THAT(MessageFor(std::string_view("{}\0\0", 4), 0), HasSubstr("NUL byte"));
  EXPECT_THAT(MessageFor("{\"\xff\":1}", 0), HasSubstr("invalid UTF-8"));
  EXPECT_THAT(MessageFor(StrCat("{\"a\":", std::string(5000, '['), "}"), 0),
              HasSubstr("nested deeper than 3"));
  EXPECT_THAT(MessageFor("{\"a\":1}", 0), HasSubstr("tensor 'a'"));
  EXPECT_THAT(MessageFor("{\"a\":{}}", 0), HasSubstr("dtype: absent"));
}

TEST(SafetensorsAttack, KeyTwice) {
  const std::string entry = Entry("a", "F32", "[1]", 0, 4);
  EXPECT_THAT(MessageFor(StrCat("{", entry, ",", entry, "}"), 4), HasSubstr("the same key twice"));
  EXPECT_THAT(MessageFor("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0),
              HasSubstr("the same key twice"));
}

TEST(SafetensorsAttack, MetadataIsNotStrings) {
  EXPECT_THAT(MessageFor("{\"__metadata__\":1}", 0), HasSubstr("__metadata__ is not an object"));
  EXPECT_THAT(MessageFor("{\"__metadata__\":{\"a\":{}}}", 0), HasSubstr("'a' is not a string"));
}

TEST(SafetensorsAttack, DtypeUnknown) {
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F33", "[1]", 0, 4), "}"), 4),
              HasSubstr("tensor 'a': unknown dtype 'F33'"));
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "f32", "[1]", 0, 4), "}"), 4),
              HasSubstr("unknown dtype"));
}

TEST(SafetensorsAttack, NumbersNegativeFractionalOrHuge) {
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F32", "[-1]", 0, 4), "}"), 4),
              HasSubstr("shape[0]: is -1, allowed 0"));
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F32", "[1.0]", 0, 4), "}"), 4),
              HasSubstr("expected an integer"));
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F32", "[18446744073709551615]", 0, 4), "}"), 4),
              HasSubstr("expected an integer"));
  EXPECT_THAT(MessageFor(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 4),
              HasSubstr("is -4"));
}

TEST(SafetensorsAttack, ShapeProductOverflows) {
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F32", "[4294967296,4294967296]", 0, 4), "}"), 4),
              HasSubstr("has no size in bytes"));
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F64", "[2305843009213693952]", 0, 0), "}"), 0),
              HasSubstr("has no size in bytes"));
}

TEST(SafetensorsAttack, SizeAndOffsetsContradict) {
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F32", "[2]", 0, 4), "}"), 4),
              HasSubstr("F32 of shape [2] takes 8 bytes, data_offsets give it 4"));
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F32", "[1]", 0, 8), "}"), 8),
              HasSubstr("F32 of shape [1] takes 4 bytes, data_offsets give it 8"));
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F4", "[3]", 0, 2), "}"), 2),
              HasSubstr("has no size in bytes"));
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F32", "[1]", 8, 4), "}"), 8),
              HasSubstr("ends at byte 4 before it begins at 8"));
  EXPECT_THAT(MessageFor(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}})", 4),
              HasSubstr("data_offsets of 3 numbers, needs 2"));
}

TEST(SafetensorsAttack, OffsetsPastTheEnd) {
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F32", "[2]", 0, 8), "}"), 4),
              HasSubstr("tensors cover 8 data bytes, the file has 4"));
}

TEST(SafetensorsAttack, TensorsOverlap) {
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F32", "[2]", 0, 8), ",",
                                Entry("b", "F32", "[2]", 4, 12), "}"),
                         12),
              HasSubstr("tensor 'b' begins at data byte 4, the one before ends at 8"));
  EXPECT_THAT(
      MessageFor(
          StrCat("{", Entry("a", "F32", "[1]", 0, 4), ",", Entry("b", "F32", "[1]", 0, 4), "}"), 4),
      HasSubstr("begins at data byte 0, the one before ends at 4"));
}

TEST(SafetensorsAttack, HolesHideAnotherFile) {
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F32", "[1]", 0, 4), ",",
                                Entry("b", "F32", "[1]", 8, 12), "}"),
                         12),
              HasSubstr("tensor 'b' begins at data byte 8, the one before ends at 4"));
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F32", "[1]", 4, 8), "}"), 8),
              HasSubstr("begins at data byte 4, the one before ends at 0"));
  EXPECT_THAT(MessageFor(StrCat("{", Entry("a", "F32", "[1]", 0, 4), "}"), 5),
              HasSubstr("tensors cover 4 data bytes, the file has 5"));
  EXPECT_THAT(MessageFor("{}", 1), HasSubstr("tensors cover 0 data bytes, the file has 1"));
}

TEST(SafetensorsAttack, StrangeNamesAreOnlyNames) {
  ASSERT_OK_AND_ASSIGN(
      const SafetensorsFile file,
      Parse(SafetensorsBytes(StrCat("{", Entry("../\\u0000\\n", "I64", "[1]", 0, 8), "}"),
                             "12345678")));
  EXPECT_EQ(file.entries()[0].name, std::string("../\0\n", 5));
  EXPECT_EQ(file.Tensor(std::string_view("../\0\n", 5)).status().message(),
            "m.safetensors: tensor '../\?\?': dtype I64");
}

TEST(SafetensorsAttack, RankBeyondOursIsListedNotRead) {
  ASSERT_OK_AND_ASSIGN(
      const SafetensorsFile file,
      Parse(SafetensorsBytes(StrCat("{", Entry("a", "F32", "[1,1,1,1,1]", 0, 4), "}"), "1234")));
  EXPECT_THAT(file.Tensor("a").status().message(), HasSubstr("rank 5, supported up to 4"));
}

TEST(SafetensorsAttack, EveryTruncationIsAnError) {
  const std::string bytes = SafetensorsBytes(
      StrCat("{", Entry("a", "F32", "[1]", 0, 4), ",", Entry("b", "BF16", "[2]", 4, 8), "}"),
      "12345678");
  EXPECT_OK(Parse(bytes));
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_NE(Message(bytes.substr(0, length)), "no error") << length;
  }
}

// --- Writing ---

TEST(SafetensorsWriter, SortsPadsAndAddsTheFormat) {
  const float f32[] = {1.0f, 2.0f};
  const std::uint16_t bf16[] = {0x3f80};
  const double f64[] = {3.0};
  const auto bytes_of = [](const auto& array) { return std::as_bytes(std::span(array)).data(); };
  const std::vector<NamedTensor> tensors = {{"b", {DType::kBf16, {1}, bytes_of(bf16)}},
                                            {"c", {DType::kF32, {2, 1}, bytes_of(f32)}},
                                            {"a", {DType::kF32, {2}, bytes_of(f32)}},
                                            {"d", {DType::kF64, {}, bytes_of(f64)}}};
  MemoryFileSystem fs;
  ASSERT_OK(WriteSafetensors(fs, "dir/x.safetensors", tensors, {{"base", "sha"}}));
  const std::string bytes = fs.files()["dir/x.safetensors"];
  const std::string header = R"({"__metadata__":{"base":"sha","format":"pt"},)"
                             R"("d":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
                             R"("a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},)"
                             R"("c":{"dtype":"F32","shape":[2,1],"data_offsets":[16,24]},)"
                             R"("b":{"dtype":"BF16","shape":[1],"data_offsets":[24,26]}})";
  EXPECT_EQ(bytes.substr(8, header.size()), header);
  EXPECT_EQ((bytes.size() - 26) % 8, 0u);

  ASSERT_OK_AND_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(fs, "dir/x.safetensors"));
  EXPECT_TRUE(file.aligned());
  EXPECT_EQ(file.metadata().at("format"), "pt");
  ASSERT_OK_AND_ASSIGN(const TensorView c, file.Tensor("c"));
  EXPECT_EQ(c.f32()[1], 2.0f);

  std::vector<NamedTensor> shuffled = {tensors[3], tensors[1], tensors[0], tensors[2]};
  ASSERT_OK(WriteSafetensors(fs, "dir/y.safetensors", shuffled, {{"base", "sha"}}));
  EXPECT_EQ(fs.files()["dir/x.safetensors"], fs.files()["dir/y.safetensors"]);
}

TEST(SafetensorsWriter, RefusesNamesThatCannotBeReadBack) {
  const float value[] = {1.0f};
  const TensorView view{DType::kF32, {1}, std::as_bytes(std::span(value)).data()};
  MemoryFileSystem fs;
  for (const std::string& name : {std::string("__metadata__"), std::string("a\xff")}) {
    const std::vector<NamedTensor> tensors = {{name, view}};
    EXPECT_EQ(WriteSafetensors(fs, "x", tensors).code(), StatusCode::kInvalidArgument);
  }
  const std::vector<NamedTensor> twice = {{"a", view}, {"a", view}};
  EXPECT_THAT(WriteSafetensors(fs, "x", twice).message(), HasSubstr("the same key twice"));
  EXPECT_TRUE(fs.files().empty());
}

}  // namespace
}  // namespace attune
