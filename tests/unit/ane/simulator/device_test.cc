// The simulated device behind the port.

#include <gtest/gtest.h>

#include <cstring>

#include "ane/simulator/simulated_device.h"
#include "base/half.h"
#include "support/status_matchers.h"
#include "unit/ane/simulator/mil_program.h"

namespace attune::ane::testing {
namespace {

const char kType[] = "tensor<fp16, [1,2,1,32]>";

std::string Sum() {
  return Main(std::string(kType) + " b, " + kType + " a",
              std::string(kType) + " y = sub(x = a, y = b)[name = string(\"y\")];", "y");
}

void Fill(Surface* surface, float value) {
  auto bytes = surface->Lock(false);
  ASSERT_OK(bytes);
  const std::uint16_t half = F16FromF32(value);
  for (std::size_t i = 0; i + 1 < bytes->size(); i += 2) std::memcpy(bytes->data() + i, &half, 2);
  surface->Unlock();
}

float First(Surface* surface) {
  auto bytes = surface->Lock(true);
  EXPECT_OK(bytes);
  std::uint16_t half;
  std::memcpy(&half, bytes->data(), 2);
  surface->Unlock();
  return F32FromF16(half);
}

TEST(SimulatedDevice, RunsAProgramOnItsSurfaces) {
  SerialParallel parallel;
  const auto device = MakeSimulatedDevice({}, &parallel);
  ASSERT_OK_AND_ASSIGN(const auto program, device->Load({Sum(), {}}));
  ASSERT_EQ(program->inputs().size(), 2u);
  EXPECT_EQ(program->inputs()[0].name, "a");
  ASSERT_OK_AND_ASSIGN(const auto a, device->Allocate(128));
  ASSERT_OK_AND_ASSIGN(const auto b, device->Allocate(128));
  Fill(a.get(), 5);
  Fill(b.get(), 2);
  // The result takes the place of an input: state that stays on the device.
  const std::vector<Surface*> in = {a.get(), b.get()}, out = {a.get()};
  ASSERT_OK(program->Bind(in, out));
  ASSERT_OK(program->Evaluate());
  EXPECT_EQ(First(a.get()), 3);
  ASSERT_OK(program->Evaluate());
  EXPECT_EQ(First(a.get()), 1);
}

TEST(SimulatedDevice, CountsWhatIsAlive) {
  SerialParallel parallel;
  const auto device = MakeSimulatedDevice({}, &parallel);
  {
    ASSERT_OK_AND_ASSIGN(const auto program, device->Load({Sum(), {}}));
    ASSERT_OK_AND_ASSIGN(const auto surface, device->Allocate(100));
    EXPECT_EQ(device->counters().programs, 1);
    EXPECT_EQ(device->counters().surfaces, 1);
    EXPECT_EQ(device->counters().surface_bytes, 100);
  }
  EXPECT_EQ(device->counters().programs, 0);
  EXPECT_EQ(device->counters().surfaces, 0);
  EXPECT_EQ(device->counters().surface_bytes, 0);
  // Kept by the system: loading again does not compile again.
  ASSERT_OK_AND_ASSIGN(const auto again, device->Load({Sum(), {}}));
  EXPECT_EQ(device->counters().compiles, 1);
  EXPECT_EQ(device->counters().loads, 2);
}

TEST(SimulatedDevice, RefusesSurfacesThatDoNotFit) {
  SerialParallel parallel;
  const auto device = MakeSimulatedDevice({}, &parallel);
  ASSERT_OK_AND_ASSIGN(const auto program, device->Load({Sum(), {}}));
  EXPECT_EQ(program->Evaluate().code(), StatusCode::kFailedPrecondition);
  ASSERT_OK_AND_ASSIGN(const auto a, device->Allocate(128));
  ASSERT_OK_AND_ASSIGN(const auto small, device->Allocate(126));
  const std::vector<Surface*> one = {a.get()}, two = {a.get(), small.get()};
  EXPECT_EQ(program->Bind(one, one).code(), StatusCode::kInvalidArgument);
  const Status status = program->Bind(two, one);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "bind: a surface of 126 bytes for symbol \"b\" of 128");
  EXPECT_EQ(device->Allocate(0).status().code(), StatusCode::kInvalidArgument);
}

TEST(SimulatedDevice, CompilerErrorsSayWhichRuleWasBroken) {
  SerialParallel parallel;
  const auto device = MakeSimulatedDevice({}, &parallel);
  const std::string text =
      Main(std::string(kType) + " x",
           std::string(kType) + " y = rsqrt(x = x)[name = string(\"y\")];", "y");
  const Status status = device->Load({text, {}}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("ops.rsqrt"), std::string::npos) << status.message();
}

TEST(SimulatedDevice, ExactProfileHoldsFullPrecision) {
  SerialParallel parallel;
  MachineOptions options;
  options.exact = true;
  const auto device = MakeSimulatedDevice(options, &parallel);
  EXPECT_EQ(device->element(), ElementType::kF32);
  const std::string t = "tensor<fp32, [1,1,1,32]>";
  ASSERT_OK_AND_ASSIGN(
      const auto program,
      device->Load({Main(t + " x", t + " y = add(x = x, y = x)[name = string(\"y\")];", "y"), {}}));
  EXPECT_EQ(program->inputs()[0].bytes(), 128);
  ASSERT_OK_AND_ASSIGN(const auto x, device->Allocate(128));
  ASSERT_OK_AND_ASSIGN(const auto y, device->Allocate(128));
  auto bytes = x->Lock(false);
  ASSERT_OK(bytes);
  const float value = 1.00000012f;
  std::memcpy(bytes->data(), &value, 4);
  x->Unlock();
  const std::vector<Surface*> in = {x.get()}, out = {y.get()};
  ASSERT_OK(program->Bind(in, out));
  ASSERT_OK(program->Evaluate());
  bytes = y->Lock(true);
  float doubled = 0;
  std::memcpy(&doubled, bytes->data(), 4);
  y->Unlock();
  EXPECT_EQ(doubled, 2 * value);
}

}  // namespace
}  // namespace attune::ane::testing
