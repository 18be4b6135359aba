// Programs by what is in them, and what happens when there are too many.

#include "ane/runtime/program_cache.h"

#include <gtest/gtest.h>

#include "support/status_matchers.h"
#include "unit/ane/runtime/fake_device.h"

namespace attune::ane {
namespace {

using testing::FakeDevice;

ProgramImage Doubling(const std::string& comment, std::size_t weight_bytes = 0) {
  return {"# " + comment + "\nin s0 4 32\nout s1 4 32\ndouble s0 s1\n",
          std::vector<std::byte>(weight_bytes)};
}

// Programs over surfaces of their own.
class CacheUser {
 public:
  CacheUser(FakeDevice* device, ProgramCache* cache) : cache_(cache) {
    Plan plan;
    plan.surfaces = {{"x", 4, 32}, {"y", 4, 32}};
    plan.slots = {0, 1};
    plan.slot_elements = {128, 128};
    auto surfaces = SurfaceSet::Allocate(*device, plan);
    EXPECT_OK(surfaces);
    surfaces_ = *surfaces;
  }
  ~CacheUser() {
    for (const ProgramUse& use : uses_) cache_->Release(use.cached);
  }

  Status Add(const ProgramImage& image) {
    ProgramUse use;
    ATTUNE_ASSIGN_OR_RETURN(use.cached, cache_->Acquire(image));
    use.surfaces = surfaces_;
    use.inputs = {surfaces_->slot(0)};
    use.outputs = {surfaces_->slot(1)};
    use.image = [image]() -> Result<ProgramImage> { return image; };
    uses_.push_back(std::move(use));
    return OkStatus();
  }
  // 2 x, as the program computes it.
  Result<float> Run(std::size_t program, float x) {
    {
      ATTUNE_ASSIGN_OR_RETURN(const LockedSurface in, surfaces_->Lock(0, false));
      WriteElement(x, surfaces_->layout(0), 1, 2, in.data());
    }
    ATTUNE_RETURN_IF_ERROR(cache_->Evaluate(&uses_[program]));
    ATTUNE_ASSIGN_OR_RETURN(const LockedSurface out, surfaces_->Lock(1, true));
    return ReadElement(out.data(), surfaces_->layout(1), 1, 2);
  }

 private:
  ProgramCache* cache_;
  std::shared_ptr<SurfaceSet> surfaces_;
  std::vector<ProgramUse> uses_;
};

void ExpectDoubles(CacheUser* user, std::size_t program, float x) {
  ASSERT_OK_AND_ASSIGN(const float y, user->Run(program, x));
  EXPECT_EQ(y, 2 * x);
}

TEST(ProgramCache, EqualProgramsAreLoadedOnceAndReadTheirUsersSurfaces) {
  FakeDevice device;
  ProgramCache cache(device, {});
  CacheUser one(&device, &cache), two(&device, &cache);
  ASSERT_OK(one.Add(Doubling("same")));
  ASSERT_OK(two.Add(Doubling("same")));
  EXPECT_EQ(device.counters().loads, 1);
  EXPECT_EQ(cache.hits(), 1);
  ExpectDoubles(&one, 0, 3);
  ExpectDoubles(&two, 0, 5);
  ExpectDoubles(&one, 0, 7);
  EXPECT_EQ(device.counters().loads, 1);
}

TEST(ProgramCache, OtherWeightsAreAnotherProgram) {
  FakeDevice device;
  ProgramCache cache(device, {});
  CacheUser user(&device, &cache);
  ASSERT_OK(user.Add(Doubling("same", 64)));
  ASSERT_OK(user.Add(Doubling("same", 128)));
  EXPECT_EQ(device.counters().loads, 2);
  EXPECT_EQ(cache.hits(), 0);
}

TEST(ProgramCache, TheLastUserUnloads) {
  FakeDevice device;
  ProgramCache cache(device, {});
  auto one = std::make_unique<CacheUser>(&device, &cache);
  auto two = std::make_unique<CacheUser>(&device, &cache);
  ASSERT_OK(one->Add(Doubling("same")));
  ASSERT_OK(two->Add(Doubling("same")));
  ExpectDoubles(one.get(), 0, 1);
  one.reset();
  EXPECT_EQ(device.counters().programs, 1);
  ExpectDoubles(two.get(), 0, 2);
  two.reset();
  EXPECT_EQ(device.counters().programs, 0);
  EXPECT_EQ(device.counters().surfaces, 0) << "a program kept surfaces alive";
}

TEST(ProgramCache, AtTheLimitTheOneThatRanLongestAgoGoesAndComesBackWhenNeeded) {
  FakeDevice device;
  ProgramCache cache(device, {.programs = 2});
  CacheUser user(&device, &cache);
  for (const char* name : {"a", "b", "c"}) ASSERT_OK(user.Add(Doubling(name)));
  EXPECT_EQ(device.counters().programs, 2);
  EXPECT_EQ(cache.evictions(), 1);
  ExpectDoubles(&user, 1, 4);  // b is there still.
  EXPECT_EQ(device.counters().loads, 3);
  ExpectDoubles(&user, 0, 4);  // a is not: c goes, for b ran later.
  EXPECT_EQ(device.counters().loads, 4);
  ExpectDoubles(&user, 1, 5);
  EXPECT_EQ(device.counters().loads, 4);
  EXPECT_EQ(cache.evictions(), 2);
  EXPECT_EQ(device.counters().programs, 2);
}

TEST(ProgramCache, WeightsStayWithinTheirBytes) {
  FakeDevice device;
  ProgramCache cache(device, {.bytes = 250});
  CacheUser user(&device, &cache);
  ASSERT_OK(user.Add(Doubling("a", 100)));
  ASSERT_OK(user.Add(Doubling("b", 100)));
  EXPECT_EQ(cache.evictions(), 0);
  ASSERT_OK(user.Add(Doubling("c", 100)));
  EXPECT_EQ(cache.evictions(), 1);
  ASSERT_OK(user.Add(Doubling("larger than all", 1000)));
  EXPECT_EQ(device.counters().programs, 1);
  ExpectDoubles(&user, 3, 1);
}

TEST(ProgramCache, AFullMachineIsMadeRoomOn) {
  FakeDevice device;
  device.max_programs = 2;  // Others have the rest.
  ProgramCache cache(device, {});
  CacheUser user(&device, &cache);
  for (const char* name : {"a", "b", "c"}) ASSERT_OK(user.Add(Doubling(name)));
  EXPECT_EQ(cache.evictions(), 1);
  ExpectDoubles(&user, 0, 1);

  FakeDevice taken;
  taken.max_programs = 0;
  ProgramCache none(taken, {});
  CacheUser refused(&taken, &none);
  EXPECT_EQ(refused.Add(Doubling("a")).code(), StatusCode::kResourceExhausted);
}

// Stands still but for being slept on, and tells how.
class SleepLog final : public Clock {
 public:
  double MonotonicSeconds() override { return 0; }
  std::int64_t UnixSeconds() override { return 0; }
  std::int32_t UtcOffsetSeconds(std::int64_t) override { return 0; }
  double ProcessCpuSeconds() override { return 0; }
  void Sleep(double seconds) override {
    sleeps.push_back(seconds);
    on_sleep(sleeps.size());
  }
  std::vector<double> sleeps;
  std::function<void(std::size_t)> on_sleep = [](std::size_t) {};
};

TEST(ProgramCache, WhatOthersHoldIsWaitedForOnceNothingOfOursIsLeft) {
  FakeDevice device;
  device.max_programs = 1;
  SleepLog clock;
  ProgramCache cache(device, {.clock = &clock, .first_pause_seconds = 0.5, .pauses = 3});
  CacheUser user(&device, &cache);
  ASSERT_OK(user.Add(Doubling("a")));
  device.max_programs = 0;
  clock.on_sleep = [&](std::size_t count) { device.max_programs = count < 2 ? 0 : 1; };
  ASSERT_OK(user.Add(Doubling("b")));
  EXPECT_EQ(cache.evictions(), 1) << "ours go before anybody waits";
  EXPECT_EQ(clock.sleeps, (std::vector<double>{0.5, 1}));

  device.max_programs = 0;
  clock.on_sleep = [](std::size_t) {};
  clock.sleeps.clear();
  EXPECT_EQ(user.Add(Doubling("c")).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(clock.sleeps, (std::vector<double>{0.5, 1, 2}));
}

TEST(ProgramCache, AnEvaluationWaitsLikewiseAndNoLonger) {
  FakeDevice device;
  SleepLog clock;
  ProgramCache cache(device, {.clock = &clock, .first_pause_seconds = 0.5, .pauses = 2});
  CacheUser user(&device, &cache);
  ASSERT_OK(user.Add(Doubling("a")));
  const Status full = ResourceExhausted("0x5");
  device.evaluate_errors = {full, full};
  ExpectDoubles(&user, 0, 3);
  EXPECT_EQ(clock.sleeps, (std::vector<double>{0.5, 1}));
  device.evaluate_errors = {full, full, full};
  EXPECT_EQ(user.Run(0, 1).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(clock.sleeps.size(), 4u);
  ExpectDoubles(&user, 0, 4);
}

TEST(ProgramCache, AnInterruptedProgramIsLoadedAnewAndRunAgain) {
  FakeDevice device;
  ProgramCache cache(device, {});
  CacheUser user(&device, &cache);
  ASSERT_OK(user.Add(Doubling("a")));
  device.evaluate_errors = {Unavailable("busy")};
  ExpectDoubles(&user, 0, 1);
  EXPECT_EQ(device.counters().loads, 2);

  device.evaluate_errors = {Unavailable("1"), Unavailable("2"), Unavailable("3")};
  EXPECT_EQ(user.Run(0, 1).status().code(), StatusCode::kUnavailable);
  ExpectDoubles(&user, 0, 2);
}

TEST(ProgramCache, ARefusalIsNotTriedAgain) {
  FakeDevice device;
  ProgramCache cache(device, {});
  CacheUser user(&device, &cache);
  device.load_errors = {InvalidArgument("rule 7")};
  EXPECT_EQ(user.Add(Doubling("a")).code(), StatusCode::kInvalidArgument);
  ASSERT_OK(user.Add(Doubling("a")));
  device.evaluate_errors = {Internal("0x1d")};
  EXPECT_EQ(user.Run(0, 1).status().message(), "0x1d");
  EXPECT_EQ(device.counters().loads, 1);
  ExpectDoubles(&user, 0, 2);
}

}  // namespace
}  // namespace attune::ane
