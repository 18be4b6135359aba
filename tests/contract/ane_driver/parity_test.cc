// The driver over the stand-in gives what the simulator gives when it is used directly:
// the same layouts, the same bits, whatever the chip and the system.

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "ane/simulator/simulated_device.h"
#include "contract/ane_driver/driver_world.h"
#include "ports/parallel.h"

namespace attune::ane::testing {
namespace {

std::vector<std::string> NamesOf(const std::vector<SymbolLayout>& layouts) {
  std::vector<std::string> names;
  for (const SymbolLayout& layout : layouts) names.push_back(layout.name);
  return names;
}

struct Outcome {
  std::vector<SymbolLayout> inputs, outputs;
  std::vector<std::vector<std::byte>> results;
};

Outcome RunOn(Device* device, const TestProgram& test, std::uint64_t seed) {
  auto program = device->Load(test.image);
  EXPECT_OK(program);
  if (!program.ok()) return {};
  Bench bench(device, program->get(), seed);
  EXPECT_OK(bench.bound());
  EXPECT_OK((*program)->Evaluate());
  return {(*program)->inputs(), (*program)->outputs(), bench.Results()};
}

void ExpectParity(Route route, const std::string& chip, int os) {
  SCOPED_TRACE(StrCat(RouteName(route), ", ", chip, ", macOS ", os));
  DriverWorld world(route, chip, os);
  auto driver = world.Open();
  ASSERT_OK(driver);
  SerialParallel parallel;
  ASSERT_OK_AND_ASSIGN(const Chip parsed, ParseChip(chip));
  MachineOptions options;
  options.target = {parsed, os};
  auto simulated = MakeSimulatedDevice(options, &parallel);
  EXPECT_EQ((*driver)->target(), simulated->target());
  for (const TestProgram& test : AllPrograms()) {
    SCOPED_TRACE(test.name);
    const Outcome ours = RunOn(driver->get(), test, 11);
    const Outcome theirs = RunOn(simulated.get(), test, 11);
    EXPECT_EQ(NamesOf(ours.inputs), test.inputs);
    EXPECT_EQ(NamesOf(ours.outputs), test.outputs);
    EXPECT_EQ(ours.inputs, theirs.inputs);
    EXPECT_EQ(ours.outputs, theirs.outputs);
    ASSERT_EQ(ours.results.size(), test.outputs.size());
    EXPECT_EQ(ours.results, theirs.results);
    // Other data give other results: neither device is asleep.
    EXPECT_NE(RunOn(driver->get(), test, 12).results, ours.results);
  }
}

TEST(AneDriverParity, EveryProgramGivesTheSimulatorsBitsOnBothRoutes) {
  for (const Route route : kRoutes) {
    for (const int os : {15, 26, 27}) {
      for (const char* chip : {"m1", "m3-ultra", "m4", "m5"}) ExpectParity(route, chip, os);
    }
  }
}

// Adapters change between steps; the program stays.
TEST(AneDriverParity, AnAdapterThatChangesChangesTheOutputWithoutAnotherCompile) {
  for (const Route route : kRoutes) {
    SCOPED_TRACE(RouteName(route));
    DriverWorld world(route);
    auto device = world.Open();
    ASSERT_OK(device);
    auto program = (*device)->Load(LoraLinear().image);
    ASSERT_OK(program);
    Bench bench(device->get(), program->get(), 3);
    ASSERT_OK(bench.bound());
    ASSERT_OK((*program)->Evaluate());
    const auto before = bench.Results();
    auto b = bench.inputs()[1]->Lock(false);
    ASSERT_OK(b);
    for (std::byte& byte : *b) byte ^= std::byte{1};
    bench.inputs()[1]->Unlock();
    ASSERT_OK((*program)->Evaluate());
    EXPECT_NE(bench.Results(), before);
    EXPECT_EQ((*device)->counters().compiles, 1);
    EXPECT_EQ((*device)->counters().evaluations, 2);
  }
}

// What a device answers to a program that breaks a rule: at whichever call it is noticed.
Status RunRefused(Device* device, const TestProgram& test) {
  auto program = device->Load(test.image);
  if (!program.ok()) return program.status();
  Bench bench(device, program->get(), 5);
  if (!bench.bound().ok()) return bench.bound();
  return (*program)->Evaluate();
}

TEST(AneDriverParity, ProgramsThatBreakARuleAreRefusedInTheSimulatorsWords) {
  int refused = 0;
  for (const Route route : kRoutes) {
    for (const int os : {15, 26, 27}) {
      DriverWorld world(route, "m4", os);
      auto driver = world.Open();
      ASSERT_OK(driver);
      SerialParallel parallel;
      MachineOptions options;
      options.target = {Chip::kM4, os};
      auto simulated = MakeSimulatedDevice(options, &parallel);
      for (const TestProgram& test : BrokenPrograms()) {
        SCOPED_TRACE(StrCat(RouteName(route), ", macOS ", os, ", ", test.name));
        const Status ours = RunRefused(driver->get(), test);
        const Status theirs = RunRefused(simulated.get(), test);
        EXPECT_FALSE(ours.ok());
        EXPECT_EQ(ours.ToString(), theirs.ToString());
        world.ExpectNothingLeft();
        refused += ours.ok() ? 0 : 1;
      }
    }
  }
  std::printf("%d programs refused\n", refused);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace attune::ane::testing
