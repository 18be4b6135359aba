// Files of the reference implementation (tests/golden/formats/make_golden.py).

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/strings.h"
#include "formats/peft.h"
#include "formats/safetensors.h"
#include "support/memory_file_system.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using testing::MemoryFileSystem;

// The bytes that the generator gives a tensor.
std::byte GoldenByte(int seed, std::size_t i) {
  return static_cast<std::byte>((static_cast<std::size_t>(seed) * 37 + i * 11) % 61);
}

void ExpectBytes(const TensorView& view, int seed) {
  for (std::size_t i = 0; i < view.span().size(); ++i) {
    ASSERT_EQ(view.span()[i], GoldenByte(seed, i)) << i;
  }
}

class GoldenSafetensors : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const auto& entry :
         std::filesystem::directory_iterator(ATTUNE_SOURCE_DIR "/tests/golden/formats")) {
      if (entry.path().extension() != ".safetensors") continue;
      std::ifstream in(entry.path(), std::ios::binary);
      fs_.Put(entry.path().filename(), std::string(std::istreambuf_iterator<char>(in), {}));
    }
    ASSERT_EQ(fs_.files().size(), 4u);
  }
  MemoryFileSystem fs_;
};

TEST_F(GoldenSafetensors, TensorsHaveTheirBytes) {
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(fs_, "mixed.safetensors"));
  EXPECT_TRUE(file.aligned());
  struct Expected {
    const char* name;
    DType dtype;
    Shape shape;
    int seed;
  };
  const Expected expected[] = {{"model.b.weight", DType::kF32, {2, 3}, 1},
                               {"model.a.weight", DType::kF32, {4}, 2},
                               {"half", DType::kF16, {3}, 3},
                               {"brain", DType::kBf16, {2, 2}, 4},
                               {"ids", DType::kI32, {5}, 5},
                               {"wide", DType::kF64, {1, 1, 2}, 6},
                               {"scalar", DType::kF32, {}, 7},
                               {"empty", DType::kF32, {0, 3}, 8},
                               {"\u00fcn\u00efcode \"quoted\"\n", DType::kF32, {1}, 9}};
  ASSERT_EQ(file.entries().size(), std::size(expected));
  for (const Expected& e : expected) {
    SCOPED_TRACE(e.name);
    ASSERT_OK_AND_ASSIGN(const TensorView view, file.Tensor(e.name));
    EXPECT_EQ(view.dtype, e.dtype);
    EXPECT_EQ(view.shape, e.shape);
    ExpectBytes(view, e.seed);
  }
}

TEST_F(GoldenSafetensors, WritingThemAgainGivesTheSameBytes) {
  int written = 0;
  const auto golden = fs_.files();
  for (const auto& [name, bytes] : golden) {
    if (name == "foreign.safetensors") continue;
    SCOPED_TRACE(name);
    ASSERT_OK_AND_ASSIGN(const SafetensorsFile file, SafetensorsFile::Open(fs_, name));
    std::vector<NamedTensor> tensors;
    for (const SafetensorsEntry& entry : file.entries()) {
      ASSERT_OK_AND_ASSIGN(const TensorView view, file.Tensor(entry.name));
      tensors.push_back({entry.name, view});
    }
    ASSERT_OK(WriteSafetensors(fs_, "again", tensors, file.metadata()));
    EXPECT_EQ(fs_.files()["again"], bytes);
    ++written;
  }
  EXPECT_EQ(written, 3);
}

TEST_F(GoldenSafetensors, ForeignDtypesAreListedNotRead) {
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile file,
                       SafetensorsFile::Open(fs_, "foreign.safetensors"));
  EXPECT_EQ(file.Find("counter")->dtype, "I64");
  EXPECT_EQ(file.Find("mask")->dtype, "U8");
  EXPECT_EQ(file.Tensor("mask").status().code(), StatusCode::kUnsupported);
  EXPECT_OK(file.Tensor("weight"));
}

TEST_F(GoldenSafetensors, APeftFileIsAnAdapter) {
  fs_.Put("a/adapter_model.safetensors", fs_.files()["adapter.safetensors"]);
  fs_.Put("a/adapter_config.json", R"({"peft_type":"LORA","r":2,"lora_alpha":4})");
  ASSERT_OK_AND_ASSIGN(const PeftAdapter adapter, ReadPeftAdapter(fs_, "a"));
  const LoraPair& pair = adapter.modules.at("model.layers.0.self_attn.q_proj");
  ExpectBytes(pair.a, 10);
  ExpectBytes(pair.b, 11);
  EXPECT_EQ(pair.scale, 2.0);
}

}  // namespace
}  // namespace attune
