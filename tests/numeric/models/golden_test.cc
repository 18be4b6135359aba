// Tiny random models against what Hugging Face transformers and PEFT compute
// with them (tests/golden/models/README.md): logits, loss and every gradient.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/strings.h"
#include "compute/reference_backend.h"
#include "cpu/cpu_backend.h"
#include "formats/peft.h"
#include "formats/safetensors.h"
#include "graph/differentiate.h"
#include "graph/lora.h"
#include "graph/passes/passes.h"
#include "models/decoder.h"
#include "models/weights.h"
#include "ports/parallel.h"
#include "posix/posix_file_system.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

// f32 arithmetic against rounded float64.
constexpr double kTolerance = 1e-4;

std::vector<std::string> GoldenDirectories() {
  std::vector<std::string> names;
  const std::filesystem::path root = ATTUNE_SOURCE_DIR "/tests/golden/models";
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Largest difference relative to the largest wanted entry.
double RelativeError(const TensorView& got, const TensorView& want) {
  EXPECT_EQ(got.shape.elements(), want.shape.elements());
  double difference = 0, top = 0;
  for (std::int64_t i = 0; i < want.shape.elements(); ++i) {
    const double g = ElementAsF32(got, i), w = ElementAsF32(want, i);
    if (!std::isfinite(g)) return INFINITY;
    difference = std::max(difference, std::abs(g - w));
    top = std::max(top, std::abs(w));
  }
  return difference / top;
}

// A whole model with its adapter and the numbers expected of it.
class Golden {
 public:
  Status Open(const std::string& name) {
    const std::string directory = StrCat(ATTUNE_SOURCE_DIR, "/tests/golden/models/", name);
    ATTUNE_ASSIGN_OR_RETURN(model, LoadModel(fs_, directory));
    ATTUNE_ASSIGN_OR_RETURN(adapter, ReadPeftAdapter(fs_, directory + "/adapter"));
    ATTUNE_ASSIGN_OR_RETURN(auto file,
                            SafetensorsFile::Open(fs_, directory + "/expected.safetensors"));
    return file.AddTo(&expected_);
  }

  TensorView Expected(const std::string& name) const {
    auto view = expected_.Get(name);
    EXPECT_OK(view);
    return *view;
  }
  bool Expects(const std::string& name) const { return expected_.Has(name); }
  std::vector<std::string> ExpectedNames() const { return expected_.names(); }

  std::vector<std::int32_t> Ints(const std::string& name) const {
    const TensorView view = Expected(name);
    std::vector<std::int32_t> values(static_cast<std::size_t>(view.shape.elements()));
    std::memcpy(values.data(), view.data, values.size() * sizeof(std::int32_t));
    return values;
  }

  LoraSpec Spec() const {
    LoraSpec spec;
    for (const auto& [module, pair] : adapter.modules) {
      spec.modules.push_back({module, pair.a.shape[0], static_cast<float>(pair.scale)});
    }
    return spec;
  }

  LanguageModelWeights model;
  PeftAdapter adapter;

 private:
  PosixFileSystem fs_;
  NamedTensors expected_;
};

enum class Engine { kReference, kCpu };

std::unique_ptr<Backend> MakeBackend(Engine engine, Parallel& parallel) {
  return engine == Engine::kCpu ? MakeCpuBackend(parallel) : MakeReferenceBackend();
}

template <typename T>
void Feed(Executable& executable, const std::string& name, const std::vector<T>& values) {
  auto slot = executable.Input(name);
  ASSERT_OK(slot);
  ASSERT_EQ(slot->size(), values.size() * sizeof(T)) << name;
  std::memcpy(slot->data(), values.data(), slot->size());
}

// Owns f32 copies and binds them.
class Bindings {
 public:
  void Bind(Executable& executable, const std::string& name, const TensorView& view) {
    Tensor& copy = tensors_[name] = ToF32(view);
    ASSERT_OK(
        executable.Bind(name, std::span(copy.data(), static_cast<std::size_t>(copy.bytes()))));
  }
  void BindAdapter(Executable& executable, const PeftAdapter& adapter) {
    for (const auto& [module, pair] : adapter.modules) {
      Bind(executable, module + ".lora_A.weight", pair.a);
      Bind(executable, module + ".lora_B.weight", pair.b);
    }
  }

 private:
  std::map<std::string, Tensor> tensors_;
};

class GoldenModels : public ::testing::TestWithParam<std::tuple<std::string, Engine>> {
 protected:
  void SetUp() override {
    ASSERT_OK(golden_.Open(std::get<0>(GetParam())));
    backend_ = MakeBackend(std::get<1>(GetParam()), parallel_);
  }

  std::unique_ptr<Executable> Compile(Graph graph) {
    Optimize(&graph);
    EXPECT_OK(Verify(graph));
    auto executable = backend_->Compile(graph, golden_.model.views, {});
    EXPECT_OK(executable);
    return executable.ok() ? *std::move(executable) : nullptr;
  }

  // Labels shifted as the loss graph wants them, averaged over those that count.
  void FeedBatch(Executable& executable) {
    const auto ids = golden_.Ints("input_ids"), labels = golden_.Ints("labels");
    const std::size_t length = static_cast<std::size_t>(golden_.Expected("input_ids").shape[1]);
    std::vector<std::int32_t> positions(ids.size()), shifted(ids.size(), 0);
    std::vector<float> weights(ids.size(), 0.0f);
    float counted = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      positions[i] = static_cast<std::int32_t>(i % length);
      if (i % length + 1 == length || labels[i + 1] < 0) continue;
      shifted[i] = labels[i + 1];
      weights[i] = 1.0f;
      counted += 1.0f;
    }
    for (float& weight : weights) weight /= counted;
    Feed(executable, "ids", ids);
    Feed(executable, "positions", positions);
    Feed(executable, "labels", shifted);
    Feed(executable, "weights", weights);
    Feed(executable, "seed", std::vector<float>{1.0f});
  }

  // The loss graph of the golden batch, the gradients of all `wrt` as outputs
  // "grad.<parameter>".
  void AddGradients(Graph* graph, const std::vector<ValueId>& wrt) {
    const ValueId seed = graph->AddInput("seed", {DType::kF32, {1}});
    auto gradients = Differentiate(graph, *graph->FindOutput("loss"), seed, wrt);
    ASSERT_OK(gradients);
    for (std::size_t i = 0; i < wrt.size(); ++i) {
      graph->AddOutput("grad." + graph->value(wrt[i]).name, (*gradients)[i]);
    }
  }

  LossGraphOptions BatchShape(bool trainable) const {
    const Shape shape = golden_.Expected("input_ids").shape;
    return {.batch = shape[0], .length = shape[1], .trainable = trainable};
  }

  void ExpectClose(Executable& executable, const std::string& output, const std::string& wanted) {
    auto got = executable.Output(output);
    ASSERT_OK(got);
    EXPECT_LE(RelativeError(*got, golden_.Expected(wanted)), kTolerance) << wanted;
  }

  void CheckLogits(bool adapted, const std::string& wanted);

  Golden golden_;
  SerialParallel parallel_;
  std::unique_ptr<Backend> backend_;
};

TEST_P(GoldenModels, LossAndEveryLoraGradientMatch) {
  auto graph = BuildLossGraph(golden_.model.config, golden_.model.views, BatchShape(false));
  ASSERT_OK(graph);
  ASSERT_OK_AND_ASSIGN(const auto branches, InjectLora(&*graph, golden_.Spec()));
  std::vector<ValueId> wrt;
  for (const LoraBranch& branch : branches) wrt.insert(wrt.end(), {branch.a, branch.b});
  AddGradients(&*graph, wrt);
  auto executable = Compile(*std::move(graph));
  ASSERT_NE(executable, nullptr);
  Bindings bindings;
  bindings.BindAdapter(*executable, golden_.adapter);
  FeedBatch(*executable);
  ASSERT_OK(executable->Run());

  ExpectClose(*executable, "loss", "loss");
  std::size_t compared = 0;
  for (const auto& [module, pair] : golden_.adapter.modules) {
    for (const char matrix : {'A', 'B'}) {
      ExpectClose(*executable, StrCat("grad.", module, ".lora_", matrix, ".weight"),
                  "grad." + PeftTensorName(module, matrix));
      ++compared;
    }
  }
  EXPECT_EQ(compared, wrt.size());
}

TEST_P(GoldenModels, FullGradientsMatch) {
  if (!golden_.Expects("full_loss")) GTEST_SKIP() << "no full gradients for this family";
  auto graph = BuildLossGraph(golden_.model.config, golden_.model.views, BatchShape(true));
  ASSERT_OK(graph);
  std::vector<ValueId> wrt;
  for (const ParameterSpec& spec : DecoderParameters(golden_.model.config)) {
    wrt.push_back(*graph->FindLeaf(spec.name));
  }
  AddGradients(&*graph, wrt);
  auto executable = Compile(*std::move(graph));
  ASSERT_NE(executable, nullptr);
  Bindings bindings;
  for (const auto& [name, view] : golden_.model.views) bindings.Bind(*executable, name, view);
  FeedBatch(*executable);
  ASSERT_OK(executable->Run());

  ExpectClose(*executable, "loss", "full_loss");
  std::size_t compared = 0;
  for (const std::string& name : golden_.ExpectedNames()) {
    if (!name.starts_with("full_grad.")) continue;
    ExpectClose(*executable, "grad." + name.substr(std::string("full_grad.").size()), name);
    ++compared;
  }
  EXPECT_EQ(compared, golden_.model.views.size());
}

// Every row through the cached graph: a prefill of the whole sequence, asked
// for one row after the other.
void GoldenModels::CheckLogits(bool adapted, const std::string& wanted) {
  const Shape shape = golden_.Expected("input_ids").shape;
  const std::int64_t length = shape[1], capacity = length + 8;
  auto graph = BuildLogitsGraph(golden_.model.config, golden_.model.views,
                                {.tokens = length, .capacity = capacity});
  ASSERT_OK(graph);
  if (adapted) ASSERT_OK(InjectLora(&*graph, golden_.Spec()));
  auto executable = Compile(*std::move(graph));
  ASSERT_NE(executable, nullptr);
  Bindings bindings;
  if (adapted) bindings.BindAdapter(*executable, golden_.adapter);
  const std::int64_t width = golden_.model.config.kv_heads * golden_.model.config.head_dim;
  const Tensor empty(DType::kF32, {capacity, width});
  for (std::int64_t layer = 0; layer < golden_.model.config.layers; ++layer) {
    for (const char which : {'k', 'v'})
      bindings.Bind(*executable, CacheName(layer, which), empty.view());
  }
  std::vector<std::int32_t> positions, lo, hi;
  for (std::int32_t t = 0; t < length; ++t) {
    positions.push_back(t);
    lo.push_back(0);
    hi.push_back(t + 1);
  }
  Feed(*executable, "positions", positions);
  Feed(*executable, "lo", lo);
  Feed(*executable, "hi", hi);
  Feed(*executable, "cache_position", std::vector<std::int32_t>{0});
  const auto ids = golden_.Ints("input_ids");
  const TensorView logits = golden_.Expected(wanted);
  for (std::int64_t row = 0; row < shape[0] * length; ++row) {
    const auto begin = ids.begin() + row / length * length;
    Feed(*executable, "ids", std::vector<std::int32_t>(begin, begin + length));
    Feed(*executable, "last", std::vector<std::int32_t>{static_cast<std::int32_t>(row % length)});
    ASSERT_OK(executable->Run());
    const std::int64_t vocabulary = golden_.model.config.vocabulary;
    const TensorView want{
        logits.dtype, {vocabulary}, logits.data + row * vocabulary * SizeOf(logits.dtype)};
    auto got = executable->Output("logits");
    ASSERT_OK(got);
    ASSERT_LE(RelativeError(*got, want), kTolerance) << wanted << " row " << row;
  }
}

TEST_P(GoldenModels, LogitsMatchWithTheAdapter) { CheckLogits(true, "logits"); }
TEST_P(GoldenModels, LogitsMatchWithoutTheAdapter) { CheckLogits(false, "logits_base"); }

std::string NameOf(const ::testing::TestParamInfo<std::tuple<std::string, Engine>>& info) {
  std::string name = std::get<0>(info.param);
  std::replace(name.begin(), name.end(), '-', '_');
  return name + (std::get<1>(info.param) == Engine::kCpu ? "_cpu" : "_reference");
}

INSTANTIATE_TEST_SUITE_P(All, GoldenModels,
                         ::testing::Combine(::testing::ValuesIn(GoldenDirectories()),
                                            ::testing::Values(Engine::kReference, Engine::kCpu)),
                         NameOf);

TEST(GoldenModelsData, FiveFamiliesAreThere) { EXPECT_EQ(GoldenDirectories().size(), 5u); }

}  // namespace
}  // namespace attune
