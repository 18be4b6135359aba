// Every failure that is documented, at every stage: the right Status with the right
// advice, recovered where that is possible, and nothing left behind.

#include <gtest/gtest.h>

#include <cstdio>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "ane/device/errors.h"
#include "contract/ane_driver/driver_world.h"

namespace attune::ane::testing {
namespace {

constexpr char kDomain[] = "com.apple.appleneuralengine";
constexpr char kCompiler[] = "com.apple.appleneuralengine.compiler";

struct Failure {
  const char* name;
  Stage stage;
  const char* domain;
  std::int64_t code;
  std::uint32_t status;
  const char* text;
  StatusCode expected;
  Remedy remedy;
};

// Texts and codes as the framework gives them.
constexpr Failure kFailures[] = {
    {"refused text", Stage::kCompile, kCompiler, 1, 0,
     "_ANECompiler : ANECCompile() FAILED: err=(InvalidMILProgram)", StatusCode::kInvalidArgument,
     Remedy::kDefect},
    {"refused op", Stage::kCompile, kCompiler, 1, 0,
     "_ANECompiler : ANECCompile() FAILED: err=(CompilationFailure)", StatusCode::kInvalidArgument,
     Remedy::kDefect},
    {"wrong hashes", Stage::kCompile, kDomain, 10, 0, "verifyBundleAtPath: invalid model",
     StatusCode::kInternal, Remedy::kDefect},
    {"no access to files", Stage::kCompile, kDomain, 9, 0, "File access error",
     StatusCode::kUnsupported, Remedy::kFallback},
    {"compiler timed out", Stage::kCompile, kDomain, 3, 0, "Timed out", StatusCode::kUnavailable,
     Remedy::kRetry},
    {"entitlement", Stage::kLoad, kDomain, 1, 0, "Entitlement needed", StatusCode::kUnsupported,
     Remedy::kFallback},
    {"not created", Stage::kLoad, kDomain, 4, 0, "Program creation failure", StatusCode::kInternal,
     Remedy::kDefect},
    {"too many programs", Stage::kLoad, kDomain, 6, 0x50004, "Program load failure (0x50004)",
     StatusCode::kResourceExhausted, Remedy::kEvict},
    {"bank over the window", Stage::kLoad, kDomain, 6, 0x20004, "Program load failure (0x20004)",
     StatusCode::kResourceExhausted, Remedy::kSplit},
    {"graph too large", Stage::kLoad, kDomain, 6, 0x10004, "Program load failure (0x10004)",
     StatusCode::kResourceExhausted, Remedy::kSplit},
    {"no resources", Stage::kLoad, kDomain, 54, 0x5, "no ANE resources (transient; retry)",
     StatusCode::kResourceExhausted, Remedy::kEvict},
    {"unsigned", Stage::kLoad, kDomain, 6, 0xe00002e2, "Program load failure (0xe00002e2)",
     StatusCode::kUnsupported, Remedy::kFallback},
    {"load timed out", Stage::kLoad, kDomain, 3, 0, "Timed out", StatusCode::kUnavailable,
     Remedy::kRetry},
    {"misbound", Stage::kEvaluate, kDomain, 8, 0x1d,
     "ANEProgramProcessRequestDirect() Failed with status=0x1d : statusType=0x9: Program "
     "Inference error",
     StatusCode::kInternal, Remedy::kDefect},
    {"wrong symbols", Stage::kEvaluate, kDomain, 8, 0x2,
     "ANEProgramProcessRequestDirect() Failed with status=0x2 : statusType=0x9: Program "
     "Inference error",
     StatusCode::kInternal, Remedy::kDefect},
    {"generic runtime failure", Stage::kEvaluate, kDomain, 8, 0x16,
     "ANEProgramProcessRequestDirect() Failed with status=0x16 : statusType=0x9: Program "
     "Inference error",
     StatusCode::kUnavailable, Remedy::kRetry},
    {"overflow", Stage::kEvaluate, kDomain, 5, 0, "Program inference overflow",
     StatusCode::kInternal, Remedy::kDefect},
    {"too small a surface", Stage::kEvaluate, kDomain, 42, 0,
     "IOSurface smaller than the model expects (re-check inputBufferSize/outputBufferSize from "
     "the load reply)",
     StatusCode::kInternal, Remedy::kDefect},
    {"surfaces not mapped", Stage::kEvaluate, kDomain, 13, 0x1d, "IOSurfaces map failure (0x1D)",
     StatusCode::kResourceExhausted, Remedy::kEvict},
    {"program gone", Stage::kEvaluate, kDomain, 23, 0, "Program not found", StatusCode::kInternal,
     Remedy::kDefect},
    {"watchdog", Stage::kEvaluate, kDomain, 47, 0, "watchdog, tile descriptors exhausted",
     StatusCode::kResourceExhausted, Remedy::kSplit},
    {"preempted", Stage::kEvaluate, kDomain, 8, 0, "request preempted (retry)",
     StatusCode::kUnavailable, Remedy::kRetry},
    {"evaluation timed out", Stage::kEvaluate, kDomain, 3, 0, "Timed out", StatusCode::kUnavailable,
     Remedy::kRetry},
    {"unheard of", Stage::kEvaluate, kDomain, 99, 0, "something new", StatusCode::kInternal,
     Remedy::kFallback},
    {"without an error object", Stage::kEvaluate, "", 0, 0, "", StatusCode::kInternal,
     Remedy::kFallback},
};

void Inject(const Failure& failure, std::int64_t times) {
  ane_standin_inject(static_cast<int>(failure.stage), failure.domain, failure.code, failure.status,
                     failure.text, 0, times);
}

// Runs `body` for every failure, route and system, in a world of its own.
template <typename Body>
int ForEveryFailure(Body body) {
  int runs = 0;
  for (const Failure& failure : kFailures) {
    for (const Route route : kRoutes) {
      for (const int os : {15, 26, 27}) {
        SCOPED_TRACE(StrCat(failure.name, ", ", RouteName(route), ", macOS ", os));
        DriverWorld world(route, "m4", os);
        auto device = world.Open();
        EXPECT_OK(device);
        if (!device.ok()) return runs;
        body(failure, &world, device->get());
        device->reset();
        world.ExpectNothingLeft();
        ++runs;
      }
    }
  }
  return runs;
}

TEST(AneDriverFailures, EveryDocumentedFailureThatLastsBecomesItsStatusAndLeavesNothing) {
  const int runs = ForEveryFailure([](const Failure& failure, DriverWorld* world, Device* device) {
    constexpr std::int64_t kAlways = 1000;
    Inject(failure, kAlways);
    const Status status = RunOnce(device, LoraLinear());
    EXPECT_EQ(status.code(), failure.expected) << status.ToString();
    const DeviceError error = {failure.stage, failure.domain, failure.code, failure.status,
                               failure.text};
    EXPECT_EQ(RemedyOf(error), failure.remedy);
    EXPECT_NE(status.message().find(StageName(failure.stage)), std::string::npos)
        << status.message();
    EXPECT_NE(status.message().find(StrCat("code ", failure.code)), std::string::npos)
        << status.message();
    EXPECT_NE(status.message().find(failure.text), std::string::npos) << status.message();
    // Patience for what may pass, none for what does not.
    const bool retried = failure.remedy == Remedy::kRetry;
    EXPECT_EQ(device->counters().retries, retried ? world->options.retries : 0);
    EXPECT_EQ(world->clock.sleeps, retried ? 3 : 0);
    EXPECT_DOUBLE_EQ(world->clock.slept, retried ? 0.1 + 0.2 + 0.4 : 0);
    EXPECT_EQ(device->counters().programs, 0);
    EXPECT_EQ(device->counters().surfaces, 0);
    EXPECT_EQ(device->counters().surface_bytes, 0);
    world->ExpectNothingLeft();
  });
  std::printf("%d runs with a failure that lasts\n", runs);
  EXPECT_EQ(runs, static_cast<int>(std::size(kFailures)) * 2 * 3);
}

TEST(AneDriverFailures, WhatPassesIsRecoveredFromAndTheNextCallWorksAfterAnything) {
  const int runs = ForEveryFailure([](const Failure& failure, DriverWorld* world, Device* device) {
    Inject(failure, 1);
    const Status first = RunOnce(device, LoraLinear());
    if (failure.remedy == Remedy::kRetry) {
      EXPECT_OK(first);
      EXPECT_EQ(device->counters().retries, 1);
    } else {
      EXPECT_EQ(first.code(), failure.expected);
    }
    world->ExpectNothingLeft();
    EXPECT_OK(RunOnce(device, LoraLinear()));
  });
  EXPECT_GT(runs, 0);
}

// One failure at each call in turn: loading, running and unloading three programs.
TEST(AneDriverFailures, AFailureAtAnyCallLeavesNothing) {
  int struck = 0;
  for (const Route route : kRoutes) {
    for (const Stage stage : {Stage::kDescribe, Stage::kCompile, Stage::kLoad, Stage::kMap,
                              Stage::kEvaluate, Stage::kUnload}) {
      for (std::int64_t after = 0; after < 4; ++after) {
        SCOPED_TRACE(StrCat(RouteName(route), ", ", StageName(stage), " after ", after));
        DriverWorld world(route);
        auto device = world.Open();
        ASSERT_OK(device);
        ane_standin_inject(static_cast<int>(stage), kDomain, 8, 0, "planned", after, 1);
        for (const TestProgram& test : {LoraLinear(), TwoOutputs(), ManyWeights()}) {
          if (!RunOnce(device->get(), test).ok()) ++struck;
        }
        device->reset();
        if (stage != Stage::kUnload) world.ExpectNothingLeft();
        world.Configure();
      }
    }
  }
  std::printf("%d calls failed\n", struck);
  EXPECT_GT(struck, 20);
}

TEST(AneDriverFailures, AnExceptionAtAnyStageIsAnError) {
  for (const Route route : kRoutes) {
    for (const Stage stage :
         {Stage::kDescribe, Stage::kCompile, Stage::kLoad, Stage::kMap, Stage::kEvaluate}) {
      SCOPED_TRACE(StrCat(RouteName(route), ", ", StageName(stage)));
      DriverWorld world(route);
      auto device = world.Open();
      ASSERT_OK(device);
      ane_standin_raise(static_cast<int>(stage));
      EXPECT_FALSE(RunOnce(device->get(), LoraLinear()).ok());
      world.ExpectNothingLeft();
      EXPECT_OK(RunOnce(device->get(), LoraLinear()));
    }
  }
}

// A refused unload is tried again while it may pass; a program that stays is counted.
TEST(AneDriverFailures, UnloadingIsPersistent) {
  for (const Route route : kRoutes) {
    SCOPED_TRACE(RouteName(route));
    DriverWorld world(route);
    auto device = world.Open();
    ASSERT_OK(device);
    ane_standin_inject(ANE_STANDIN_UNLOAD, kDomain, 3, 0, "Timed out", 0, 2);
    EXPECT_OK(RunOnce(device->get(), LoraLinear()));
    EXPECT_EQ((*device)->counters().retries, 2);
    EXPECT_EQ((*device)->counters().unloads, 1);
    EXPECT_EQ((*device)->counters().programs, 0);

    ane_standin_inject(ANE_STANDIN_UNLOAD, kDomain, 8, 0, "refused", 0, 1);
    EXPECT_OK(RunOnce(device->get(), LoraLinear()));
    EXPECT_EQ((*device)->counters().unloads, 1);
    EXPECT_EQ((*device)->counters().programs, 1);
    EXPECT_EQ(ane_standin_count().programs, 1);
    device->reset();
    world.Configure();
  }
}

// What the system kept may be stale: then it is compiled after all.
TEST(AneDriverFailures, AKeptProgramThatDoesNotLoadIsCompiledAgain) {
  for (const Route route : kRoutes) {
    SCOPED_TRACE(RouteName(route));
    DriverWorld world(route);
    auto device = world.Open();
    ASSERT_OK(device);
    ASSERT_OK(RunOnce(device->get(), LoraLinear()));
    ASSERT_OK(RunOnce(device->get(), LoraLinear()));
    EXPECT_EQ((*device)->counters().compiles, 1) << "the second load needs no compiler";
    EXPECT_EQ((*device)->counters().loads, 2);

    ane_standin_inject(ANE_STANDIN_LOAD, kDomain, 4, 0, "Program creation failure", 0, 1);
    ASSERT_OK(RunOnce(device->get(), LoraLinear()));
    EXPECT_EQ((*device)->counters().compiles, 2);

    // Where there is no room the compiler would not help.
    ane_standin_inject(ANE_STANDIN_LOAD, kDomain, 6, 0x50004, "Program load failure (0x50004)", 0,
                       1);
    EXPECT_EQ(RunOnce(device->get(), LoraLinear()).code(), StatusCode::kResourceExhausted);
    EXPECT_EQ((*device)->counters().compiles, 2);
  }
}

TEST(AneDriverFailures, TextThatTheCompilerRefusesIsAnInvalidArgument) {
  for (const Route route : kRoutes) {
    for (const int os : {15, 26, 27}) {
      SCOPED_TRACE(StrCat(RouteName(route), ", macOS ", os));
      DriverWorld world(route, "m4", os);
      auto device = world.Open();
      ASSERT_OK(device);
      const TestProgram nonsense = {"nonsense", {"program(1.3) { nonsense }", {}}, {}, {}};
      const Status status = RunOnce(device->get(), nonsense);
      EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
      EXPECT_EQ(RunOnce(device->get(), {"empty", {}, {}, {}}).code(), StatusCode::kInvalidArgument);
      world.ExpectNothingLeft();
    }
  }
}

}  // namespace
}  // namespace attune::ane::testing
