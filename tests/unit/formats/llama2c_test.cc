#include "formats/llama2c.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/strings.h"
#include "support/memory_file_system.h"
#include "support/safetensors_bytes.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::LittleEndian32;
using testing::MemoryFileSystem;
using testing::MemoryMapping;

struct Header {
  std::int32_t dim = 8;
  std::int32_t hidden = 6;
  std::int32_t layers = 2;
  std::int32_t heads = 4;
  std::int32_t kv_heads = 2;
  std::int32_t vocabulary = 5;
  std::int32_t positions = 3;
};

std::string Integers(const Header& h) {
  std::string bytes;
  for (const std::int32_t value :
       {h.dim, h.hidden, h.layers, h.heads, h.kv_heads, h.vocabulary, h.positions}) {
    bytes += LittleEndian32(static_cast<std::uint32_t>(value));
  }
  return bytes;
}

// `count` floats that count up, so that each tensor's place shows in its values.
std::string Counting(std::int64_t count) {
  std::string bytes;
  for (std::int64_t i = 0; i < count; ++i) {
    const float value = static_cast<float>(i);
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return bytes;
}

// Floats of the default header's tensors without classifier and RoPE tables.
constexpr std::int64_t kWeights = 5 * 8 + 2 * (8 + 8 + 2 * 8 * 8 + 2 * 4 * 8 + 3 * 6 * 8) + 8;
constexpr std::int64_t kRopeTables = 3 * 2;  // positions x head_dim.

std::string V0(bool untied = false, Header header = {}) {
  if (untied) header.vocabulary = -header.vocabulary;
  return Integers(header) + Counting(kWeights + kRopeTables + (untied ? 40 : 0));
}

std::string V1Header(const Header& header, std::uint32_t version, char shared) {
  std::string bytes = LittleEndian32(0x616b3432) + LittleEndian32(version) + Integers(header) +
                      std::string(1, shared);
  bytes.resize(256, '\0');
  return bytes;
}

Result<Llama2cCheckpoint> Parse(std::string_view bytes) {
  return ParseLlama2c(std::make_shared<MemoryMapping>(bytes), "m.bin");
}

std::string Message(std::string_view bytes) {
  const auto checkpoint = Parse(bytes);
  if (checkpoint.ok()) return "no error";
  EXPECT_EQ(checkpoint.status().code(), StatusCode::kDataLoss);
  return checkpoint.status().message();
}

float FirstOf(const Llama2cCheckpoint& checkpoint, std::string_view name) {
  const auto view = checkpoint.tensors.Get(name);
  EXPECT_OK(view);
  return view.ok() ? view->f32()[0] : -1.0f;
}

TEST(Llama2c, ReadsVersion0) {
  ASSERT_OK_AND_ASSIGN(const Llama2cCheckpoint checkpoint, Parse(V0()));
  const DecoderConfig& c = checkpoint.config;
  EXPECT_EQ(checkpoint.version, 0);
  EXPECT_EQ(c.family, DecoderFamily::kLlama);
  EXPECT_EQ(c.hidden, 8);
  EXPECT_EQ(c.intermediate, 6);
  EXPECT_EQ(c.layers, 2);
  EXPECT_EQ(c.heads, 4);
  EXPECT_EQ(c.kv_heads, 2);
  EXPECT_EQ(c.head_dim, 2);
  EXPECT_EQ(c.vocabulary, 5);
  EXPECT_EQ(c.max_positions, 3);
  EXPECT_EQ(c.norm_epsilon, 1e-5);
  EXPECT_TRUE(c.rope.interleaved);
  EXPECT_EQ(c.rope.theta, 10000.0);
  EXPECT_TRUE(c.tied_embeddings);
  EXPECT_THAT(c.eos, ElementsAre(2));
  EXPECT_EQ(checkpoint.tensors.size(), 2u + 2 * 9);
  EXPECT_FALSE(checkpoint.tensors.Has("lm_head.weight"));

  // Offsets by hand: embeddings 40, two norms 16, wq 2 x 64, wk 2 x 32, ...
  EXPECT_EQ(FirstOf(checkpoint, "model.embed_tokens.weight"), 0.0f);
  EXPECT_EQ(FirstOf(checkpoint, "model.layers.1.input_layernorm.weight"), 48.0f);
  EXPECT_EQ(FirstOf(checkpoint, "model.layers.1.self_attn.q_proj.weight"), 120.0f);
  EXPECT_EQ(FirstOf(checkpoint, "model.layers.0.self_attn.k_proj.weight"), 184.0f);
  EXPECT_EQ(FirstOf(checkpoint, "model.layers.0.self_attn.o_proj.weight"), 312.0f);
  EXPECT_EQ(FirstOf(checkpoint, "model.layers.0.post_attention_layernorm.weight"), 440.0f);
  EXPECT_EQ(FirstOf(checkpoint, "model.layers.0.mlp.gate_proj.weight"), 456.0f);
  EXPECT_EQ(FirstOf(checkpoint, "model.layers.0.mlp.down_proj.weight"), 552.0f);
  EXPECT_EQ(FirstOf(checkpoint, "model.layers.0.mlp.up_proj.weight"), 648.0f);
  EXPECT_EQ(FirstOf(checkpoint, "model.norm.weight"), 744.0f);
  ASSERT_OK_AND_ASSIGN(const TensorView down,
                       checkpoint.tensors.Get("model.layers.0.mlp.down_proj.weight"));
  EXPECT_EQ(down.shape, Shape({8, 6}));
  ASSERT_OK_AND_ASSIGN(const TensorView k,
                       checkpoint.tensors.Get("model.layers.0.self_attn.k_proj.weight"));
  EXPECT_EQ(k.shape, Shape({4, 8}));
}

TEST(Llama2c, Version0WithItsOwnClassifierSkipsTheRopeTables) {
  ASSERT_OK_AND_ASSIGN(const Llama2cCheckpoint checkpoint, Parse(V0(/*untied=*/true)));
  EXPECT_FALSE(checkpoint.config.tied_embeddings);
  EXPECT_EQ(checkpoint.config.vocabulary, 5);
  EXPECT_EQ(FirstOf(checkpoint, "lm_head.weight"), static_cast<float>(kWeights + kRopeTables));
}

TEST(Llama2c, ReadsVersion1) {
  ASSERT_OK_AND_ASSIGN(const Llama2cCheckpoint tied,
                       Parse(V1Header({}, 1, 1) + Counting(kWeights)));
  EXPECT_EQ(tied.version, 1);
  EXPECT_TRUE(tied.config.tied_embeddings);
  EXPECT_EQ(FirstOf(tied, "model.layers.0.input_layernorm.weight"), 0.0f);
  EXPECT_EQ(FirstOf(tied, "model.layers.0.post_attention_layernorm.weight"), 16.0f);
  EXPECT_EQ(FirstOf(tied, "model.norm.weight"), 32.0f);
  EXPECT_EQ(FirstOf(tied, "model.embed_tokens.weight"), 40.0f);
  EXPECT_EQ(FirstOf(tied, "model.layers.0.self_attn.q_proj.weight"), 80.0f);
  EXPECT_EQ(FirstOf(tied, "model.layers.1.mlp.up_proj.weight"), 704.0f);

  ASSERT_OK_AND_ASSIGN(const Llama2cCheckpoint untied,
                       Parse(V1Header({}, 1, 0) + Counting(kWeights + 40)));
  EXPECT_EQ(FirstOf(untied, "lm_head.weight"), static_cast<float>(kWeights));
}

TEST(Llama2c, Version2IsNotSupported) {
  const auto checkpoint = Parse(V1Header({}, 2, 1));
  EXPECT_EQ(checkpoint.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(checkpoint.status().message(), HasSubstr("m.bin: header: version 2"));
}

TEST(Llama2c, TheFileMustBeAsLongAsItsHeaderImplies) {
  const std::string bytes = V0();
  EXPECT_THAT(
      Message(bytes.substr(0, bytes.size() - 1)),
      HasSubstr(StrCat("m.bin: ", bytes.size() - 1, " bytes, its header implies ", bytes.size())));
  EXPECT_THAT(Message(bytes + "x"), HasSubstr("its header implies"));
  for (std::size_t length = 0; length < bytes.size(); length += 7) {
    EXPECT_NE(Message(bytes.substr(0, length)), "no error") << length;
  }
  EXPECT_THAT(Message(V1Header({}, 1, 0) + Counting(kWeights)), HasSubstr("its header implies"));
}

TEST(Llama2c, LyingHeadersNameTheFieldAndBothNumbers) {
  EXPECT_THAT(Message("short"), HasSubstr("5 bytes, the header needs 28"));
  EXPECT_THAT(Message(V1Header({}, 1, 1).substr(0, 100)), HasSubstr("the header needs 256"));
  EXPECT_THAT(Message(V0(false, {.dim = 0})), HasSubstr("dim 0, allowed 1 to 262144"));
  EXPECT_THAT(Message(V0(false, {.dim = -8})), HasSubstr("dim -8, allowed 1"));
  EXPECT_THAT(Message(V0(false, {.hidden = 1 << 30})), HasSubstr("hidden_dim 1073741824, allowed"));
  EXPECT_THAT(Message(V0(false, {.layers = 5000})), HasSubstr("n_layers 5000, allowed 1 to 1024"));
  EXPECT_THAT(Message(V0(false, {.heads = 0})), HasSubstr("n_heads 0"));
  EXPECT_THAT(Message(V0(false, {.heads = 3})),
              HasSubstr("dim 8 is no multiple of twice n_heads 3"));
  EXPECT_THAT(Message(V0(false, {.heads = 8, .kv_heads = 8})), HasSubstr("twice n_heads 8"));
  EXPECT_THAT(Message(V0(false, {.kv_heads = 3})),
              HasSubstr("n_heads 4 is no multiple of n_kv_heads 3"));
  EXPECT_THAT(Message(V0(false, {.vocabulary = 0})), HasSubstr("vocab_size 0"));
  EXPECT_THAT(Message(V0(false, {.vocabulary = INT32_MIN})), HasSubstr("vocab_size 2147483648"));
  EXPECT_THAT(Message(V0(false, {.positions = -1})), HasSubstr("seq_len -1"));
  EXPECT_THAT(Message(V1Header({}, 0, 1)), HasSubstr("version 0, expected 1"));
  EXPECT_THAT(Message(V1Header({}, 1, 2)), HasSubstr("shared_classifier 2, allowed 0 or 1"));
  const Header largest{1 << 18, 1 << 18, 1 << 10, 1 << 10, 1 << 10, 1 << 22, 1 << 24};
  EXPECT_THAT(Message(V1Header(largest, 1, 0)), HasSubstr("256 bytes, its header implies"));
}

TEST(Llama2c, ReadsAPublishedCheckpoint) {
  const char* shared = std::getenv("ATTUNE_SHARED_DATA");
  const std::string data = shared ? shared : ATTUNE_SOURCE_DIR "/../shared/data";
  const std::string path = data + "/lm-stories260k/stories260K.bin";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no lm-stories260k among the shared data";
  std::ifstream in(path, std::ios::binary);
  MemoryFileSystem fs;
  fs.Put("stories260K.bin", std::string(std::istreambuf_iterator<char>(in), {}));
  ASSERT_OK_AND_ASSIGN(const Llama2cCheckpoint checkpoint, ReadLlama2c(fs, "stories260K.bin"));
  EXPECT_EQ(checkpoint.config.hidden, 64);
  EXPECT_EQ(checkpoint.config.layers, 5);
  EXPECT_EQ(checkpoint.config.kv_heads, 4);
  EXPECT_EQ(checkpoint.config.vocabulary, 512);
  EXPECT_TRUE(checkpoint.config.tied_embeddings);
}

}  // namespace
}  // namespace attune
