#include "formats/hf_config.h"

#include <gmock/gmock.h>

#include "base/strings.h"
#include "support/memory_file_system.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MemoryFileSystem;

// The configuration `base` with some members added.
std::string With(std::string_view base, std::string_view members) {
  std::string json(base.substr(0, base.rfind('}')));
  return StrCat(json, members.empty() ? "" : ",", members, "}");
}

constexpr std::string_view kGpt2 =
    R"({"model_type":"gpt2","vocab_size":50257,"n_positions":1024,"n_embd":768,"n_layer":12,)"
    R"("n_head":12})";
constexpr std::string_view kLlama =
    R"({"model_type":"llama","vocab_size":49152,"hidden_size":576,"intermediate_size":1536,)"
    R"("num_hidden_layers":30,"num_attention_heads":9,"max_position_embeddings":8192})";
constexpr std::string_view kQwen2 =
    R"({"model_type":"qwen2","vocab_size":151936,"hidden_size":896,"intermediate_size":4864,)"
    R"("num_hidden_layers":24,"num_attention_heads":14,"num_key_value_heads":2,)"
    R"("max_position_embeddings":32768})";
constexpr std::string_view kQwen3 =
    R"({"model_type":"qwen3","vocab_size":151936,"hidden_size":1024,"intermediate_size":3072,)"
    R"("num_hidden_layers":28,"num_attention_heads":16,"num_key_value_heads":8,"head_dim":128,)"
    R"("max_position_embeddings":40960})";

Status ErrorOf(const std::string& json) { return ParseHfConfig(json).status(); }

void ExpectRefused(const std::string& json, std::string_view what) {
  const Status status = ErrorOf(json);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported) << json;
  EXPECT_THAT(status.message(), HasSubstr(std::string(what)));
}

void ExpectInvalid(const std::string& json, std::string_view what) {
  const Status status = ErrorOf(json);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << json;
  EXPECT_THAT(status.message(), HasSubstr(std::string(what)));
}

TEST(HfConfig, ReadsGpt2WithItsDefaults) {
  ASSERT_OK_AND_ASSIGN(
      const DecoderConfig c,
      ParseHfConfig(With(kGpt2, R"("n_inner":null,"eos_token_id":50256,"bos_token_id":50256)")));
  EXPECT_EQ(c.family, DecoderFamily::kGpt2);
  EXPECT_EQ(c.intermediate, 3072);
  EXPECT_EQ(c.head_dim, 64);
  EXPECT_EQ(c.kv_heads, 12);
  EXPECT_EQ(c.activation, Activation::kGeluTanh);
  EXPECT_EQ(c.norm_epsilon, 1e-5);
  EXPECT_TRUE(c.tied_embeddings);
  EXPECT_TRUE(c.qkv_bias && c.output_bias && c.mlp_bias);
  EXPECT_EQ(c.bos, 50256);
  EXPECT_THAT(c.eos, ElementsAre(50256));
}

TEST(HfConfig, ReadsLlamaInBothSpellings) {
  ASSERT_OK_AND_ASSIGN(
      const DecoderConfig old,
      ParseHfConfig(With(
          kLlama, R"("num_key_value_heads":3,"rope_theta":100000,"rope_scaling":null,)"
                  R"("rms_norm_eps":1e-05,"tie_word_embeddings":true,"torch_dtype":"bfloat16")")));
  ASSERT_OK_AND_ASSIGN(
      const DecoderConfig now,
      ParseHfConfig(With(
          kLlama,
          R"("num_key_value_heads":3,"rms_norm_eps":1e-05,"tie_word_embeddings":true,)"
          R"("rope_parameters":{"rope_theta":100000.0,"rope_type":"default"},"dtype":"bfloat16")")));
  for (const DecoderConfig& c : {old, now}) {
    EXPECT_EQ(c.rope.theta, 100000.0);
    EXPECT_EQ(c.rope.scaling, RopeScaling::kNone);
    EXPECT_FALSE(c.rope.interleaved);
    EXPECT_EQ(c.kv_heads, 3);
    EXPECT_EQ(c.head_dim, 64);
    EXPECT_EQ(c.norm_epsilon, 1e-5);
    EXPECT_TRUE(c.tied_embeddings);
    EXPECT_FALSE(c.qkv_bias || c.output_bias || c.mlp_bias || c.qk_norm);
  }
}

TEST(HfConfig, MissingAndNullMeanTheClassDefault) {
  ASSERT_OK_AND_ASSIGN(
      const DecoderConfig c,
      ParseHfConfig(With(kLlama, R"("num_key_value_heads":null,"head_dim":null)")));
  EXPECT_EQ(c.kv_heads, 9);
  EXPECT_EQ(c.head_dim, 64);
  EXPECT_FALSE(c.tied_embeddings);
  EXPECT_EQ(c.rope.theta, 10000.0);
  EXPECT_EQ(c.norm_epsilon, 1e-6);
  EXPECT_EQ(c.activation, Activation::kSilu);
  EXPECT_TRUE(c.eos.empty());
  EXPECT_EQ(c.bos, -1);
}

TEST(HfConfig, KnowsWhichProjectionsHaveABias) {
  ASSERT_OK_AND_ASSIGN(const DecoderConfig llama,
                       ParseHfConfig(With(kLlama, R"("attention_bias":true,"mlp_bias":true)")));
  EXPECT_TRUE(llama.qkv_bias && llama.output_bias && llama.mlp_bias);
  ASSERT_OK_AND_ASSIGN(const DecoderConfig qwen2, ParseHfConfig(kQwen2));
  EXPECT_TRUE(qwen2.qkv_bias);
  EXPECT_FALSE(qwen2.output_bias || qwen2.mlp_bias || qwen2.qk_norm);
  ASSERT_OK_AND_ASSIGN(const DecoderConfig qwen3, ParseHfConfig(kQwen3));
  EXPECT_FALSE(qwen3.qkv_bias || qwen3.output_bias || qwen3.mlp_bias);
  EXPECT_TRUE(qwen3.qk_norm);
}

TEST(HfConfig, HeadDimNeedNotDivideHidden) {
  ASSERT_OK_AND_ASSIGN(const DecoderConfig c, ParseHfConfig(kQwen3));
  EXPECT_EQ(c.head_dim, 128);
  EXPECT_NE(c.heads * c.head_dim, c.hidden);
}

TEST(HfConfig, ReadsRopeScaling) {
  ASSERT_OK_AND_ASSIGN(
      const DecoderConfig linear,
      ParseHfConfig(With(kLlama, R"("rope_scaling":{"type":"linear","factor":2})")));
  EXPECT_EQ(linear.rope.scaling, RopeScaling::kLinear);
  EXPECT_EQ(linear.rope.factor, 2.0);
  const std::string llama3 = R"("rope_type":"llama3","factor":32.0,"low_freq_factor":1.0,)"
                             R"("high_freq_factor":4.0,"original_max_position_embeddings":8192)";
  for (const std::string& members :
       {StrCat(R"("rope_theta":500000.0,"rope_scaling":{)", llama3, "}"),
        StrCat(R"("rope_parameters":{"rope_theta":500000.0,)", llama3, "}")}) {
    ASSERT_OK_AND_ASSIGN(const DecoderConfig c, ParseHfConfig(With(kLlama, members)));
    EXPECT_EQ(c.rope.scaling, RopeScaling::kLlama3);
    EXPECT_EQ(c.rope.theta, 500000.0);
    EXPECT_EQ(c.rope.factor, 32.0);
    EXPECT_EQ(c.rope.low_frequency_factor, 1.0);
    EXPECT_EQ(c.rope.high_frequency_factor, 4.0);
    EXPECT_EQ(c.rope.original_positions, 8192);
  }
}

TEST(HfConfig, KnowsTheActivations) {
  const auto activation = [](std::string_view name) {
    return ParseHfConfig(With(kLlama, StrCat("\"hidden_act\":\"", name, "\"")))->activation;
  };
  EXPECT_EQ(activation("swish"), Activation::kSilu);
  EXPECT_EQ(activation("gelu"), Activation::kGeluErf);
  EXPECT_EQ(activation("gelu_new"), Activation::kGeluTanh);
  EXPECT_EQ(activation("gelu_pytorch_tanh"), Activation::kGeluTanh);
  EXPECT_EQ(activation("quick_gelu"), Activation::kQuickGelu);
  EXPECT_EQ(activation("relu"), Activation::kRelu);
  ExpectRefused(With(kLlama, R"("hidden_act":"relu6")"), "hidden_act: 'relu6'");
}

TEST(HfConfig, FallsBackToTheArchitecture) {
  const std::string json =
      R"({"architectures":["GPT2LMHeadModel"],"vocab_size":5,"n_positions":8,"n_embd":4,"n_layer":1,"n_head":2})";
  ASSERT_OK_AND_ASSIGN(const DecoderConfig c, ParseHfConfig(json));
  EXPECT_EQ(c.family, DecoderFamily::kGpt2);
  ExpectRefused(R"({"architectures":["BertModel"]})", "architectures[0]: 'BertModel'");
  ExpectRefused(R"({"model_type":"mamba"})", "model_type: 'mamba'");
  ExpectInvalid("{}", "architectures: absent");
}

TEST(HfConfig, RefusesByKeyWhatChangesTheMaths) {
  ExpectRefused(With(kGpt2, R"("scale_attn_weights":false)"), "scale_attn_weights");
  ExpectRefused(With(kGpt2, R"("scale_attn_by_inverse_layer_idx":true)"),
                "scale_attn_by_inverse_layer_idx");
  ExpectRefused(With(kGpt2, R"("add_cross_attention":true)"), "add_cross_attention");
  ExpectRefused(With(kLlama, R"("quantization_config":{"bits":4})"), "quantization_config");
  ExpectRefused(With(kLlama, R"("quantization":{"bits":4})"), "quantization");
  ExpectRefused(With(kLlama, R"("partial_rotary_factor":0.5)"), "partial_rotary_factor: 0.5");
  ExpectRefused(With(kLlama, R"("rope_parameters":{"partial_rotary_factor":0.25})"),
                "rope_parameters.partial_rotary_factor");
  for (const std::string_view type : {"dynamic", "yarn", "longrope", "new"}) {
    ExpectRefused(
        With(kLlama, StrCat(R"("rope_scaling":{"rope_type":")", type, "\",\"factor\":2}")),
        StrCat("rope_scaling.rope_type: '", type, "'"));
  }
  ExpectRefused(With(kLlama, R"("rope_parameters":{"full_attention":{"rope_theta":1e4}})"),
                "rope_parameters.full_attention");
  ExpectRefused(With(kQwen2, R"("use_sliding_window":true,"max_window_layers":21)"),
                "use_sliding_window");
  ExpectRefused(With(kQwen3, R"("layer_types":["full_attention","sliding_attention"])"),
                "layer_types[1]: 'sliding_attention'");
}

TEST(HfConfig, AcceptsASlidingWindowThatIsNotInUse) {
  EXPECT_OK(ParseHfConfig(
      With(kQwen2, R"("use_sliding_window":false,"sliding_window":32768,"max_window_layers":21)")));
  EXPECT_OK(ParseHfConfig(With(kQwen2, R"("use_sliding_window":true,"max_window_layers":24)")));
  EXPECT_OK(ParseHfConfig(With(kQwen3, R"("layer_types":["full_attention"])")));
}

TEST(HfConfig, BoundsEveryNumber) {
  const auto replaced = [](std::string_view base, std::string_view from, std::string_view to) {
    std::string json(base);
    return json.replace(json.find(from), from.size(), to);
  };
  ExpectInvalid(replaced(kLlama, "49152", "0"), "vocab_size: is 0, allowed 1 to 4194304");
  ExpectInvalid(replaced(kLlama, "576", "-1"), "hidden_size: is -1");
  ExpectInvalid(replaced(kLlama, "576", "576.5"), "hidden_size: is a number, expected an integer");
  ExpectInvalid(replaced(kLlama, "1536", "999999999"), "intermediate_size: is 999999999, allowed");
  ExpectInvalid(replaced(kLlama, ":30", ":3000"), "num_hidden_layers: is 3000, allowed 1 to 1024");
  ExpectInvalid(replaced(kLlama, ":9,", ":10,"), "576 is no multiple of num_attention_heads 10");
  ExpectInvalid(replaced(kLlama, ":8192", ":\"8192\""), "max_position_embeddings: is a string");
  ExpectInvalid(replaced(kGpt2, "\"n_head\":12", "\"n_head\":7"),
                "n_embd: 768 is no multiple of n_head 7");
  ExpectInvalid(replaced(kGpt2, "768", "120000"), "n_embd: 4 times 120000 is beyond 262144");
  ExpectInvalid(With(kLlama, R"("num_key_value_heads":2)"), "9 is no multiple of 2");
  ExpectInvalid(With(kLlama, R"("head_dim":63)"), "head_dim: is 63, must be even");
  ExpectInvalid(With(kLlama, R"("rms_norm_eps":0)"), "rms_norm_eps: is 0");
  ExpectInvalid(With(kLlama, R"("rope_theta":-1)"), "rope_theta: is -1");
  ExpectInvalid(With(kLlama, R"("rope_scaling":{"type":"linear"})"), "rope_scaling.factor: absent");
  ExpectInvalid(With(kLlama, R"("rope_scaling":7)"), "rope_scaling: is an integer");
  ExpectInvalid(With(kLlama, R"("eos_token_id":49152)"),
                "eos_token_id: is 49152, the vocabulary has 49152");
  ExpectInvalid(With(kLlama, R"("eos_token_id":["a"])"), "eos_token_id[0]: is a string");
  ExpectInvalid("[]", "top level is not an object");
  ExpectInvalid("{", "byte 1 of 1: text ends too early");
}

TEST(HfConfig, GenerationConfigNamesTheEndTokens) {
  MemoryFileSystem fs;
  fs.Put("m/config.json", With(kLlama, R"("eos_token_id":2)"));
  ASSERT_OK_AND_ASSIGN(const DecoderConfig alone, ReadHfConfig(fs, "m"));
  EXPECT_THAT(alone.eos, ElementsAre(2));
  fs.Put("m/generation_config.json", R"({"eos_token_id":[5,6]})");
  ASSERT_OK_AND_ASSIGN(const DecoderConfig both, ReadHfConfig(fs, "m"));
  EXPECT_THAT(both.eos, ElementsAre(5, 6));
  fs.Put("m/generation_config.json", "{}");
  ASSERT_OK_AND_ASSIGN(const DecoderConfig empty, ReadHfConfig(fs, "m"));
  EXPECT_THAT(empty.eos, ElementsAre(2));
  fs.Put("m/generation_config.json", R"({"eos_token_id":99999999})");
  EXPECT_THAT(ReadHfConfig(fs, "m").status().message(),
              HasSubstr("generation_config.json: eos_token_id: is 99999999"));
}

TEST(HfConfig, ErrorsNameTheFile) {
  MemoryFileSystem fs;
  EXPECT_EQ(ReadHfConfig(fs, "m").status().code(), StatusCode::kNotFound);
  fs.Put("m/config.json", "{\"model_type\":3}");
  EXPECT_EQ(ReadHfConfig(fs, "m").status().message(),
            "config.json: model_type: is an integer, expected a string");
  fs.Put("m/config.json", std::string((1 << 20) + 1, ' '));
  EXPECT_EQ(ReadHfConfig(fs, "m").status().message(),
            "config.json: 1048577 bytes, allowed at most 1048576");
}

}  // namespace
}  // namespace attune
