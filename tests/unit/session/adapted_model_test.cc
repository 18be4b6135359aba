// Adapters on the golden models: swapping, refusing, and the greedy text of
// transformers with and without one.

#include "session/adapted_model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/strings.h"
#include "cpu/cpu_backend.h"
#include "posix/posix_file_system.h"
#include "session/cached_decoder.h"
#include "session/sampling.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using Ids = std::vector<std::int32_t>;

class Adapted : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string directory = StrCat(ATTUNE_SOURCE_DIR, "/tests/golden/models/", GetParam());
    ASSERT_OK_AND_ASSIGN(weights_, LoadModel(files_, directory));
    ASSERT_OK_AND_ASSIGN(adapter_, ReadPeftAdapter(files_, directory + "/adapter"));
    ASSERT_OK_AND_ASSIGN(auto expected,
                         SafetensorsFile::Open(files_, directory + "/expected.safetensors"));
    ASSERT_OK(expected.AddTo(&expected_));
    backend_ = MakeCpuBackend(parallel_);
    model_ = std::make_unique<AdaptedModel>(weights_, *backend_, CompileOptions{}, 40);
  }

  Ids Expected(const std::string& name) const {
    auto view = expected_.Get(name);
    EXPECT_OK(view);
    Ids ids(static_cast<std::size_t>(view->shape.elements()));
    std::memcpy(ids.data(), view->data, ids.size() * sizeof(std::int32_t));
    return ids;
  }

  Ids Greedy(CachedDecoder& decoder) const {
    Ids ids = Expected("prompt");
    const std::size_t prompt = ids.size();
    while (ids.size() < prompt + 16) {
      auto logits = decoder.LogitsAfter(ids);
      EXPECT_OK(logits);
      if (!logits.ok()) break;
      ids.push_back(ArgMax(*logits));
    }
    return Ids(ids.begin() + static_cast<std::ptrdiff_t>(prompt), ids.end());
  }

  PosixFileSystem files_;
  SerialParallel parallel_;
  LanguageModelWeights weights_;
  PeftAdapter adapter_;
  NamedTensors expected_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<AdaptedModel> model_;
};

TEST_P(Adapted, GreedyTextIsThatOfTransformersAndPeft) {
  CachedDecoder decoder(model_.get());
  EXPECT_EQ(Greedy(decoder), Expected("greedy_base"));
  ASSERT_OK(model_->SetAdapter(adapter_));
  EXPECT_EQ(Greedy(decoder), Expected("greedy"));
  model_->ClearAdapter();
  EXPECT_EQ(Greedy(decoder), Expected("greedy_base"));
}

TEST_P(Adapted, AShapeSeenBeforeCompilesNothing) {
  CachedDecoder decoder(model_.get());
  ASSERT_OK(model_->SetAdapter(adapter_));
  const Ids first = Greedy(decoder);
  model_->ClearAdapter();
  Greedy(decoder);
  const std::int64_t compiled = model_->compiled();
  ASSERT_OK(model_->SetAdapter(adapter_));
  EXPECT_EQ(Greedy(decoder), first);
  EXPECT_EQ(model_->compiled(), compiled);
}

// Another adapter of the same shape must be read, not the one bound before.
TEST_P(Adapted, AnAdapterOfTheSameShapeTakesEffect) {
  CachedDecoder decoder(model_.get());
  ASSERT_OK(model_->SetAdapter(adapter_));
  const Ids prompt = Expected("prompt");
  ASSERT_OK_AND_ASSIGN(const auto with, decoder.LogitsAfter(prompt));
  const std::vector<float> before(with.begin(), with.end());
  PeftAdapter zeroed = adapter_;
  std::vector<Tensor> zeros;
  zeros.reserve(zeroed.modules.size());
  for (auto& [module, pair] : zeroed.modules) {
    zeros.emplace_back(DType::kF32, pair.b.shape);
    pair.b = zeros.back().view();
  }
  ASSERT_OK(model_->SetAdapter(zeroed));
  ASSERT_OK_AND_ASSIGN(const auto without, decoder.LogitsAfter(prompt));
  const std::vector<float> after(without.begin(), without.end());
  EXPECT_NE(before, after);
  model_->ClearAdapter();
  ASSERT_OK_AND_ASSIGN(const auto base, decoder.LogitsAfter(prompt));
  for (std::size_t i = 0; i < after.size(); ++i) EXPECT_NEAR(after[i], base[i], 1e-5);
}

// Scales are compiled in: two that print alike are two.
TEST_P(Adapted, ANearlyEqualScaleIsAnotherShape) {
  CachedDecoder decoder(model_.get());
  ASSERT_OK(model_->SetAdapter(adapter_));
  ASSERT_OK(decoder.LogitsAfter(Expected("prompt")));
  const std::int64_t compiled = model_->compiled();
  for (auto& [module, pair] : adapter_.modules) pair.scale *= 1 + 1e-6;
  ASSERT_OK(model_->SetAdapter(adapter_));
  ASSERT_OK(decoder.LogitsAfter(Expected("prompt")));
  EXPECT_GT(model_->compiled(), compiled);
}

TEST_P(Adapted, AnAdapterThatDoesNotFitChangesNothing) {
  PeftAdapter foreign = adapter_;
  foreign.modules["elsewhere.proj"] = foreign.modules.begin()->second;
  Tensor wide(DType::kF32, {4, 999});
  foreign.modules.rbegin()->second.a = wide.view();
  const std::uint64_t generation = model_->generation();
  const Status status = model_->SetAdapter(foreign);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("elsewhere.proj"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("999"), std::string::npos) << status.message();
  EXPECT_EQ(model_->generation(), generation);
  EXPECT_FALSE(model_->adapted());
}

// What is cached must not change the answer: one token at a time, all at once,
// and after another text.
TEST_P(Adapted, TheCacheIsInvisible) {
  Ids ids = Expected("input_ids");
  ids.resize(24);
  CachedDecoder fresh(model_.get());
  ASSERT_OK_AND_ASSIGN(const auto whole, fresh.LogitsAfter(ids));
  const std::vector<float> want(whole.begin(), whole.end());
  CachedDecoder stepped(model_.get());
  for (std::size_t size = 1; size <= ids.size(); ++size) {
    ASSERT_OK(stepped.LogitsAfter(std::span(ids).first(size)));
  }
  Ids other = ids;
  other[3] = other[3] == 5 ? 6 : 5;
  ASSERT_OK(stepped.LogitsAfter(other));
  ASSERT_OK_AND_ASSIGN(const auto again, stepped.LogitsAfter(ids));
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(again[i], want[i], 2e-4);
}

TEST_P(Adapted, RefusesSequencesItCannotTake) {
  CachedDecoder decoder(model_.get());
  EXPECT_FALSE(decoder.LogitsAfter({}).ok());
  EXPECT_FALSE(decoder.LogitsAfter(Ids(41, 1)).ok());
  EXPECT_FALSE(decoder.LogitsAfter(Ids{-1}).ok());
  EXPECT_FALSE(decoder.LogitsAfter(Ids{100000}).ok());
  EXPECT_OK(decoder.LogitsAfter(Ids(40, 1)));
}

std::string NameOf(const ::testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, Adapted,
                         ::testing::Values("gpt2", "llama", "llama-tied", "qwen2", "qwen3"),
                         NameOf);

}  // namespace
}  // namespace attune
