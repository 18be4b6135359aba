#include "train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/strings.h"
#include "support/status_matchers.h"
#include "train/bucket_graph.h"
#include "train/evaluate.h"
#include "unit/train/tiny_model.h"

namespace attune {
namespace {

using testing::PatternExamples;
using testing::TinyConfig;
using testing::TinyModel;

class TrainerTest : public ::testing::Test {
 protected:
  std::unique_ptr<Trainer> NewTrainer(const TrainConfig& config, bool full = false,
                                      float dropout = 0, int examples = 12) {
    auto trainer = Trainer::Create(Parts(full, dropout), config, PatternExamples(examples));
    EXPECT_OK(trainer);
    if (full) {
      model_.CopyWeightsTo(&(*trainer)->state());
    } else {
      InitializeLora(&(*trainer)->state(), config.sampler.seed);
    }
    return *std::move(trainer);
  }
  TrainerParts Parts(bool full = false, float dropout = 0) {
    return model_.Parts(backend_.get(), &serial_, &clock_, full, dropout);
  }
  static std::string BytesOf(Trainer& trainer) {
    std::string bytes;
    for (const NamedBytes& section : trainer.state().Sections()) {
      bytes.append(reinterpret_cast<const char*>(section.bytes.data()), section.bytes.size());
    }
    return bytes;
  }
  // What a checkpoint does: the bytes and the progress, nothing else.
  static void Restore(const std::string& bytes, const TrainingProgress& progress, Trainer* to) {
    ASSERT_OK(to->Resume(progress));
    std::size_t at = 0;
    for (const NamedBytes& section : to->state().Sections()) {
      std::memcpy(section.bytes.data(), bytes.data() + at, section.bytes.size());
      at += section.bytes.size();
    }
    ASSERT_EQ(at, bytes.size());
  }

  TinyModel model_;
  std::unique_ptr<Backend> backend_ = MakeReferenceBackend();
  SerialParallel serial_;
  testing::StillClock clock_;
};

TEST_F(TrainerTest, LearnsAPatternWithLoraAndWithAllWeights) {
  for (bool full : {false, true}) {
    SCOPED_TRACE(full);
    auto trainer = NewTrainer(TinyConfig(60), full);
    ASSERT_OK_AND_ASSIGN(const StepReport first, trainer->Step());
    EXPECT_EQ(first.step, 1);
    EXPECT_FALSE(first.skipped);
    EXPECT_GT(first.seconds, 0);
    StepReport last;
    while (trainer->remaining_steps() > 0) {
      ASSERT_OK_AND_ASSIGN(last, trainer->Step());
    }
    EXPECT_EQ(last.step, 60);
    EXPECT_LT(last.loss, 0.8 * first.loss);
  }
}

// The same labels, laid out in other shapes, are the same mean and gradient.
TEST_F(TrainerTest, LayoutAndAccumulationDoNotChangeTheFirstStep) {
  TrainConfig one_row = TinyConfig(1);
  one_row.clip_norm = 0;
  one_row.sampler.lengths = {128};
  one_row.sampler.batch = 1;
  auto whole = NewTrainer(one_row);
  ASSERT_EQ(whole->sampler().epoch_size(), 1);
  ASSERT_OK_AND_ASSIGN(const StepReport expected, whole->Step());

  for (bool packed : {true, false}) {
    TrainConfig split = TinyConfig(1);
    split.clip_norm = 0;
    split.sampler.packed = packed;
    ASSERT_OK_AND_ASSIGN(Sampler sampler, Sampler::Create(PatternExamples(12), split.sampler));
    ASSERT_GT(sampler.epoch_size(), 1);
    split.micro_batches = sampler.epoch_size();
    auto trainer = NewTrainer(split);
    ASSERT_OK_AND_ASSIGN(const StepReport report, trainer->Step());
    EXPECT_EQ(report.labels, expected.labels);
    EXPECT_NEAR(report.loss, expected.loss, 1e-6 * expected.loss);
    EXPECT_NEAR(report.gradient_norm, expected.gradient_norm, 1e-5 * expected.gradient_norm);
  }
}

TEST_F(TrainerTest, StopsAndResumesToTheSameBytes) {
  for (bool packed : {true, false}) {
    SCOPED_TRACE(packed);
    TrainConfig config = TinyConfig(20);
    config.sampler.packed = packed;
    config.loss_scale = {.initial = 4, .growth_interval = 3};
    auto straight = NewTrainer(config, false, 0.1f);
    for (int i = 0; i < 20; ++i) ASSERT_OK(straight->Step());

    auto first = NewTrainer(config, false, 0.1f);
    for (int i = 0; i < 9; ++i) ASSERT_OK(first->Step());
    const std::string saved = BytesOf(*first);
    const TrainingProgress progress = first->state().progress;
    first.reset();
    auto second = NewTrainer(config, false, 0.1f);
    Restore(saved, progress, second.get());
    for (int i = 9; i < 20; ++i) ASSERT_OK(second->Step());

    EXPECT_EQ(second->state().progress, straight->state().progress);
    EXPECT_TRUE(BytesOf(*second) == BytesOf(*straight));
    EXPECT_FALSE(saved == BytesOf(*straight));
  }
}

TEST_F(TrainerTest, ResumesOnlyTheRunThatWasSaved) {
  const TrainConfig config = TinyConfig(20);
  auto trainer = NewTrainer(config);
  ASSERT_OK(trainer->Step());
  const TrainingProgress progress = trainer->state().progress;
  EXPECT_OK(NewTrainer(config)->Resume(progress));

  TrainConfig seed = config, rate = config, steps = config;
  seed.sampler.seed += 1;
  rate.schedule.peak *= 2;
  steps.schedule.total_steps += 1;
  for (const TrainConfig& other : {seed, rate, steps}) {
    EXPECT_EQ(NewTrainer(other)->Resume(progress).code(), StatusCode::kFailedPrecondition);
  }
  EXPECT_EQ(NewTrainer(config, false, 0, 11)->Resume(progress).code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(NewTrainer(config, false, 0.5f)->Resume(progress).code(),
            StatusCode::kFailedPrecondition);
  TrainerParts parts = Parts();
  parts.build = [](const BatchShape& shape) -> Result<Graph> {
    ATTUNE_ASSIGN_OR_RETURN(Graph graph, TinyModel::Build(shape, true));
    std::vector<Node> nodes = graph.nodes();
    for (Node& node : nodes) {
      if (auto* linear = std::get_if<LinearAttrs>(&node.attributes)) linear->scale *= 2;
    }
    graph.set_nodes(std::move(nodes));
    return graph;
  };
  parts.frozen = {};
  auto full = NewTrainer(config, true);
  ASSERT_OK_AND_ASSIGN(auto scaled, Trainer::Create(parts, config, PatternExamples(12)));
  EXPECT_EQ(scaled->Resume(full->state().progress).code(), StatusCode::kFailedPrecondition);
  TrainingProgress lying = progress;
  lying.updates = 7;
  EXPECT_EQ(NewTrainer(config)->Resume(lying).code(), StatusCode::kInvalidArgument);
}

TEST_F(TrainerTest, AConstantRateMayBeProlonged) {
  TrainConfig config = TinyConfig(2);
  config.schedule.decay = Decay::kConstant;
  auto trainer = NewTrainer(config);
  ASSERT_OK(trainer->Step());
  config.schedule.total_steps = 50;
  EXPECT_OK(NewTrainer(config)->Resume(trainer->state().progress));
}

TEST_F(TrainerTest, AnOverflowSkipsTheStepHalvesTheScaleAndNamesTheTensor) {
  TrainConfig config = TinyConfig(40);
  // So large that gradients leave f32; a few halvings bring them back.
  config.loss_scale = {.initial = 0x1p127, .maximum = 0x1p127};
  config.clip_norm = 0;
  model_.weights["head.weight"].f32()[0] = 900.0f;
  auto trainer = NewTrainer(config);
  const std::string before = BytesOf(*trainer);
  ASSERT_OK_AND_ASSIGN(StepReport report, trainer->Step());
  ASSERT_TRUE(report.skipped);
  EXPECT_EQ(report.loss_scale, 0x1p127);
  EXPECT_NE(report.reason.find("step 1: gradient of q.lora_"), std::string::npos) << report.reason;
  EXPECT_TRUE(BytesOf(*trainer) == before);
  EXPECT_EQ(trainer->state().progress.updates, 0);
  EXPECT_EQ(trainer->state().progress.loss_scale, 0x1p126);
  int skipped = 1;
  while (report.skipped) {
    ASSERT_OK_AND_ASSIGN(report, trainer->Step());
    skipped += report.skipped ? 1 : 0;
  }
  EXPECT_EQ(report.loss_scale, std::ldexp(1.0, 127 - skipped));
  EXPECT_EQ(trainer->state().progress.updates, 1);
  EXPECT_FALSE(BytesOf(*trainer) == before);
  for (float x : AsF32(trainer->state().Sections()[0].bytes)) EXPECT_TRUE(std::isfinite(x));
}

TEST_F(TrainerTest, APowerOfTwoScaleChangesNoBit) {
  TrainConfig plain = TinyConfig(5), scaled = TinyConfig(5);
  scaled.loss_scale.initial = 1024;
  auto a = NewTrainer(plain), b = NewTrainer(scaled);
  for (int i = 0; i < 5; ++i) {
    ASSERT_OK(a->Step());
    ASSERT_OK(b->Step());
  }
  EXPECT_TRUE(BytesOf(*a) == BytesOf(*b));
}

TEST_F(TrainerTest, DivergenceIsAnErrorAfterTheAllowedSkips) {
  TrainConfig config = TinyConfig(40);
  config.max_skips = 3;
  model_.weights["head.weight"].f32()[0] = std::nanf("");
  auto trainer = NewTrainer(config);
  ASSERT_OK(trainer->Step());
  ASSERT_OK(trainer->Step());
  const Status status = trainer->Step().status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("3 steps in a row were skipped"), std::string::npos);
}

TEST_F(TrainerTest, ClippingBoundsTheUpdate) {
  TrainConfig config = TinyConfig(1);
  config.optimizer = {.kind = OptimizerKind::kSgd, .momentum = 0};
  config.schedule.peak = 1.0;
  config.clip_norm = 0.01;
  auto trainer = NewTrainer(config, /*full=*/true);
  const std::string before = BytesOf(*trainer);
  ASSERT_OK_AND_ASSIGN(const StepReport report, trainer->Step());
  ASSERT_GT(report.gradient_norm, 0.01);
  double moved = 0;
  std::size_t at = 0;
  for (const NamedBytes& section : trainer->state().Sections()) {
    for (float x : AsF32(section.bytes)) {
      float old;
      std::memcpy(&old, before.data() + at, sizeof old);
      at += sizeof old;
      moved += (static_cast<double>(x) - old) * (static_cast<double>(x) - old);
    }
  }
  EXPECT_NEAR(std::sqrt(moved), 0.01, 1e-5);
}

TEST_F(TrainerTest, LoraPlusSpeedsUpBOnly) {
  TrainConfig config = TinyConfig(1);
  config.lora_plus_ratio = 16;
  auto trainer = NewTrainer(config);
  for (const Trainable& trainable : trainer->state().trainables()) {
    EXPECT_EQ(trainable.rate_factor, trainable.name.ends_with(".lora_B.weight") ? 16.0 : 1.0);
  }
}

TEST_F(TrainerTest, PreflightRefusesWithBothNumbersAndTakesWhatFits) {
  TrainConfig config = TinyConfig(5);
  config.sampler.packed = false;
  config.micro_batches = 2;
  ASSERT_OK_AND_ASSIGN(const MemoryEstimate estimate,
                       Trainer::Preflight(Parts(), config, PatternExamples(12)));
  EXPECT_GT(estimate.arena_bytes, 0);
  EXPECT_GT(estimate.state_bytes, 0);
  EXPECT_EQ(estimate.gradient_bytes * 3, estimate.state_bytes);
  EXPECT_EQ(estimate.recomputed, 0);

  config.memory_budget_bytes = estimate.private_bytes();
  EXPECT_OK(Trainer::Preflight(Parts(), config, PatternExamples(12)));
  config.memory_budget_bytes = estimate.state_bytes;
  const Status refused = Trainer::Create(Parts(), config, PatternExamples(12)).status();
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(refused.message().find(StrCat("the budget is ", estimate.state_bytes)),
            std::string::npos);
  EXPECT_NE(refused.message().find("training needs "), std::string::npos);

  config.memory_budget_bytes = estimate.private_bytes() + 1000;
  config.reserved_bytes = 1001;
  ASSERT_OK_AND_ASSIGN(const MemoryEstimate squeezed,
                       Trainer::Preflight(Parts(), config, PatternExamples(12)));
  EXPECT_LE(squeezed.private_bytes(), config.memory_budget_bytes);
  EXPECT_GT(squeezed.recomputed, 0);
}

TEST_F(TrainerTest, RefusesOptionsOutOfRange) {
  const auto refuses = [&](auto change) {
    TrainConfig config = TinyConfig(5);
    change(&config);
    return Trainer::Create(Parts(), config, PatternExamples(3)).status().code() ==
           StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refuses([](TrainConfig* c) { c->micro_batches = 0; }));
  EXPECT_TRUE(refuses([](TrainConfig* c) { c->clip_norm = -1; }));
  EXPECT_TRUE(refuses([](TrainConfig* c) { c->lora_plus_ratio = 0; }));
  EXPECT_TRUE(refuses([](TrainConfig* c) { c->schedule.total_steps = 0; }));
  EXPECT_TRUE(refuses([](TrainConfig* c) { c->sampler.batch = 0; }));
  EXPECT_TRUE(refuses([](TrainConfig* c) { c->sampler.lengths = {2}; }));
  EXPECT_TRUE(refuses([](TrainConfig* c) { c->loss_scale.initial = 3; }));
  EXPECT_FALSE(refuses([](TrainConfig*) {}));
}

TEST_F(TrainerTest, EvaluationIsTheLossOverAllLabelsWhateverTheLayout) {
  TrainConfig config = TinyConfig(1);
  config.sampler.lengths = {128};
  config.sampler.batch = 1;
  auto trainer = NewTrainer(config);
  ASSERT_OK_AND_ASSIGN(const StepReport expected, trainer->Step());
  auto fresh = NewTrainer(config);
  for (bool packed : {true, false}) {
    SamplerConfig layout = TinyConfig(1).sampler;
    layout.packed = packed;
    ASSERT_OK_AND_ASSIGN(auto evaluator,
                         Evaluator::Create(Parts(), layout, {}, PatternExamples(12)));
    ASSERT_OK(evaluator->BindAll(&fresh->state()));
    ASSERT_OK_AND_ASSIGN(const Evaluation evaluation, evaluator->Run());
    EXPECT_EQ(evaluation.labels, expected.labels);
    EXPECT_NEAR(evaluation.loss(), expected.loss, 1e-6);
    EXPECT_NEAR(evaluation.perplexity(), std::exp(expected.loss), 1e-4);
    int asked = 0;
    EXPECT_EQ(evaluator->Run([&] { return ++asked < 2; }).status().code(), StatusCode::kCancelled);
    EXPECT_EQ(evaluator->Run()->nats, evaluation.nats);
  }
}

// What the promotion gate resamples: example by example, in the order given.
TEST_F(TrainerTest, LossesOfSingleExamplesAddUpToTheEvaluation) {
  auto trainer = NewTrainer(TinyConfig(1));
  const std::vector<TrainingExample> examples = PatternExamples(12);
  ASSERT_OK_AND_ASSIGN(auto together,
                       Evaluator::Create(Parts(), TinyConfig(1).sampler, {}, examples));
  ASSERT_OK(together->BindAll(&trainer->state()));
  ASSERT_OK_AND_ASSIGN(const Evaluation expected, together->Run());

  SamplerConfig single = TinyConfig(1).sampler;
  single.packed = false;
  single.batch = 1;
  ASSERT_OK_AND_ASSIGN(auto evaluator, Evaluator::Create(Parts(), single, {}, examples));
  ASSERT_OK(evaluator->BindAll(&trainer->state()));
  ASSERT_OK_AND_ASSIGN(const auto each, evaluator->RunEach());
  ASSERT_EQ(each.size(), examples.size());
  Evaluation sum;
  for (std::size_t i = 0; i < each.size(); ++i) {
    EXPECT_EQ(each[i].labels, examples[i].labels()) << i;
    EXPECT_GT(each[i].nats, 0) << i;
    sum.nats += each[i].nats;
    sum.labels += each[i].labels;
  }
  EXPECT_EQ(sum.labels, expected.labels);
  EXPECT_NEAR(sum.nats, expected.nats, 1e-6 * expected.nats);
  std::size_t asked = 0;
  const auto twice = [&] { return ++asked <= 2; };
  EXPECT_EQ(evaluator->RunEach(twice).status().code(), StatusCode::kCancelled);
  EXPECT_EQ(asked, 3u);
}

TEST(MakeTrainingGraph, RefusesGraphsWithoutALossOrSomethingToTrain) {
  Graph empty;
  EXPECT_EQ(MakeTrainingGraph(&empty).message(), "the loss graph has no output called loss");
  auto frozen = TinyModel::Build({1, 4, false}, true);
  ASSERT_OK(frozen);
  for (std::size_t id = 0; id < frozen->values().size(); ++id) {
    frozen->set_trainable(static_cast<ValueId>(id), false);
  }
  EXPECT_EQ(MakeTrainingGraph(&*frozen).message(), "the loss graph has no trainable parameter");
}

}  // namespace
}  // namespace attune
