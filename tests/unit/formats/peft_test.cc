#include "formats/peft.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/strings.h"
#include "formats/json.h"
#include "support/memory_file_system.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MemoryFileSystem;

Status ErrorOf(std::string_view members) {
  return ParsePeftConfig(StrCat(R"({"peft_type":"LORA",)", members, "}")).status();
}

void ExpectRefused(std::string_view members, std::string_view what) {
  const Status status = ErrorOf(members);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported) << members;
  EXPECT_THAT(status.message(), HasSubstr(std::string(what)));
}

TEST(PeftConfig, ReadsWhatPeftWrites) {
  ASSERT_OK_AND_ASSIGN(const PeftConfig config, ParsePeftConfig(R"({
    "alora_invocation_tokens": null, "alpha_pattern": {"v_proj": 4}, "auto_mapping": null,
    "base_model_name_or_path": "org/model", "bias": "none", "fan_in_fan_out": false,
    "inference_mode": true, "init_lora_weights": true, "layer_replication": null,
    "layers_pattern": null, "layers_to_transform": null, "loftq_config": {}, "lora_alpha": 64.0,
    "lora_bias": false, "lora_dropout": 0.05, "megatron_config": null,
    "megatron_core": "megatron.core", "modules_to_save": null, "peft_type": "LORA", "r": 16,
    "rank_pattern": {}, "revision": null, "some_future_key": 1, "target_modules": ["q_proj", "v_proj"],
    "task_type": "CAUSAL_LM", "trainable_token_indices": null, "use_dora": false, "use_qalora": false,
    "use_rslora": true})"));
  EXPECT_EQ(config.rank, 16);
  EXPECT_EQ(config.alpha, 64.0);
  EXPECT_EQ(config.dropout, 0.05);
  EXPECT_TRUE(config.use_rslora);
  EXPECT_EQ(config.base_model, "org/model");
  EXPECT_EQ(config.revision, std::nullopt);
  EXPECT_EQ(config.task_type, "CAUSAL_LM");
  EXPECT_THAT(std::get<TargetNames>(config.target_modules), ElementsAre("q_proj", "v_proj"));
  EXPECT_EQ(config.ScaleOf("model.layers.0.self_attn.q_proj"), 16.0);  // 64 / sqrt(16)
  EXPECT_EQ(config.ScaleOf("model.layers.0.self_attn.v_proj"), 1.0);   // 4 / sqrt(16)
}

TEST(PeftConfig, HasPeftsDefaults) {
  ASSERT_OK_AND_ASSIGN(const PeftConfig config, ParsePeftConfig(R"({"peft_type":"LORA"})"));
  EXPECT_EQ(config.rank, 8);
  EXPECT_EQ(config.alpha, 8.0);
  EXPECT_EQ(config.dropout, 0.0);
  EXPECT_EQ(config.ScaleOf("x"), 1.0);
  EXPECT_EQ(config.task_type, std::nullopt);
  EXPECT_TRUE(std::get<TargetNames>(config.target_modules).empty());
}

TEST(PeftConfig, KeepsAllThreeFormsOfTargetModules) {
  ASSERT_OK_AND_ASSIGN(const PeftConfig regex,
                       ParsePeftConfig(R"({"peft_type":"LORA","target_modules":".*q_proj"})"));
  EXPECT_EQ(std::get<TargetRegex>(regex.target_modules).pattern, ".*q_proj");
  ASSERT_OK_AND_ASSIGN(const PeftConfig all,
                       ParsePeftConfig(R"({"peft_type":"LORA","target_modules":"all-linear"})"));
  EXPECT_TRUE(std::holds_alternative<TargetAllLinear>(all.target_modules));
  EXPECT_THAT(ErrorOf(R"("target_modules":[1])").message(),
              HasSubstr("target_modules[0]: is an integer"));
  EXPECT_THAT(ErrorOf(R"("target_modules":7)").message(), HasSubstr("expected a list"));
}

TEST(PeftConfig, PatternsMatchNamesAndTheirEnds) {
  ASSERT_OK_AND_ASSIGN(const PeftConfig config,
                       ParsePeftConfig(R"({"peft_type":"LORA","r":8,"lora_alpha":8,"rank_pattern":{
        "layers.1.self_attn.q_proj":2, "^model.q_proj":3, "a\\.k_proj":4, "q_proj":5},
        "alpha_pattern":{"k_proj":2.5}})"));
  EXPECT_EQ(config.RankOf("model.layers.1.self_attn.q_proj"), 2);
  EXPECT_EQ(config.RankOf("model.layers.11.self_attn.q_proj"), 5);
  EXPECT_EQ(config.RankOf("model.q_proj"), 3);
  EXPECT_EQ(config.RankOf("x.model.q_proj"), 5);
  EXPECT_EQ(config.RankOf("b.a.k_proj"), 4);
  EXPECT_EQ(config.RankOf("bq_proj"), 8);
  EXPECT_EQ(config.RankOf("q_proj"), 5);
  EXPECT_EQ(config.AlphaOf("x.k_proj"), 2.5);
  EXPECT_EQ(config.AlphaOf("x.ak_proj"), 8.0);
  for (const std::string_view pattern :
       {"q_proj$", ".*q", "(q|k)", "[qk]_proj", "\\\\d", "", "^"}) {
    ExpectRefused(StrCat(R"("rank_pattern":{")", pattern, "\":1}"), "rank_pattern: ");
    ExpectRefused(StrCat(R"("alpha_pattern":{")", pattern, "\":1}"), "is a regular expression");
  }
}

TEST(PeftConfig, RefusesWhatChangesTheMaths) {
  EXPECT_EQ(ParsePeftConfig(R"({"peft_type":"IA3"})").status().code(), StatusCode::kUnsupported);
  for (const std::string_view key : {"use_dora", "use_qalora", "lora_bias"}) {
    ExpectRefused(StrCat("\"", key, "\":true"), key);
    EXPECT_OK(ErrorOf(StrCat("\"", key, "\":false")));
  }
  ExpectRefused(R"("alora_invocation_tokens":[1,2])", "alora_invocation_tokens");
  ExpectRefused(R"("layer_replication":[[0,4],[2,6]])", "layer_replication");
  ExpectRefused(R"("target_parameters":["x"])", "target_parameters");
  ExpectRefused(R"("trainable_token_indices":{"embed_tokens":[1]})", "trainable_token_indices");
  ExpectRefused(R"("modules_to_save":["lm_head"])", "modules_to_save");
  ExpectRefused(R"("bias":"all")", "bias: 'all'");
  ExpectRefused(R"("bias":"lora_only")", "bias");
  for (const std::string_view init :
       {"pissa", "pissa_niter_16", "olora", "corda", "lora_ga", "loftq", "mica"}) {
    ExpectRefused(StrCat(R"("init_lora_weights":")", init, "\""), "init_lora_weights");
  }
  for (const std::string_view init : {"true", "false", "\"gaussian\"", "\"eva\"", "null"}) {
    EXPECT_OK(ErrorOf(StrCat("\"init_lora_weights\":", init)));
  }
}

TEST(PeftConfig, BoundsNumbersAndTypes) {
  EXPECT_EQ(ErrorOf(R"("r":0)").message(), "r: is 0, allowed 1 to 16384");
  EXPECT_THAT(ErrorOf(R"("r":8.5)").message(), HasSubstr("expected an integer"));
  EXPECT_THAT(ErrorOf(R"("r":"8")").message(), HasSubstr("r: is a string"));
  EXPECT_THAT(ErrorOf(R"("lora_alpha":1e300)").message(), HasSubstr("lora_alpha: is 1e+300"));
  EXPECT_THAT(ErrorOf(R"("lora_dropout":1.5)").message(),
              HasSubstr("lora_dropout: is 1.5, allowed 0 to 1"));
  EXPECT_THAT(ErrorOf(R"("rank_pattern":{"q":0})").message(), HasSubstr("rank_pattern.q: is 0"));
  EXPECT_THAT(ErrorOf(R"("rank_pattern":[])").message(), HasSubstr("rank_pattern: is a list"));
  EXPECT_THAT(ErrorOf(R"("use_rslora":1)").message(), HasSubstr("use_rslora"));
  EXPECT_THAT(ErrorOf(R"("r":1,"r":2)").message(), HasSubstr("the same key twice"));
  EXPECT_THAT(ParsePeftConfig("[]").status().message(), HasSubstr("top level: is a list"));
  EXPECT_THAT(ParsePeftConfig("{}").status().message(), HasSubstr("peft_type: absent"));
}

TEST(PeftConfig, WritesAllKeysSortedAndIndented) {
  PeftConfig config;
  config.alpha = 16.0;
  config.target_modules = TargetNames{"k_proj", "q_proj"};
  config.rank_pattern = {{"k_proj", 4}};
  config.alpha_pattern = {{"k_proj", 2.5}};
  EXPECT_EQ(FormatPeftConfig(config), R"({
  "alpha_pattern": {
    "k_proj": 2.5
  },
  "base_model_name_or_path": null,
  "bias": "none",
  "fan_in_fan_out": false,
  "inference_mode": true,
  "init_lora_weights": true,
  "lora_alpha": 16,
  "lora_dropout": 0.0,
  "modules_to_save": null,
  "peft_type": "LORA",
  "r": 8,
  "rank_pattern": {
    "k_proj": 4
  },
  "revision": null,
  "target_modules": [
    "k_proj",
    "q_proj"
  ],
  "task_type": "CAUSAL_LM",
  "use_dora": false,
  "use_rslora": false
})");
  config.target_modules = TargetAllLinear{};
  EXPECT_THAT(FormatPeftConfig(config), HasSubstr(R"("target_modules": "all-linear")"));
  config.target_modules = TargetRegex{".*q"};
  EXPECT_THAT(FormatPeftConfig(config), HasSubstr(R"("target_modules": ".*q")"));
}

TEST(PeftNames, GoBothWays) {
  const std::string name = PeftTensorName("model.layers.0.self_attn.q_proj", 'A');
  EXPECT_EQ(name, "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight");
  const auto parsed = ParsePeftName(name);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->module, "model.layers.0.self_attn.q_proj");
  EXPECT_EQ(parsed->matrix, 'A');
  EXPECT_EQ(ParsePeftName("base_model.model.x.lora_B.weight")->matrix, 'B');
  for (const std::string_view other :
       {"model.x.lora_A.weight", "base_model.model.x.lora_A.default.weight",
        "base_model.model.x.lora_C.weight", "base_model.model.x.lora_A.bias",
        "base_model.model..lora_A.weight", "base_model.model.lora_A.weight", ""}) {
    const auto name_of = ParsePeftName(other);
    EXPECT_FALSE(name_of.has_value() && !name_of->module.empty()) << other;
  }
}

// Tensors that live as long as the test.
class PeftDirectory : public ::testing::Test {
 protected:
  TensorView F32(Shape shape, float first = 0.5f) {
    tensors_.push_back(std::make_unique<Tensor>(DType::kF32, shape));
    float value = first;
    for (float& element : tensors_.back()->f32()) element = value++;
    return tensors_.back()->view();
  }
  LoraPair Pair(std::int64_t rank, std::int64_t in, std::int64_t out) {
    return {F32({rank, in}), F32({out, rank}), 0.0};
  }
  static std::string ConfigOf(std::string_view members) {
    return StrCat(R"({"peft_type":"LORA",)", members, "}");
  }
  std::string ReadError() {
    const auto adapter = ReadPeftAdapter(fs_, "a");
    return adapter.ok() ? "no error" : adapter.status().message();
  }
  void PutTensors(const std::vector<NamedTensor>& tensors) {
    ASSERT_OK(WriteSafetensors(fs_, "a/adapter_model.safetensors", tensors));
  }

  MemoryFileSystem fs_;
  std::vector<std::unique_ptr<Tensor>> tensors_;
};

TEST_F(PeftDirectory, ReadsWhatItWrote) {
  PeftConfig config;
  config.rank = 2;
  config.alpha = 4;
  config.rank_pattern = {{"v_proj", 1}};
  config.target_modules = TargetNames{"q_proj", "v_proj"};
  const std::map<std::string, LoraPair> modules = {{"m.q_proj", Pair(2, 3, 5)},
                                                   {"m.v_proj", Pair(1, 3, 4)}};
  ASSERT_OK_AND_ASSIGN(const PeftFiles files,
                       FormatPeftAdapter(config, modules, {{"base_sha256", "00ff"}}));
  ASSERT_OK(WritePeftAdapter(fs_, "a", files));
  EXPECT_EQ(fs_.files().size(), 2u);
  ASSERT_OK_AND_ASSIGN(const PeftAdapter adapter, ReadPeftAdapter(fs_, "a"));
  EXPECT_EQ(adapter.metadata.at("base_sha256"), "00ff");
  EXPECT_EQ(adapter.metadata.at("format"), "pt");
  ASSERT_EQ(adapter.modules.size(), 2u);
  EXPECT_EQ(adapter.modules.at("m.q_proj").scale, 2.0);
  EXPECT_EQ(adapter.modules.at("m.v_proj").scale, 4.0);
  for (const auto& [module, pair] : modules) {
    const LoraPair& read = adapter.modules.at(module);
    EXPECT_EQ(read.a.shape, pair.a.shape);
    EXPECT_TRUE(std::equal(read.a.span().begin(), read.a.span().end(), pair.a.span().begin()));
    EXPECT_TRUE(std::equal(read.b.span().begin(), read.b.span().end(), pair.b.span().begin()));
  }
}

TEST_F(PeftDirectory, ListsEverythingThatIsWrongAtOnce) {
  fs_.Put("a/adapter_config.json", ConfigOf(R"("r":2)"));
  PutTensors({{PeftTensorName("half", 'A'), F32({2, 3})},
              {PeftTensorName("rank", 'A'), F32({3, 3})},
              {PeftTensorName("rank", 'B'), F32({3, 3})},
              {PeftTensorName("unequal", 'A'), F32({2, 3})},
              {PeftTensorName("unequal", 'B'), F32({3, 4})},
              {PeftTensorName("vector", 'A'), F32({2})},
              {PeftTensorName("vector", 'B'), F32({3, 2})},
              {"base_model.model.lm_head.weight", F32({1})}});
  const std::string message = ReadError();
  EXPECT_THAT(message, HasSubstr("adapter_model.safetensors: "));
  EXPECT_THAT(message, HasSubstr("unknown tensor 'base_model.model.lm_head.weight'"));
  EXPECT_THAT(message, HasSubstr("'half' lacks lora_B"));
  EXPECT_THAT(message, HasSubstr("'rank' has rank 3, its configuration says 2"));
  EXPECT_THAT(message, HasSubstr("'unequal' has A [2, 3] and B [3, 4] of unequal rank"));
  EXPECT_THAT(message, HasSubstr("'vector' has A [2] and B [3, 2], needs matrices"));
  EXPECT_THAT(message, Not(HasSubstr("\n")));
}

TEST_F(PeftDirectory, ListsAtMost64Offenders) {
  fs_.Put("a/adapter_config.json", ConfigOf(R"("r":2)"));
  std::vector<NamedTensor> tensors;
  for (int i = 0; i < 100; ++i) tensors.push_back({StrCat("t", i), F32({1})});
  PutTensors(tensors);
  EXPECT_THAT(ReadError(), HasSubstr("; and 36 more"));
}

TEST_F(PeftDirectory, RefusesValuesThatAreNotFinite) {
  fs_.Put("a/adapter_config.json", ConfigOf(R"("r":1)"));
  Tensor bad(DType::kF16, {3, 1});
  bad.data()[4] = std::byte{0x00};
  bad.data()[5] = std::byte{0x7c};  // Infinity.
  PutTensors({{PeftTensorName("m", 'A'), F32({1, 2})}, {PeftTensorName("m", 'B'), bad.view()}});
  EXPECT_THAT(ReadError(), HasSubstr("'m' is not finite at element 2 of 3 of B"));
}

TEST_F(PeftDirectory, TakesHalfPrecisionButNotOtherTypes) {
  fs_.Put("a/adapter_config.json", ConfigOf(R"("r":1)"));
  Tensor a(DType::kF16, {1, 2});
  Tensor b(DType::kBf16, {2, 1});
  PutTensors({{PeftTensorName("m", 'A'), a.view()}, {PeftTensorName("m", 'B'), b.view()}});
  EXPECT_OK(ReadPeftAdapter(fs_, "a"));
  Tensor wide(DType::kF64, {1, 2});
  PutTensors({{PeftTensorName("m", 'A'), wide.view()}, {PeftTensorName("m", 'B'), b.view()}});
  EXPECT_THAT(ReadError(), HasSubstr("'m' is f64, needs f32, f16 or bf16"));
}

TEST_F(PeftDirectory, SaysWhichFileIsMissing) {
  EXPECT_THAT(ReadError(), HasSubstr("adapter_config.json: absent"));
  fs_.Put("a/adapter_config.json", ConfigOf(R"("r":1)"));
  EXPECT_THAT(ReadError(), HasSubstr("adapter_model.safetensors: absent"));
  fs_.Put("a/adapter_model.bin", "pickle");
  EXPECT_THAT(ReadError(), HasSubstr("adapter_model.bin: is a pickle"));
  PutTensors({});
  EXPECT_THAT(ReadError(), HasSubstr("has 0 tensors"));
  fs_.Put("a/adapter_config.json", "{");
  EXPECT_THAT(ReadError(), HasSubstr("adapter_config.json: byte 1 of 1"));
}

TEST_F(PeftDirectory, BytesAndDirectoryAreTheSameAdapter) {
  PeftConfig config;
  config.rank = 2;
  const std::map<std::string, LoraPair> modules = {{"m.q_proj", Pair(2, 3, 5)}};
  ASSERT_OK_AND_ASSIGN(const PeftFiles files, FormatPeftAdapter(config, modules, {{"k", "v"}}));
  ASSERT_OK(WritePeftAdapter(fs_, "a", files));
  EXPECT_EQ(fs_.files()["a/adapter_config.json"], files.config);
  EXPECT_EQ(fs_.files()["a/adapter_model.safetensors"], files.weights);

  ASSERT_OK_AND_ASSIGN(const PeftAdapter parsed, ParsePeftAdapter(files));
  ASSERT_OK_AND_ASSIGN(const PeftAdapter read, ReadPeftAdapter(fs_, "a"));
  EXPECT_EQ(parsed.metadata, read.metadata);
  ASSERT_EQ(parsed.modules.size(), 1u);
  const LoraPair& pair = parsed.modules.at("m.q_proj");
  EXPECT_EQ(pair.scale, read.modules.at("m.q_proj").scale);
  const LoraPair& original = modules.at("m.q_proj");
  EXPECT_TRUE(std::equal(pair.b.span().begin(), pair.b.span().end(), original.b.span().begin()));

  // In memory they are no more to be trusted.
  for (std::size_t size = 0; size < files.weights.size(); ++size) {
    EXPECT_FALSE(ParsePeftAdapter({files.config, files.weights.substr(0, size)}).ok()) << size;
  }
  EXPECT_FALSE(ParsePeftAdapter({"{}", files.weights}).ok());
}

TEST_F(PeftDirectory, WritesNothingThatItWouldNotRead) {
  const std::map<std::string, LoraPair> modules = {{"m.q_proj", Pair(2, 3, 5)}};
  PeftConfig config;
  const auto error_of = [&](const std::map<std::string, LoraPair>& pairs) {
    const Status status = FormatPeftAdapter(config, pairs).status();
    EXPECT_FALSE(status.ok());
    EXPECT_TRUE(fs_.files().empty());
    return status.message();
  };
  EXPECT_THAT(error_of(modules), HasSubstr("has rank 2, its configuration says 8"));
  config.rank = 2;
  EXPECT_THAT(error_of({}), HasSubstr("has 0 tensors"));
  EXPECT_THAT(error_of({{"m", {F32({2, 3}, NAN), F32({1, 2}), 1}}}), HasSubstr("not finite"));
  config.alpha = std::numeric_limits<double>::infinity();
  EXPECT_THAT(error_of(modules), HasSubstr("is not finite"));
  config.alpha = 2;
  config.base_model = "\xff";
  EXPECT_THAT(error_of(modules), HasSubstr("adapter_config.json: byte"));
  config.base_model.reset();
  // "m.q_proj" wins here, but sorted into a file "^..." would come first.
  config.alpha_pattern = {{"m.q_proj", 1.0}, {"^m.q_proj", 2.0}};
  EXPECT_THAT(error_of(modules), HasSubstr("would be scaled by 1 instead of 0.5"));
}

}  // namespace
}  // namespace attune
