#include <gmock/gmock.h>

#include "base/strings.h"
#include "formats/safetensors.h"
#include "support/memory_file_system.h"
#include "support/safetensors_bytes.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MemoryFileSystem;
using testing::SafetensorsBytes;

constexpr char kIndex[] = "m/model.safetensors.index.json";

std::string OneTensor(std::string_view name) {
  return SafetensorsBytes(
      StrCat("{\"", name, R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})"), "1234");
}

std::string Message(MemoryFileSystem& fs) {
  const auto tensors = ReadSafetensorsDirectory(fs, "m");
  return tensors.ok() ? "no error" : tensors.status().message();
}

TEST(SafetensorsDirectory, PrefersTheSingleFile) {
  MemoryFileSystem fs;
  fs.Put("m/model.safetensors", OneTensor("w"));
  fs.Put(kIndex, "not even JSON");
  ASSERT_OK_AND_ASSIGN(const NamedTensors tensors, ReadSafetensorsDirectory(fs, "m"));
  EXPECT_THAT(tensors.names(), ElementsAre("w"));
}

TEST(SafetensorsDirectory, GathersShards) {
  MemoryFileSystem fs;
  fs.Put("m/a-1.safetensors", OneTensor("w1"));
  fs.Put("m/a-2.safetensors", OneTensor("w2"));
  fs.Put(kIndex, R"({"metadata":{"total_size":8},
                     "weight_map":{"w1":"a-1.safetensors","w2":"a-2.safetensors"}})");
  ASSERT_OK_AND_ASSIGN(const NamedTensors tensors, ReadSafetensorsDirectory(fs, "m"));
  EXPECT_THAT(tensors.names(), ElementsAre("w1", "w2"));
  ASSERT_OK_AND_ASSIGN(const TensorView view, tensors.Get("w2"));
  EXPECT_EQ(view.span()[0], std::byte{'1'});
}

TEST(SafetensorsDirectory, SaysWhatIsMissing) {
  MemoryFileSystem fs;
  fs.Put("m/other", "");
  EXPECT_THAT(Message(fs),
              HasSubstr("m: has neither model.safetensors nor model.safetensors.index.json"));
  fs.Put(kIndex, R"({"weight_map":{"w1":"a.safetensors"}})");
  EXPECT_THAT(Message(fs), HasSubstr("a.safetensors: absent"));
  fs.Put("m/a.safetensors", OneTensor("w2"));
  EXPECT_THAT(Message(fs), HasSubstr("a.safetensors: tensor 'w1' of the index absent"));
  fs.Put(kIndex, R"({"weight_map":{"w2":"a.safetensors"}})");
  EXPECT_EQ(Message(fs), "no error");
  fs.Put("m/b.safetensors", OneTensor("w2"));
  fs.Put(kIndex, R"({"weight_map":{"w2":"a.safetensors","w3":"b.safetensors"}})");
  EXPECT_THAT(Message(fs), HasSubstr("b.safetensors: tensor 'w3' of the index absent"));
}

TEST(SafetensorsDirectory, RefusesTensorsThatTheIndexDoesNotName) {
  MemoryFileSystem fs;
  fs.Put("m/a.safetensors", OneTensor("w1"));
  fs.Put("m/b.safetensors",
         SafetensorsBytes(R"({"w2":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                          R"("x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                          "12345678"));
  fs.Put(kIndex, R"({"weight_map":{"w1":"a.safetensors","w2":"b.safetensors"}})");
  EXPECT_THAT(Message(fs), HasSubstr("b.safetensors: tensor 'x' is not in the index"));
}

TEST(SafetensorsDirectory, ShardNamesCannotLeaveTheDirectory) {
  for (const std::string_view name :
       {"../a.safetensors", "/etc/a.safetensors", "sub/a.safetensors", "..", "", "a.bin",
        "a\\\\b.safetensors", "a..safetensors", ".safetensors", "a\\u0000.safetensors"}) {
    MemoryFileSystem fs;
    fs.Put(kIndex, StrCat(R"({"weight_map":{"w":")", name, "\"}}"));
    EXPECT_THAT(Message(fs), HasSubstr("is not a plain file name")) << name;
  }
}

TEST(SafetensorsDirectory, RefusesAMalformedIndex) {
  MemoryFileSystem fs;
  fs.Put(kIndex, "{");
  EXPECT_THAT(Message(fs), HasSubstr("model.safetensors.index.json: byte"));
  fs.Put(kIndex, "{}");
  EXPECT_THAT(Message(fs), HasSubstr("weight_map: absent"));
  fs.Put(kIndex, R"({"weight_map":{"w":1}})");
  EXPECT_THAT(Message(fs), HasSubstr("weight_map.w: is an integer, expected a string"));
  fs.Put(kIndex, R"({"weight_map":{}})");
  EXPECT_THAT(Message(fs), HasSubstr("names 0 tensors"));
}

}  // namespace
}  // namespace attune
