// One machine with the stand-in of the framework, a temporary directory that should be
// empty whenever nothing is loaded, and a clock that only counts.

#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "ane/device/device.h"
#include "ane/driver/private_device.h"
#include "ane_framework/ane_standin.h"
#include "base/half.h"
#include "base/philox.h"
#include "contract/ane_driver/programs.h"
#include "ports/clock.h"
#include "support/status_matchers.h"
#include "support/temporary_directory.h"

namespace attune::ane::testing {

class CountingClock final : public Clock {
 public:
  double MonotonicSeconds() override { return slept; }
  std::int64_t UnixSeconds() override { return 0; }
  std::int32_t UtcOffsetSeconds(std::int64_t) override { return 0; }
  double ProcessCpuSeconds() override { return 0; }
  void Sleep(double seconds) override {
    slept += seconds;
    ++sleeps;
  }
  double slept = 0;
  int sleeps = 0;
};

class DriverWorld {
 public:
  explicit DriverWorld(Route route = Route::kInMemory, std::string chip = "m4", int os = 26)
      : chip_(std::move(chip)) {
    machine.chip = chip_.c_str();
    machine.os = os;
    machine.temporary_directory = directory.path().c_str();
    options.route = route;
    options.framework = ATTUNE_ANE_STANDIN;
    Configure();
  }
  ~DriverWorld() { ExpectNothingLeft(); }

  // After a change of `machine`. REQUIRES: nothing is loaded.
  void Configure() { EXPECT_EQ(ane_standin_configure(&machine), 1) << chip_; }

  Result<std::unique_ptr<Device>> Open() { return OpenPrivateDevice(options, &clock); }

  // Names in the temporary directory.
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  void ExpectNothingLeft() const {
    const ane_standin_counts counts = ane_standin_count();
    EXPECT_EQ(counts.programs, 0);
    EXPECT_EQ(counts.descriptors, 0);
    EXPECT_EQ(counts.models, 0);
    EXPECT_EQ(counts.requests, 0);
    EXPECT_EQ(counts.surfaces, 0);
    EXPECT_EQ(counts.surface_bytes, 0);
    EXPECT_EQ(counts.wrappers, 0);
    EXPECT_EQ(counts.locks, 0);
    EXPECT_EQ(counts.loose_permissions, 0);
    EXPECT_TRUE(Files().empty()) << Files().front();
  }

  attune::testing::TemporaryDirectory directory;
  ane_standin_options machine = {};
  PrivateDeviceOptions options;
  CountingClock clock;

 private:
  std::string chip_;
};

// A program's surfaces on a device, filled from a seed.
class Bench {
 public:
  // Bound and filled; what went wrong with that is in bound().
  Bench(Device* device, DeviceProgram* program, std::uint64_t seed) : program_(program) {
    Philox random(seed);
    for (const SymbolLayout& layout : program->inputs()) {
      if (!Allocate(device, layout, &inputs_)) return;
      Fill(inputs_.back().get(), layout, &random);
    }
    for (const SymbolLayout& layout : program->outputs()) {
      if (!Allocate(device, layout, &outputs_)) return;
    }
    bound_ = Bind();
  }

  Status Bind() {
    std::vector<Surface*> in, out;
    for (const auto& surface : inputs_) in.push_back(surface.get());
    for (const auto& surface : outputs_) out.push_back(surface.get());
    return program_->Bind(in, out);
  }
  const Status& bound() const { return bound_; }
  std::vector<std::unique_ptr<Surface>>& inputs() { return inputs_; }
  std::vector<std::unique_ptr<Surface>>& outputs() { return outputs_; }

  // All bytes of all outputs.
  std::vector<std::vector<std::byte>> Results() {
    std::vector<std::vector<std::byte>> results;
    for (const auto& surface : outputs_) {
      auto bytes = surface->Lock(true);
      EXPECT_OK(bytes);
      if (!bytes.ok()) continue;
      results.emplace_back((*bytes).begin(), (*bytes).end());
      surface->Unlock();
    }
    return results;
  }

 private:
  bool Allocate(Device* device, const SymbolLayout& layout,
                std::vector<std::unique_ptr<Surface>>* surfaces) {
    auto surface = device->Allocate(layout.bytes());
    bound_ = surface.status();
    if (surface.ok()) surfaces->push_back(*std::move(surface));
    return bound_.ok();
  }

  static void Fill(Surface* surface, const SymbolLayout& layout, Philox* random) {
    auto bytes = surface->Lock(false);
    ASSERT_OK(bytes);
    for (std::int64_t channel = 0; channel < layout.channels; ++channel) {
      auto* row = reinterpret_cast<std::uint16_t*>((*bytes).data() + channel * layout.plane_stride);
      for (std::int64_t i = 0; i < layout.width; ++i) row[i] = F16FromF32(random->NextNormal() / 4);
    }
    surface->Unlock();
  }

  DeviceProgram* program_;
  std::vector<std::unique_ptr<Surface>> inputs_, outputs_;
  Status bound_;
};

// Loads, runs once and unloads; whatever went wrong first.
inline Status RunOnce(Device* device, const TestProgram& test) {
  auto program = device->Load(test.image);
  if (!program.ok()) return program.status();
  Bench bench(device, program->get(), 7);
  if (!bench.bound().ok()) return bench.bound();
  return (*program)->Evaluate();
}

inline const char* RouteName(Route route) {
  return route == Route::kClient ? "client" : "in-memory";
}
inline constexpr Route kRoutes[] = {Route::kInMemory, Route::kClient};

}  // namespace attune::ane::testing
