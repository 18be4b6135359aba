// What the simulation may take is bounded, whatever a program asks for.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "ane/simulator/machine.h"
#include "base/strings.h"
#include "support/status_matchers.h"
#include "unit/ane/simulator/mil_program.h"

namespace attune::ane::testing {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

Result<std::unique_ptr<Executor>> Within(std::int64_t bytes, const std::string& text,
                                         Parallel* parallel) {
  ATTUNE_ASSIGN_OR_RETURN(const mil::Program program, mil::Parse(text));
  return Executor::Create(program, "main", {}, ExactNumerics(), parallel, {.memory_bytes = bytes});
}

// x * y, matrix by matrix.
std::string Matmul(const std::string& x, const std::string& y, const std::string& z) {
  return Main("tensor<fp16, " + x + "> x, tensor<fp16, " + y + "> y",
              "tensor<fp16, " + z +
                  "> z = matmul(x = x, y = y, transpose_x = bool(false), transpose_y = "
                  "bool(false));",
              "z");
}

TEST(SimulatorMemory, ScratchOfAProductIsReserved) {
  SerialParallel serial;
  // Half a MiB of operands; a single column is packed as a whole panel of columns.
  const std::string text = Matmul("[1,1,1,65536]", "[1,1,65536,1]", "[1,1,1,1]");
  const auto refused = Within(kMiB, text, &serial);
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  EXPECT_NE(refused.status().message().find("of the allowed 1048576 are left"), std::string::npos)
      << refused.status().message();
  ASSERT_OK_AND_ASSIGN(const auto executor, Within(64 * kMiB, text, &serial));
  EXPECT_GT(executor->memory_bytes(), kMiB);
  EXPECT_LE(executor->memory_bytes(), 64 * kMiB);
}

TEST(SimulatorMemory, EveryMatrixOfABatchIsCounted) {
  SerialParallel serial;
  // 3 MiB of operands and result; two offsets and a pair for each element.
  const std::string small = Matmul("[256,1024,1,1]", "[256,1024,1,1]", "[256,1024,1,1]");
  const auto refused = Within(16 * kMiB, small, &serial);
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted) << refused.status().message();
  const std::string large = Matmul("[65536,8192,1,1]", "[65536,8192,1,1]", "[65536,8192,1,1]");
  const auto larger = Within(16 * 1024 * kMiB, large, &serial);
  EXPECT_EQ(larger.status().code(), StatusCode::kResourceExhausted) << larger.status().message();
}

TEST(SimulatorMemory, PositionsOfAConvolutionBeyondAllNumbersAreRefused) {
  const std::string pads = "16777216,16777216,16777216,16777216,16777216,16777216";
  const std::string text =
      Main("tensor<fp16, [1,1,1,1,1]> x, tensor<fp16, [1,1,1,1,1]> w",
           "tensor<fp16, [1,1,1,1,1]> y = conv(x = x, weight = w, pad_type = string(\"custom\"), "
           "pad = tensor<int32, [6]>([" +
               pads + "]));",
           "y");
  const Status status = RunMil(text, {{1}, {1}}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("33554433 by 33554433 by 33554433 positions"), std::string::npos)
      << status.message();
}

// Functions that add x to itself.
std::string Doublings(int functions, std::int64_t channels) {
  const std::string type = StrCat("tensor<fp16, [1,", channels, ",1,32]>");
  std::string text =
      "program(1.3)\n[buildInfo = dict<string, string>({{\"coremlc-version\", "
      "\"3505.4.1\"}})]\n{\n";
  for (int i = 0; i < functions; ++i) {
    text += StrCat("func procedure00", i, "<ios18>(", type, " x) { ", type,
                   " y = add(x = x, y = x); } -> (y);\n");
  }
  return text + "}\n";
}

TEST(SimulatorMemory, OneBudgetHoldsAllFunctionsAndTheirPorts) {
  SerialParallel serial;
  MachineOptions options;
  // An array of one function takes 128 KiB; with x, y and their ports it is four.
  options.memory_bytes = kMiB;
  Machine machine(options, &serial);
  EXPECT_FALSE(machine.Compile("one", Doublings(1, 1024), {}));
  EXPECT_FALSE(machine.Compile("two", Doublings(2, 1024), {}));
  EXPECT_TRUE(machine.Compile("three", Doublings(3, 1024), {}));
  const auto ports = machine.Compile("ports", Doublings(1, 2560), {});
  ASSERT_TRUE(ports);
  EXPECT_NE(ports->text.find("\"y\""), std::string::npos) << ports->text;
  EXPECT_EQ(MachineOptions().memory_bytes, kProgramMemoryBytes);
}

}  // namespace
}  // namespace attune::ane::testing
