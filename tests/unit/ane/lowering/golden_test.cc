// The small models that Hugging Face computed gradients of, with their adapters: what
// Lower() makes of the golden batch equals the reference, forward and all gradients.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "formats/peft.h"
#include "formats/safetensors.h"
#include "models/weights.h"
#include "posix/posix_file_system.h"
#include "support/status_matchers.h"
#include "unit/ane/lowering/decoder_programs.h"
#include "unit/ane/lowering/plan_runner.h"

namespace attune::ane {
namespace {

std::vector<std::string> GoldenDirectories() {
  std::vector<std::string> names;
  const std::filesystem::path root = ATTUNE_SOURCE_DIR "/tests/golden/models";
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<double> Widened(const TensorView& view) {
  std::vector<double> numbers;
  for (std::int64_t i = 0; i < view.shape.elements(); ++i) {
    numbers.push_back(static_cast<double>(ElementAsF32(view, i)));
  }
  return numbers;
}

class LowerGolden : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string directory = StrCat(ATTUNE_SOURCE_DIR, "/tests/golden/models/", GetParam());
    ASSERT_OK_AND_ASSIGN(model_, LoadModel(fs_, directory));
    ASSERT_OK_AND_ASSIGN(adapter_, ReadPeftAdapter(fs_, directory + "/adapter"));
    ASSERT_OK_AND_ASSIGN(auto file,
                         SafetensorsFile::Open(fs_, directory + "/expected.safetensors"));
    ASSERT_OK(file.AddTo(&expected_));
  }

  std::vector<std::int32_t> Ints(const std::string& name) {
    const auto view = expected_.Get(name);
    EXPECT_OK(view);
    std::vector<std::int32_t> values(static_cast<std::size_t>(view->shape.elements()));
    std::memcpy(values.data(), view->data, values.size() * sizeof(std::int32_t));
    return values;
  }

  testing::OpProgram Program() {
    const auto ids = Ints("input_ids"), labels = Ints("labels");
    const Shape batch = expected_.Get("input_ids")->shape;
    testing::OpProgram program;
    auto graph =
        BuildLossGraph(model_.config, model_.views, {.batch = batch[0], .length = batch[1]});
    EXPECT_OK(graph);
    program.graph = *std::move(graph);
    LoraSpec spec;
    for (const auto& [module, pair] : adapter_.modules) {
      spec.modules.push_back({module, pair.a.shape[0], static_cast<float>(pair.scale)});
      program.feeds[module + ".lora_A.weight"] = Widened(pair.a);
      program.feeds[module + ".lora_B.weight"] = Widened(pair.b);
    }
    EXPECT_OK(InjectLora(&program.graph, spec));
    EXPECT_OK(MakeTrainingGraph(&program.graph));
    for (const auto& [name, view] : model_.views) program.feeds[name] = Widened(view);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const std::size_t t = i % static_cast<std::size_t>(batch[1]);
      const bool counts = t + 1 < static_cast<std::size_t>(batch[1]) && labels[i + 1] >= 0;
      program.feeds["ids"].push_back(ids[i]);
      program.feeds["positions"].push_back(static_cast<double>(t));
      program.feeds["labels"].push_back(counts ? labels[i + 1] : 0);
      program.feeds["weights"].push_back(counts ? 0.0625 : 0);
    }
    program.feeds["loss_seed"] = {1024};
    return program;
  }

  PosixFileSystem fs_;
  LanguageModelWeights model_;
  PeftAdapter adapter_;
  NamedTensors expected_;
};

TEST_P(LowerGolden, LossAndEveryGradientEqualTheReference) {
  const testing::OpProgram program = Program();
  const auto want = EvaluateReference(program.graph, program.feeds);
  ASSERT_OK(want);
  const testing::FrozenBytes frozen(program.graph, program.feeds);
  for (const auto head : {HeadPlacement::kHost, HeadPlacement::kDevice}) {
    CompilerOptions options;
    options.head = head;
    const auto lowered = Lower(program.graph, frozen.views, options);
    ASSERT_OK(lowered);
    EXPECT_EQ(lowered->regions.size(), 2u);
    testing::PlanRunner runner(*lowered, program.feeds);
    const auto got = runner.Run();
    EXPECT_EQ(got.size(), 1 + 2 * adapter_.modules.size());
    EXPECT_LT(testing::LargestError(got, *want), 1e-9);
  }
}

std::string NameOf(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(All, LowerGolden, ::testing::ValuesIn(GoldenDirectories()), NameOf);

TEST(LowerGoldenData, FiveModelsAreThere) { EXPECT_EQ(GoldenDirectories().size(), 5u); }

}  // namespace
}  // namespace attune::ane
