// What the driver holds and gives back: programs, surfaces, requests, files.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "ane/device/errors.h"
#include "ane/driver/staging.h"
#include "contract/ane_driver/driver_world.h"

namespace attune::ane::testing {
namespace {

// Of a program of its own.
std::vector<std::vector<std::byte>> ResultsOf(Device* device, const TestProgram& test,
                                              std::uint64_t seed) {
  auto program = device->Load(test.image);
  EXPECT_OK(program);
  if (!program.ok()) return {};
  Bench bench(device, program->get(), seed);
  EXPECT_OK(bench.bound());
  EXPECT_OK((*program)->Evaluate());
  return bench.Results();
}

TEST(AneDriverResources, CountsWhatItHolds) {
  for (const Route route : kRoutes) {
    SCOPED_TRACE(RouteName(route));
    DriverWorld world(route);
    auto device = world.Open();
    ASSERT_OK(device);
    {
      auto program = (*device)->Load(LoraLinear().image);
      ASSERT_OK(program);
      Bench bench(device->get(), program->get(), 1);
      ASSERT_OK(bench.bound());
      ASSERT_OK((*program)->Evaluate());
      const DeviceCounters counters = (*device)->counters();
      EXPECT_EQ(counters.compiles, 1);
      EXPECT_EQ(counters.loads, 1);
      EXPECT_EQ(counters.evaluations, 1);
      EXPECT_EQ(counters.programs, 1);
      EXPECT_EQ(counters.surfaces, 4);
      EXPECT_EQ(counters.surface_bytes, ane_standin_count().surface_bytes);
      EXPECT_EQ(ane_standin_count().descriptors, 0) << "a second copy of the weights is kept";
      EXPECT_EQ(ane_standin_count().requests, 1);
      EXPECT_TRUE(world.Files().empty()) << "a loaded program needs no files";
    }
    EXPECT_EQ((*device)->counters().unloads, 1);
    EXPECT_EQ((*device)->counters().surfaces, 0);
    world.ExpectNothingLeft();
  }
}

// Programs may outlive the device that loaded them.
TEST(AneDriverResources, AProgramWorksWithoutItsDevice) {
  DriverWorld world;
  auto device = world.Open();
  ASSERT_OK(device);
  auto program = (*device)->Load(LoraLinear().image);
  ASSERT_OK(program);
  Bench bench(device->get(), program->get(), 1);
  device->reset();
  EXPECT_OK((*program)->Evaluate());
}

// Every object of Foundation, not only those of the framework.
TEST(AneDriverResources, ObjectsStayFlatOverManyPrograms) {
  for (const Route route : kRoutes) {
    SCOPED_TRACE(RouteName(route));
    DriverWorld world(route, "m4", 27);
    const auto cycle = [&world] {
      auto device = world.Open();
      ASSERT_OK(device);
      for (const TestProgram& test : AllPrograms()) EXPECT_OK(RunOnce(device->get(), test));
      const TestProgram nonsense = {"nonsense", {"program(1.3) { nonsense }", {}}, {}, {}};
      EXPECT_FALSE(RunOnce(device->get(), nonsense).ok());
    };
    for (int i = 0; i < 3; ++i) cycle();  // What is made once and kept.
    const std::int64_t before = ane_standin_count().objects;
    for (int i = 0; i < 20; ++i) cycle();
    EXPECT_EQ(ane_standin_count().objects, before);
    EXPECT_GT(before, 0);
  }
}

TEST(AneDriverResources, RebindingChangesWhatIsReadAndWritten) {
  for (const Route route : kRoutes) {
    SCOPED_TRACE(RouteName(route));
    DriverWorld world(route);
    auto device = world.Open();
    ASSERT_OK(device);
    const auto two = ResultsOf(device->get(), LoraLinear(), 2);
    auto program = (*device)->Load(LoraLinear().image);
    ASSERT_OK(program);
    Bench first(device->get(), program->get(), 1);
    ASSERT_OK((*program)->Evaluate());
    const auto one = first.Results();
    EXPECT_NE(one, two);
    Bench second(device->get(), program->get(), 2);
    ASSERT_OK((*program)->Evaluate());
    EXPECT_EQ(second.Results(), two);
    EXPECT_EQ(first.Results(), one) << "surfaces that are no longer bound are left alone";
    ASSERT_OK(first.Bind());
    ASSERT_OK((*program)->Evaluate());
    EXPECT_EQ(first.Results(), one);
    EXPECT_EQ(ane_standin_count().requests, 1);
  }
}

TEST(AneDriverResources, AProgramIsNotRunUnbound) {
  DriverWorld world;
  auto device = world.Open();
  ASSERT_OK(device);
  auto program = (*device)->Load(LoraLinear().image);
  ASSERT_OK(program);
  EXPECT_EQ((*program)->Evaluate().code(), StatusCode::kFailedPrecondition);
}

TEST(AneDriverResources, SurfacesOfTheWrongSizeOrNumberAreRefusedAndTheOldOnesStayBound) {
  for (const Route route : kRoutes) {
    SCOPED_TRACE(RouteName(route));
    DriverWorld world(route);
    auto device = world.Open();
    ASSERT_OK(device);
    auto program = (*device)->Load(LoraLinear().image);
    ASSERT_OK(program);
    Bench bench(device->get(), program->get(), 1);
    auto small = (*device)->Allocate((*program)->inputs()[1].bytes() - 1);
    ASSERT_OK(small);
    std::vector<std::unique_ptr<Surface>>& in = bench.inputs();
    Surface* const out[] = {bench.outputs()[0].get()};
    Surface* const too_small[] = {in[0].get(), small->get(), in[2].get()};
    const Status refused = (*program)->Bind(too_small, out);
    EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(refused.message().find("'B'"), std::string::npos) << refused.message();
    Surface* const too_few[] = {in[0].get(), in[1].get()};
    EXPECT_EQ((*program)->Bind(too_few, out).code(), StatusCode::kInvalidArgument);
    EXPECT_OK((*program)->Evaluate());
    // Larger than needed is fine.
    auto large = (*device)->Allocate((*program)->inputs()[1].bytes() + 65536);
    ASSERT_OK(large);
    Surface* const oversized[] = {in[0].get(), large->get(), in[2].get()};
    ASSERT_OK((*program)->Bind(oversized, out));
    EXPECT_OK((*program)->Evaluate());
    for (const std::int64_t bytes : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 60}) {
      EXPECT_EQ((*device)->Allocate(bytes).status().code(), StatusCode::kInvalidArgument);
    }
  }
}

TEST(AneDriverResources, SurfacesBeginAsZeros) {
  DriverWorld world;
  auto device = world.Open();
  ASSERT_OK(device);
  auto surface = (*device)->Allocate(1000);
  ASSERT_OK(surface);
  EXPECT_EQ((*surface)->bytes(), 1000);
  auto bytes = (*surface)->Lock(true);
  ASSERT_OK(bytes);
  for (const std::byte byte : *bytes) ASSERT_EQ(byte, std::byte{0});
  (*surface)->Unlock();
}

TEST(AneDriverResources, The128thProgramIsRefusedAndFitsOnceAnotherIsUnloaded) {
  for (const Route route : kRoutes) {
    for (const int os : {26, 27}) {
      SCOPED_TRACE(StrCat(RouteName(route), ", macOS ", os));
      DriverWorld world(route, "m4", os);
      auto device = world.Open();
      ASSERT_OK(device);
      std::vector<std::unique_ptr<DeviceProgram>> programs;
      for (int i = 0; i < 127; ++i) {
        auto program = (*device)->Load(Numbered(i).image);
        ASSERT_OK(program);
        programs.push_back(*std::move(program));
      }
      const Status refused = (*device)->Load(Numbered(127).image).status();
      EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted) << refused.ToString();
      EXPECT_EQ((*device)->counters().programs, 127);
      EXPECT_TRUE(world.Files().empty());
      programs.erase(programs.begin() + 50);
      EXPECT_OK((*device)->Load(Numbered(127).image));
    }
  }
}

// Runs `body` in a child, which is to be killed.
template <typename Body>
void ExpectKilled(Body body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    body();
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
}

TEST(AneDriverResources, AKillLeavesAtMostOneStagedProgramWhichTheNextOpenRemoves) {
  for (const Route route : kRoutes) {
    for (const Stage stage : {Stage::kCompile, Stage::kLoad, Stage::kEvaluate}) {
      SCOPED_TRACE(StrCat(RouteName(route), ", ", StageName(stage)));
      DriverWorld world(route);
      ExpectKilled([&] {
        auto device = world.Open();
        if (!device.ok() || !RunOnce(device->get(), TwoOutputs()).ok()) _exit(1);
        // What another process left in the lock does not mix with what is written now.
        std::ofstream(world.directory / "attune-ane.staging") << std::string(500, '-');
        ane_standin_kill(static_cast<int>(stage));
        RunOnce(device->get(), LoraLinear()).Ignore();
      });
      int directories = 0;
      for (const std::string& name : world.Files()) {
        directories += std::filesystem::is_directory(world.directory / name) ? 1 : 0;
      }
      EXPECT_EQ(directories, stage == Stage::kEvaluate ? 0 : 1);
      auto device = world.Open();
      ASSERT_OK(device);
      EXPECT_TRUE(world.Files().empty());
      EXPECT_OK(RunOnce(device->get(), LoraLinear()));
    }
  }
}

// Only what a lock file names is removed, and only if that is an identity.
TEST(AneDriverResources, OpeningRemovesNothingElse) {
  DriverWorld world;
  const std::string neighbour = std::string(64, 'a') + "_" + std::string(64, 'b');
  std::filesystem::create_directories(world.directory / neighbour);
  std::filesystem::create_directories(world.directory / "documents");
  std::ofstream(world.directory / "attune-ane.staging") << "../documents";
  ASSERT_OK(world.Open());
  std::ofstream(world.directory / "attune-ane.staging") << "documents";
  ASSERT_OK(world.Open());
  EXPECT_TRUE(std::filesystem::exists(world.directory / neighbour));
  EXPECT_TRUE(std::filesystem::exists(world.directory / "documents"));
  std::filesystem::remove(world.directory / neighbour);
  std::filesystem::remove(world.directory / "documents");
}

TEST(AneDriverResources, StaleFilesOfAnotherFormAreRemovedBeforeCompiling) {
  DriverWorld world;
  auto device = world.Open();
  ASSERT_OK(device);
  // A killed load shows which directory it is.
  ExpectKilled([&] {
    ane_standin_kill(ANE_STANDIN_COMPILE);
    RunOnce(device->get(), LoraLinear()).Ignore();
  });
  for (const std::string& name : world.Files()) {
    if (!std::filesystem::is_directory(world.directory / name)) {
      std::filesystem::remove(world.directory / name);  // Nobody knows of it any more.
      continue;
    }
    std::ofstream(world.directory / (name + "/model.espresso.net")) << "{}";
  }
  EXPECT_OK(RunOnce(device->get(), LoraLinear()));
}

TEST(AneDriverResources, AStagingDirectoryThatCannotBeWrittenIsAnError) {
  DriverWorld world(Route::kClient);
  world.options.staging_directory = world.directory / "missing";
  EXPECT_EQ(world.Open().status().code(), StatusCode::kIoError);
  world.options.staging_directory = world.directory.path();
  EXPECT_OK(world.Open());
}

// Two processes on one root: the second waits for the first, and gives up in time.
TEST(AneDriverResources, AProgramIsNotStagedWhileAnotherProcessDoes) {
  DriverWorld world;
  auto device = world.Open();
  ASSERT_OK(device);
  int ready[2], done[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto area = StagingArea::Open(world.directory.path(), &world.clock);
    auto staged = area->Stage(std::string(64, 'c'), "text", {});
    const char byte = staged.ok() ? 'y' : 'n';
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    char ignored;
    close(done[1]);
    if (read(done[0], &ignored, 1) != 0) _exit(1);
    _exit(0);
  }
  char byte = 'n';
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  const Status busy = RunOnce(device->get(), LoraLinear());
  EXPECT_EQ(busy.code(), StatusCode::kUnavailable) << busy.ToString();
  EXPECT_NEAR(world.clock.slept, 30, 0.2);
  close(done[1]);
  close(done[0]);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  close(ready[0]);
  close(ready[1]);
  EXPECT_OK(RunOnce(device->get(), LoraLinear()));
}

}  // namespace
}  // namespace attune::ane::testing
