// Importing: what a file must hold, what is tolerated, what is refused.

#include "models/weights.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/half.h"
#include "formats/safetensors.h"
#include "graph/graph.h"
#include "models/decoder.h"
#include "models/rope_table.h"
#include "support/memory_file_system.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

constexpr char kLlama[] =
    R"({"model_type": "llama", "vocab_size": 11, "hidden_size": 8, "intermediate_size": 12,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
        "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "tie_word_embeddings": true})";
constexpr char kGpt2[] =
    R"({"model_type": "gpt2", "vocab_size": 11, "n_embd": 8, "n_layer": 1, "n_head": 2,
        "n_positions": 16})";

DecoderConfig TinyConfig() {
  DecoderConfig config;
  config.vocabulary = 11;
  config.hidden = 8;
  config.layers = 2;
  config.heads = 2;
  config.kv_heads = 1;
  config.head_dim = 4;
  config.intermediate = 12;
  config.max_positions = 32;
  config.tied_embeddings = true;
  return config;
}

class ImportTest : public ::testing::Test {
 protected:
  void Tensors(const DecoderConfig& config) { tensors_ = InitialWeights(config, 1); }
  void Rename(const std::string& from, const std::string& to) {
    auto node = tensors_.extract(from);
    ASSERT_FALSE(node.empty()) << from;
    node.key() = to;
    tensors_.insert(std::move(node));
  }
  Result<LanguageModelWeights> Load(const char* config) {
    files_.Put("m/config.json", config);
    std::vector<NamedTensor> list;
    for (const auto& [name, tensor] : tensors_) list.push_back({name, tensor.view()});
    EXPECT_OK(WriteSafetensors(files_, "m/model.safetensors", list));
    return LoadModel(files_, "m");
  }

  testing::MemoryFileSystem files_;
  std::map<std::string, Tensor> tensors_;
};

TEST_F(ImportTest, MatricesStayMappedAndVectorsAreCopied) {
  Tensors(TinyConfig());
  ASSERT_OK_AND_ASSIGN(const LanguageModelWeights model, Load(kLlama));
  EXPECT_EQ(model.views.size(), tensors_.size());
  EXPECT_EQ(model.copied_bytes, 5 * 8 * 4);  // Five norms of eight floats.
  EXPECT_EQ(model.mapped_bytes + model.copied_bytes, model.parameters * 4);
  for (const auto& [name, tensor] : tensors_) {
    const TensorView view = model.views.at(name);
    EXPECT_EQ(std::memcmp(view.data, tensor.data(), static_cast<std::size_t>(view.bytes())), 0);
  }
}

TEST_F(ImportTest, HalfVectorsAreWidenedAndHalfMatricesKept) {
  Tensors(TinyConfig());
  Tensor norm(DType::kBf16, {8}), table(DType::kF16, {11, 8});
  const std::uint16_t half = Bf16FromF32(0.5f);
  for (int i = 0; i < 8; ++i) std::memcpy(norm.data() + 2 * i, &half, 2);
  tensors_["model.norm.weight"] = std::move(norm);
  tensors_["model.embed_tokens.weight"] = std::move(table);
  ASSERT_OK_AND_ASSIGN(const LanguageModelWeights model, Load(kLlama));
  EXPECT_EQ(model.dtype, DType::kF16);
  EXPECT_EQ(model.views.at("model.norm.weight").f32()[7], 0.5f);
}

TEST_F(ImportTest, EveryOffenderIsNamedInOneError) {
  Tensors(TinyConfig());
  Rename("model.norm.weight", "model.nrom.weight");
  tensors_["model.layers.1.mlp.up_proj.weight"] = Tensor(DType::kF32, {12, 9});
  tensors_["model.layers.0.mlp.up_proj.weight"] = Tensor(DType::kI32, {12, 8});
  const auto model = Load(kLlama);
  EXPECT_EQ(model.status().code(), StatusCode::kInvalidArgument);
  const std::string& message = model.status().message();
  for (const char* part : {"model.norm.weight is missing", "model.nrom.weight", "left over",
                           "[12, 9]", "[12, 8]", "i32"}) {
    EXPECT_NE(message.find(part), std::string::npos) << part << " in " << message;
  }
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST_F(ImportTest, BuffersAndATiedHeadAreNoLeftOvers) {
  Tensors(TinyConfig());
  tensors_["lm_head.weight"] = Tensor(DType::kF32, {11, 8});
  tensors_["model.layers.0.self_attn.rotary_emb.inv_freq"] = Tensor(DType::kF32, {2});
  EXPECT_OK(Load(kLlama));
}

TEST_F(ImportTest, Gpt2IsReadWithAndWithoutItsPrefix) {
  testing::MemoryFileSystem scratch;
  DecoderConfig config = TinyConfig();
  config.family = DecoderFamily::kGpt2;
  config.layers = 1;
  config.kv_heads = 2;
  config.intermediate = 32;
  config.max_positions = 16;
  config.qkv_bias = config.output_bias = config.mlp_bias = true;
  Tensors(config);
  ASSERT_OK_AND_ASSIGN(const LanguageModelWeights prefixed, Load(kGpt2));
  for (const ParameterSpec& spec : DecoderParameters(config)) {
    Rename(spec.name, spec.name.substr(std::string("transformer.").size()));
  }
  tensors_["h.0.attn.bias"] = Tensor(DType::kF32, {1, 1, 16, 16});
  ASSERT_OK_AND_ASSIGN(const LanguageModelWeights bare, Load(kGpt2));
  EXPECT_EQ(Fingerprint(prefixed.views), Fingerprint(bare.views));
}

TEST_F(ImportTest, OtherPathsAreRefusedByName) {
  EXPECT_EQ(LoadModel(files_, "a/none").status().code(), StatusCode::kNotFound);
  files_.Put("a/model.gguf", "x");
  const auto model = LoadModel(files_, "a/model.gguf");
  EXPECT_EQ(model.status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(model.status().message().starts_with("model.gguf: ")) << model.status().message();
}

TEST(Fingerprint, TellsEveryByteNameAndShapeApart) {
  auto weights = InitialWeights(TinyConfig(), 1);
  const auto print = [&] {
    WeightViews views;
    for (const auto& [name, tensor] : weights) views[name] = tensor.view();
    return Fingerprint(views);
  };
  const std::uint64_t before = print();
  EXPECT_EQ(print(), before);
  weights["model.norm.weight"].f32()[7] += 1;
  EXPECT_NE(print(), before);
}

TEST(InitialWeights, HaveTheDeviationOfTheirRole) {
  DecoderConfig config = TinyConfig();
  config.hidden = 64;
  config.intermediate = 256;
  const auto weights = InitialWeights(config, 3);
  const auto deviation = [&](const char* name) {
    double squares = 0;
    const auto values = weights.at(name).f32();
    for (float x : values) squares += x * x;
    return std::sqrt(squares / static_cast<double>(values.size()));
  };
  EXPECT_NEAR(deviation("model.layers.0.mlp.up_proj.weight"), 0.02, 0.001);
  EXPECT_NEAR(deviation("model.layers.0.mlp.down_proj.weight"), 0.01, 0.0005);
  EXPECT_EQ(weights.at("model.norm.weight").f32()[0], 1.0f);
}

TEST(RopeTable, HoldsCosinesThenSines) {
  const Tensor table = RopeTable({.theta = 100}, 3, 4);
  const auto row = table.f32().subspan(8, 4);
  EXPECT_FLOAT_EQ(row[0], std::cos(2.0f));
  EXPECT_FLOAT_EQ(row[1], std::cos(0.2f));
  EXPECT_FLOAT_EQ(row[2], std::sin(2.0f));
  EXPECT_FLOAT_EQ(row[3], std::sin(0.2f));
}

// Between the two bounds the stretch goes from none to all of the factor.
TEST(RopeTable, Llama3StretchesLongWavesOnly) {
  RopeConfig rope{.theta = 500000, .scaling = RopeScaling::kLlama3, .factor = 8};
  RopeConfig plain{.theta = 500000};
  const auto scaled = RopeFrequencies(rope, 128), base = RopeFrequencies(plain, 128);
  EXPECT_EQ(scaled.front(), base.front());
  EXPECT_DOUBLE_EQ(scaled.back(), base.back() / 8);
  for (std::size_t i = 1; i < scaled.size(); ++i) EXPECT_LT(scaled[i], scaled[i - 1]);
  rope.scaling = RopeScaling::kLinear;
  EXPECT_DOUBLE_EQ(RopeFrequencies(rope, 128).front(), 1.0 / 8);
}

TEST(DecoderGraphs, RefuseWhatDoesNotFit) {
  DecoderConfig config = TinyConfig();
  const auto weights = InitialWeights(config, 1);
  WeightViews views;
  for (const auto& [name, tensor] : weights) views[name] = tensor.view();
  EXPECT_OK(BuildLossGraph(config, views, {.batch = 2, .length = 8, .packed = true}));
  EXPECT_FALSE(BuildLossGraph(config, views, {.length = 33}).ok());
  EXPECT_FALSE(BuildLossGraph(config, views, {.batch = 1 << 24, .length = 8}).ok());
  EXPECT_FALSE(BuildLogitsGraph(config, views, {.tokens = 9, .capacity = 8}).ok());
  config.activation = Activation::kQuickGelu;
  EXPECT_EQ(BuildLossGraph(config, views, {.length = 8}).status().code(), StatusCode::kUnsupported);
  config = TinyConfig();
  views.erase("model.norm.weight");
  EXPECT_EQ(BuildLossGraph(config, views, {.length = 8}).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace attune
