#include "session/training_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/strings.h"
#include "support/memory_file_system.h"
#include "support/status_matchers.h"
#include "unit/train/tiny_model.h"

namespace attune {
namespace {

using ::testing::HasSubstr;

class TrainingCheckpointTest : public ::testing::Test {
 protected:
  TrainingCheckpointTest() : saved_(NewTrainer()) {
    for (int i = 0; i < 7; ++i) {
      auto step = saved_->Step();
      EXPECT_OK(step);
      curve_.training.push_back({step->step, step->loss});
    }
    curve_.held_out = {{0, 2.5}, {5, 2.25}};
    parts_ = PartsOfState("base", saved_->state(), curve_);
  }

  std::unique_ptr<Trainer> NewTrainer() {
    auto trainer = Trainer::Create(model_.Parts(backend_.get(), &serial_, &clock_),
                                   testing::TinyConfig(20), testing::PatternExamples(12));
    EXPECT_OK(trainer);
    InitializeLora(&(*trainer)->state(), 5);
    return *std::move(trainer);
  }
  static std::string BytesOf(Trainer& trainer) {
    std::string bytes;
    for (const NamedBytes& section : trainer.state().Sections()) {
      bytes.append(reinterpret_cast<const char*>(section.bytes.data()), section.bytes.size());
    }
    return bytes;
  }
  // Restoring this fails, and the trainer goes on as if nothing had been tried.
  std::string Refused(const StateParts& parts, StatusCode code, std::string_view base = "base") {
    auto trainer = NewTrainer(), untouched = NewTrainer();
    for (int i = 0; i < 2; ++i) {
      EXPECT_OK(trainer->Step());
      EXPECT_OK(untouched->Step());
    }
    LossCurve curve{{{1, 1.0}}, {}};
    const Status status = RestoreState(parts, base, trainer.get(), &curve);
    EXPECT_EQ(status.code(), code) << status.ToString();
    EXPECT_EQ(curve.training.size(), 1u);
    EXPECT_TRUE(curve.held_out.empty());
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(trainer->state().progress, untouched->state().progress);
      EXPECT_TRUE(BytesOf(*trainer) == BytesOf(*untouched));
      EXPECT_OK(trainer->Step());
      EXPECT_OK(untouched->Step());
    }
    return status.message();
  }

  testing::TinyModel model_;
  std::unique_ptr<Backend> backend_ = MakeReferenceBackend();
  SerialParallel serial_;
  testing::StillClock clock_;
  std::unique_ptr<Trainer> saved_;
  LossCurve curve_;
  StateParts parts_;
};

TEST_F(TrainingCheckpointTest, WhatIsRestoredGoesOnInTheSameBytes) {
  auto trainer = NewTrainer();
  LossCurve curve;
  ASSERT_OK(RestoreState(parts_, "base", trainer.get(), &curve));
  ASSERT_EQ(curve.training.size(), 7u);
  EXPECT_EQ(curve.training[6].loss, curve_.training[6].loss);
  ASSERT_EQ(curve.held_out.size(), 2u);
  EXPECT_EQ(curve.held_out[1].step, 5);
  while (trainer->remaining_steps() > 0) {
    EXPECT_OK(trainer->Step());
    EXPECT_OK(saved_->Step());
  }
  EXPECT_EQ(trainer->state().progress, saved_->state().progress);
  EXPECT_TRUE(BytesOf(*trainer) == BytesOf(*saved_));
}

TEST_F(TrainingCheckpointTest, AFileHoldsTheSame) {
  testing::MemoryFileSystem files;
  TrainingStateFile file(files, "state", 0x1234);
  EXPECT_FALSE(file.exists());
  ASSERT_OK(file.Save(saved_->state(), curve_));
  EXPECT_TRUE(file.exists());
  auto trainer = NewTrainer();
  LossCurve curve;
  ASSERT_OK(file.Load(trainer.get(), &curve));
  EXPECT_TRUE(BytesOf(*trainer) == BytesOf(*saved_));
  EXPECT_EQ(trainer->state().progress, saved_->state().progress);
  EXPECT_EQ(curve.training.size(), 7u);
  TrainingStateFile other(files, "state", 0x1235);
  EXPECT_EQ(other.Load(trainer.get(), &curve).code(), StatusCode::kFailedPrecondition);
}

// Every section, the last one too: none is copied before all are looked at.
TEST_F(TrainingCheckpointTest, ADamagedSectionAnywhereLeavesTheTrainerAsItWas) {
  ASSERT_EQ(parts_.sections.size(), 2u + 3 * 4);
  for (std::size_t i = 0; i < parts_.sections.size(); ++i) {
    SCOPED_TRACE(parts_.sections[i].name);
    StateParts damaged{parts_.fields, parts_.sections, {}};
    damaged.sections[i].name += "x";
    Refused(damaged, StatusCode::kDataLoss);
    damaged = {parts_.fields, parts_.sections, {}};
    damaged.sections[i].view.dtype = DType::kI32;
    EXPECT_THAT(Refused(damaged, StatusCode::kDataLoss), HasSubstr("must be f"));
    damaged = {parts_.fields, parts_.sections, {}};
    damaged.sections[i].view.shape = {1, 1};
    EXPECT_THAT(Refused(damaged, StatusCode::kDataLoss), HasSubstr("must be f"));
    damaged = {parts_.fields, parts_.sections, {}};
    damaged.sections.erase(damaged.sections.begin() + static_cast<std::ptrdiff_t>(i));
    Refused(damaged, StatusCode::kDataLoss);
  }
}

TEST_F(TrainingCheckpointTest, ADamagedFieldLeavesTheTrainerAsItWas) {
  const auto with = [&](const char* key, const char* value) {
    StateParts parts{parts_.fields, parts_.sections, {}};
    parts.fields[key] = value;
    return parts;
  };
  for (const auto& [key, value] : parts_.fields) {
    if (key == "format") continue;
    SCOPED_TRACE(key);
    StateParts parts{parts_.fields, parts_.sections, {}};
    parts.fields.erase(key);
    EXPECT_THAT(Refused(parts, StatusCode::kDataLoss), HasSubstr(key));
  }
  for (const char* value : {"", "x", "1x", "-1", "9007199254740993", "99999999999999999999"}) {
    EXPECT_THAT(Refused(with("tokens", value), StatusCode::kDataLoss), HasSubstr("tokens"));
  }
  EXPECT_THAT(Refused(with("version", "2"), StatusCode::kUnsupported), HasSubstr("reads 1"));
  Refused(with("fingerprint", "12"), StatusCode::kFailedPrecondition);
  Refused(parts_, StatusCode::kFailedPrecondition, "other");
  // Found by the sampler, after the loss scale was looked at.
  Refused(with("position", "1000000"), StatusCode::kInvalidArgument);
  Refused(with("loss_scale", "3"), StatusCode::kInvalidArgument);
  Refused(with("updates", "8"), StatusCode::kInvalidArgument);
}

TEST_F(TrainingCheckpointTest, ACurveOfImpossibleStepsIsRefused) {
  for (const double step : {-1.0, 1e300, std::numeric_limits<double>::quiet_NaN()}) {
    Tensor curve(DType::kF64, {1, 2});
    std::memcpy(curve.data(), &step, sizeof step);
    StateParts parts{parts_.fields, parts_.sections, {}};
    parts.sections[0].view = curve.view();
    EXPECT_THAT(Refused(parts, StatusCode::kDataLoss), HasSubstr("curve.training: step"));
  }
}

TEST(Hex, WritesTwoDigitsAByteAndSixteenANumber) {
  const std::byte bytes[] = {std::byte{0}, std::byte{0xa5}, std::byte{0xff}};
  EXPECT_EQ(HexOf(bytes), "00a5ff");
  EXPECT_EQ(HexOf(std::uint64_t{0xa5}), "00000000000000a5");
}

}  // namespace
}  // namespace attune
