// Three AdamW steps on LoRA adapters against PyTorch and PEFT.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "base/strings.h"
#include "compute/reference_backend.h"
#include "formats/peft.h"
#include "formats/safetensors.h"
#include "graph/lora.h"
#include "models/decoder.h"
#include "models/weights.h"
#include "posix/posix_file_system.h"
#include "support/status_matchers.h"
#include "train/bucket_graph.h"
#include "train/feeds.h"
#include "train/optimizer.h"

namespace attune {
namespace {

constexpr const char* kModels = ATTUNE_SOURCE_DIR "/tests/golden/models";
// f32 against f64: roundings of the gradient, which AdamW divides by its own
// size, times the rate 0.01.
constexpr double kTolerance = 1e-4;

std::vector<std::int32_t> Ints(const TensorView& view) {
  std::vector<std::int32_t> out(static_cast<std::size_t>(view.shape.elements()));
  std::memcpy(out.data(), view.data, out.size() * sizeof(std::int32_t));
  return out;
}

// Row t learns the label of row t + 1.
MicroBatch BatchOf(const SafetensorsFile& expected, std::int64_t batch, std::int64_t length) {
  MicroBatch out;
  out.ids = Ints(*expected.Tensor("input_ids"));
  const auto labels = Ints(*expected.Tensor("labels"));
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t t = 0; t < length; ++t) {
      const std::int32_t next =
          t + 1 < length ? labels[static_cast<std::size_t>(b * length + t + 1)] : -100;
      out.positions.push_back(static_cast<std::int32_t>(t));
      out.targets.push_back(std::max(next, 0));
      out.weights.push_back(next >= 0 ? 1.0f : 0.0f);
      out.labels += next >= 0;
    }
  }
  return out;
}

class GoldenAdamW : public ::testing::TestWithParam<std::string> {
 protected:
  // The adapter's branches in the base's loss graph.
  static Result<Graph> Build(const LanguageModelWeights& base, const PeftAdapter& adapter,
                             const LossGraphOptions& options) {
    ATTUNE_ASSIGN_OR_RETURN(Graph graph, BuildLossGraph(base.config, base.views, options));
    LoraSpec spec;
    for (const auto& [module, pair] : adapter.modules) {
      spec.modules.push_back({module, pair.a.shape[0], static_cast<float>(pair.scale)});
    }
    ATTUNE_RETURN_IF_ERROR(InjectLora(&graph, spec).status());
    ATTUNE_RETURN_IF_ERROR(MakeTrainingGraph(&graph));
    return graph;
  }
  static void CopyAdapter(const PeftAdapter& adapter, TrainingState* state) {
    for (const auto& [module, pair] : adapter.modules) {
      const auto a = ToF32(pair.a), b = ToF32(pair.b);
      std::copy(a.f32().begin(), a.f32().end(), state->Find(module + ".lora_A.weight").begin());
      std::copy(b.f32().begin(), b.f32().end(), state->Find(module + ".lora_B.weight").begin());
    }
  }
  static void ExpectNear(std::span<const float> ours, const TensorView& theirs,
                         const std::string& name) {
    double largest = 0, error = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) {
      const double want = ElementAsF32(theirs, static_cast<std::int64_t>(i));
      largest = std::max(largest, std::abs(want));
      error = std::max(error, std::abs(want - static_cast<double>(ours[i])));
    }
    EXPECT_LE(error, kTolerance * largest) << name;
  }
};

TEST_P(GoldenAdamW, ThreeStepsArriveAtPyTorchsWeights) {
  PosixFileSystem files;
  const std::string directory = StrCat(kModels, "/", GetParam());
  ASSERT_OK_AND_ASSIGN(const LanguageModelWeights base, LoadModel(files, directory));
  ASSERT_OK_AND_ASSIGN(const PeftAdapter adapter, ReadPeftAdapter(files, directory + "/adapter"));
  ASSERT_OK_AND_ASSIGN(const SafetensorsFile expected,
                       SafetensorsFile::Open(files, directory + "/expected.safetensors"));
  const Shape shape = expected.Tensor("input_ids")->shape;
  LossGraphOptions options;
  options.batch = shape[0];
  options.length = shape[1];
  ASSERT_OK_AND_ASSIGN(const Graph graph, Build(base, adapter, options));

  const auto backend = MakeReferenceBackend();
  ASSERT_OK_AND_ASSIGN(const auto executable, backend->Compile(graph, base.views, {}));
  TrainingState state(TrainablesOf(graph), 2);
  CopyAdapter(adapter, &state);
  std::vector<std::int64_t> sizes;
  std::vector<ParameterSpan> spans;
  for (std::size_t i = 0; i < state.trainables().size(); ++i) {
    ASSERT_OK(
        executable->Bind(state.trainables()[i].name, std::as_writable_bytes(state.parameter(i))));
    sizes.push_back(state.trainables()[i].shape.elements());
    spans.push_back({state.parameter(i).data(), nullptr, state.moment(0, i).data(),
                     state.moment(1, i).data(), sizes.back()});
  }
  ASSERT_OK_AND_ASSIGN(const LossFeeds feeds,
                       LossFeeds::Find(*executable, {shape[0], shape[1], false}));
  const MicroBatch batch = BatchOf(expected, shape[0], shape[1]);
  feeds.Write(batch, 1.0f / static_cast<float>(batch.labels));
  AsF32(*executable->Input(kLossSeedInput))[0] = 1.0f;

  SerialParallel serial;
  OptimizerConfig config;
  config.beta2 = 0.95;
  config.weight_decay = 0.01;
  Optimizer optimizer(config, serial, sizes);
  const TensorView losses = *expected.Tensor("adamw3_losses");
  for (int step = 1; step <= 3; ++step) {
    ASSERT_OK(executable->Run());
    EXPECT_NEAR(executable->Output(kLossOutput)->f32()[0], ElementAsF32(losses, step - 1), 1e-5);
    for (std::size_t i = 0; i < spans.size(); ++i) {
      const std::string name = GradientOutput(state.trainables()[i].name);
      spans[i].gradient = executable->Output(name)->f32().data();
    }
    optimizer.Update(spans, step, 0.01, 1.0);
  }
  for (const auto& [module, pair] : adapter.modules) {
    for (char matrix : {'A', 'B'}) {
      const std::string name = PeftTensorName(module, matrix);
      ASSERT_OK_AND_ASSIGN(const TensorView want, expected.Tensor("adamw3." + name));
      ExpectNear(state.Find(StrCat(module, ".lora_", matrix, ".weight")), want, name);
    }
  }
}

std::vector<std::string> ModelDirectories() {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kModels)) {
    if (entry.is_directory()) names.insert(entry.path().filename().string());
  }
  return {names.begin(), names.end()};
}

INSTANTIATE_TEST_SUITE_P(AllModels, GoldenAdamW, ::testing::ValuesIn(ModelDirectories()),
                         [](const auto& model) {
                           std::string name = model.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(GoldenAdamWData, IsThere) { EXPECT_GE(ModelDirectories().size(), 5u); }

}  // namespace
}  // namespace attune
