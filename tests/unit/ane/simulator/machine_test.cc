// The machine seen from the framework's side: limits, codes, order, strides, faults.

#include "ane/simulator/machine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "ane/simulator/layout.h"
#include "base/half.h"
#include "base/strings.h"
#include "support/status_matchers.h"
#include "unit/ane/simulator/mil_program.h"
#include "unit/ane/simulator/weight_file.h"

namespace attune::ane::testing {
namespace {

using Weights = std::map<std::string, std::vector<std::byte>>;
using Bytes = std::vector<std::byte>;

// fp16 numbers in rows of `stride` bytes.
Bytes Rows(const Floats& values, std::int64_t width, std::int64_t stride) {
  const auto rows = static_cast<std::int64_t>(values.size()) / width;
  Bytes bytes(static_cast<std::size_t>(rows * stride));
  for (std::int64_t i = 0; i < rows * width; ++i) {
    const std::uint16_t half = F16FromF32(values[static_cast<std::size_t>(i)]);
    std::memcpy(bytes.data() + i / width * stride + i % width * 2, &half, 2);
  }
  return bytes;
}

float At(const Bytes& bytes, std::int64_t byte) {
  std::uint16_t half;
  std::memcpy(&half, bytes.data() + byte, 2);
  return F32FromF16(half);
}

// y = x + x, `tag` making the text different.
std::string Doubling(const std::string& tag = "y", std::int64_t width = 32) {
  const std::string type = StrCat("tensor<fp16, [1,2,1,", width, "]>");
  return Main(type + " x",
              StrCat(type, " ", tag, " = add(x = x, y = x)[name = string(\"", tag, "\")];"), tag);
}

struct Bench {
  explicit Bench(const MachineOptions& options = {}) : machine(options, &parallel) {}

  ProgramHandle Loaded(const std::string& text, const Weights& weights = {}) {
    const auto compile = machine.Compile(text, text, weights);
    EXPECT_FALSE(compile) << compile->text;
    ProgramHandle handle = 0;
    const auto load = machine.Load(text, &handle);
    EXPECT_FALSE(load) << load->text;
    return handle;
  }

  SerialParallel parallel;
  Machine machine;
};

MachineOptions On(Chip chip, int os) { return {.target = {chip, os}}; }

TEST(Machine, EvaluatesWhatWasLoaded) {
  Bench bench;
  const ProgramHandle handle = bench.Loaded(Doubling());
  const Floats x = Numbers(64, 1);
  Bytes in = Rows(x, 32, 64), out(128);
  const std::vector<std::span<std::byte>> ins = {in}, outs = {out};
  ASSERT_FALSE(bench.machine.Evaluate(handle, 0, ins, outs));
  for (std::int64_t i = 0; i < 64; ++i) {
    EXPECT_EQ(At(out, 2 * i), 2 * x[static_cast<std::size_t>(i)]);
  }
  const DeviceCounters counters = bench.machine.counters();
  EXPECT_EQ(counters.compiles, 1);
  EXPECT_EQ(counters.loads, 1);
  EXPECT_EQ(counters.evaluations, 1);
  EXPECT_EQ(counters.programs, 1);
  EXPECT_GT(counters.predicted_seconds, 0);
  EXPECT_GT(counters.predicted_load_seconds, 0);
}

TEST(Machine, SymbolsAreSortedByNameAndOutputsWithTheirSuffix) {
  const std::string t = "tensor<fp16, [1,2,1,32]>";
  const std::string text =
      Main(t + " w, " + t + " a10, " + t + " a2, " + t + " B",
           t + " y = add(x = w, y = a10);\n" + t + " y2 = add(x = a2, y = B);\n", "y, y2");
  Bench bench;
  const Symbols symbols = bench.machine.symbols(bench.Loaded(text));
  std::vector<std::string> inputs, outputs;
  for (const auto& layout : symbols.inputs) inputs.push_back(layout.name);
  for (const auto& layout : symbols.outputs) outputs.push_back(layout.name);
  EXPECT_EQ(inputs, std::vector<std::string>({"B", "a10", "a2", "w"}));
  // '2' comes before '@'.
  EXPECT_EQ(outputs, std::vector<std::string>({"y2", "y"}));
}

TEST(Machine, RowsArePaddedTo64BytesExceptOn15) {
  for (const int os : {15, 26, 27}) {
    SCOPED_TRACE(os);
    Bench bench(On(Chip::kM4, os));
    const SymbolLayout layout = bench.machine.symbols(bench.Loaded(Doubling("y", 48))).inputs[0];
    EXPECT_EQ(layout.row_stride, os == 15 ? 96 : 128);
    EXPECT_EQ(layout.plane_stride, layout.row_stride);
    EXPECT_EQ(layout.bytes(), 2 * layout.row_stride);
  }
}

TEST(Machine, PaddedRowsAreReadByTheirStride) {
  Bench bench;
  const ProgramHandle handle = bench.Loaded(Doubling("y", 48));
  const Floats x = Numbers(96, 2);
  Bytes in = Rows(x, 48, 128), out(256);
  const std::vector<std::span<std::byte>> ins = {in}, outs = {out};
  ASSERT_FALSE(bench.machine.Evaluate(handle, 0, ins, outs));
  EXPECT_EQ(At(out, 128), 2 * x[48]);
  EXPECT_EQ(At(out, 128 + 94), 2 * x[95]);
}

TEST(Machine, TheProgramAfterTheLastOneIsRefusedByGeneration) {
  for (const int os : {15, 26, 27}) {
    SCOPED_TRACE(os);
    Bench bench(On(Chip::kM4, os));
    for (int i = 0; i < 127; ++i) bench.Loaded(Doubling(StrCat("y", i)));
    const std::string text = Doubling("one_more");
    ASSERT_FALSE(bench.machine.Compile(text, text, {}));
    ProgramHandle handle = 0;
    const auto error = bench.machine.Load(text, &handle);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, os == 27 ? 54 : 6);
    EXPECT_EQ(error->status, os == 27 ? 0x5u : 0x50004u);
    EXPECT_EQ(StatusIn(error->text), error->status);
    EXPECT_EQ(RemedyOf(*error), Remedy::kEvict);
    // Unloading makes room.
    ASSERT_FALSE(bench.machine.Unload(1));
    EXPECT_FALSE(bench.machine.Load(text, &handle));
  }
}

TEST(Machine, SmallSurfacesAreRefusedByGeneration) {
  for (const int os : {15, 26, 27}) {
    SCOPED_TRACE(os);
    Bench bench(On(Chip::kM4, os));
    const ProgramHandle handle = bench.Loaded(Doubling());
    Bytes in(126), out(128), large(1024);
    const std::vector<std::span<std::byte>> ins = {in}, outs = {out}, larges = {large};
    const auto error = bench.machine.Evaluate(handle, 0, ins, outs);
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, os == 27 ? 42 : 8);
    EXPECT_EQ(error->status, os == 27 ? 0u : 0x1du);
    EXPECT_FALSE(bench.machine.Evaluate(handle, 0, larges, outs)) << "larger ones are accepted";
    EXPECT_EQ(bench.machine.counters().evaluations, 1);
  }
}

TEST(Machine, WrongNumberOfSurfacesIsAMismatch) {
  Bench bench;
  const ProgramHandle handle = bench.Loaded(Doubling());
  Bytes in(128), out(128);
  const std::vector<std::span<std::byte>> ins = {in, in}, outs = {out};
  const auto error = bench.machine.Evaluate(handle, 0, ins, outs);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->status, 0x1du);
}

TEST(Machine, TextThatDoesNotParseIsRefusedByTheCompiler) {
  Bench bench;
  const auto error = bench.machine.Compile("a", "program(1.3) { nonsense", {});
  ASSERT_TRUE(error);
  EXPECT_EQ(error->domain, "com.apple.appleneuralengine.compiler");
  EXPECT_EQ(error->code, 1);
  EXPECT_NE(error->text.find("ANECCompile() FAILED"), std::string::npos);
  EXPECT_NE(error->text.find("InvalidMILProgram"), std::string::npos);
  EXPECT_FALSE(bench.machine.IsCompiled("a"));
  EXPECT_EQ(bench.machine.counters().compiles, 0);
}

TEST(Machine, SeveralProceduresHaveTheirOwnSymbols) {
  const std::string text =
      "program(1.3)\n[buildInfo = dict<string, string>({{\"coremlc-version\", \"3505.4.1\"}})]\n{\n"
      "func procedure000<ios18>(tensor<fp16, [1,1,1,32]> x) { tensor<fp16, [1,1,1,32]> y = add(x = "
      "x, y = x); } -> (y);\n"
      "func procedure001<ios18>(tensor<fp16, [1,1,1,64]> x) { tensor<fp16, [1,1,1,64]> y = mul(x = "
      "x, y = x); } -> (y);\n}";
  Bench bench;
  const ProgramHandle handle = bench.Loaded(text);
  ASSERT_EQ(bench.machine.procedures(handle), 2);
  EXPECT_EQ(bench.machine.symbols(handle, 1).inputs[0].width, 64);
  Bytes in = Rows(Floats(64, 3), 64, 128), out(128);
  const std::vector<std::span<std::byte>> ins = {in}, outs = {out};
  ASSERT_FALSE(bench.machine.Evaluate(handle, 1, ins, outs));
  EXPECT_EQ(At(out, 0), 9);
  ASSERT_FALSE(bench.machine.Evaluate(handle, 0, ins, outs));
  EXPECT_EQ(At(out, 0), 6);
  const auto error = bench.machine.Evaluate(handle, 2, ins, outs);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->status, 0x2u);
}

TEST(Machine, FaultsComeOnceAtTheirCall) {
  Bench bench;
  const DeviceError busy = {Stage::kEvaluate, "com.apple.appleneuralengine", 3, 0, "timed out"};
  bench.machine.Inject({.stage = Stage::kEvaluate, .after = 1, .times = 2, .error = busy});
  const ProgramHandle handle = bench.Loaded(Doubling());
  Bytes in(128), out(128);
  const std::vector<std::span<std::byte>> ins = {in}, outs = {out};
  std::vector<bool> failed;
  for (int i = 0; i < 5; ++i) {
    failed.push_back(bench.machine.Evaluate(handle, 0, ins, outs).has_value());
  }
  EXPECT_EQ(failed, std::vector<bool>({false, true, true, false, false}));
}

TEST(Machine, FirstEvaluationsAndWakingUpTakeLonger) {
  Bench bench(On(Chip::kM1, 26));
  const ProgramHandle handle = bench.Loaded(Doubling());
  Bytes in(128), out(128);
  const std::vector<std::span<std::byte>> ins = {in}, outs = {out};
  std::vector<double> seconds;
  double before = 0;
  const auto evaluate = [&] {
    EXPECT_FALSE(bench.machine.Evaluate(handle, 0, ins, outs));
    const double now = bench.machine.counters().predicted_seconds;
    seconds.push_back(now - before);
    before = now;
  };
  for (int i = 0; i < 6; ++i) evaluate();
  EXPECT_GT(seconds[0], 2 * seconds[5]);
  EXPECT_GT(seconds[1], 1.5 * seconds[5]);
  EXPECT_NEAR(seconds[4], seconds[5], 1e-12);
  bench.machine.Idle(60);
  evaluate();
  EXPECT_GT(seconds[6], seconds[5] + 0.1);
}

TEST(Machine, PurgedProgramsCannotBeLoaded) {
  Bench bench;
  const std::string text = Doubling();
  ASSERT_FALSE(bench.machine.Compile(text, text, {}));
  EXPECT_TRUE(bench.machine.IsCompiled(text));
  bench.machine.Purge(text);
  ProgramHandle handle = 0;
  const auto error = bench.machine.Load(text, &handle);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, 17);
  EXPECT_EQ(bench.machine.Unload(7)->code, 23);
}

TEST(Machine, UnloadedProgramsTakeNoMemoryAndComeBack) {
  Bench bench;
  const std::string text = Doubling();
  const ProgramHandle first = bench.Loaded(text);
  const Symbols symbols = bench.machine.symbols(first);
  const std::int64_t one = bench.machine.memory_bytes();
  EXPECT_GT(one, 0);
  bench.Loaded(Doubling("z"));
  EXPECT_EQ(bench.machine.memory_bytes(), 2 * one);
  ASSERT_FALSE(bench.machine.Unload(first));
  EXPECT_EQ(bench.machine.memory_bytes(), one);
  EXPECT_TRUE(bench.machine.IsCompiled(text));
  ASSERT_FALSE(bench.machine.Unload(first + 1));
  EXPECT_EQ(bench.machine.memory_bytes(), 0);

  ProgramHandle again = 0;
  ASSERT_FALSE(bench.machine.Load(text, &again));
  EXPECT_EQ(bench.machine.symbols(again).inputs, symbols.inputs);
  EXPECT_EQ(bench.machine.counters().compiles, 2);
  const Floats x = Numbers(64, 1);
  Bytes in = Rows(x, 32, 64), out(128);
  const std::vector<std::span<std::byte>> ins = {in}, outs = {out};
  ASSERT_FALSE(bench.machine.Evaluate(again, 0, ins, outs));
  EXPECT_EQ(At(out, 126), 2 * x[63]);
  // Of those that only were compiled the last one is ready.
  for (const char* tag : {"p", "q", "r"}) {
    const std::string other = Doubling(tag);
    ASSERT_FALSE(bench.machine.Compile(other, other, {}));
  }
  EXPECT_EQ(bench.machine.memory_bytes(), 2 * one);
}

TEST(Machine, WeightFilesThatAreNotReadOrEqualFailNoVerification) {
  WeightFile one, other;
  const std::uint64_t at = one.AddHalves(Floats(4, 1));
  other.AddHalves(Floats(4, 2));
  const auto program = [&](const std::string& second) {
    const std::string w = "tensor<fp16, [2,2,1,1]> ";
    const std::string conv =
        ", strides = tensor<int32, [2]>([1,1]), dilations = tensor<int32, [2]>([1,1]), groups = "
        "int32(1), pad_type = string(\"valid\"), pad = tensor<int32, [4]>([0,0,0,0]));\n";
    const std::string y = "tensor<fp16, [1,2,1,32]> ";
    return Main("tensor<fp16, [1,2,1,32]> x",
                w + "a = const()[name = string(\"a\"), val = " + w + "(" + BlobAt(at) + ")];\n" +
                    w + "b = const()[name = string(\"b\"), val = " + w + "(" + BlobAt(at, second) +
                    ")];\n" + y + "h = conv(x = x, weight = a" + conv + y +
                    "y = conv(x = h, weight = b" + conv,
                "y");
  };
  const std::string path = "@model_path/weights/other.bin";
  Bench bench(On(Chip::kM4, 27));
  const auto unread = bench.machine.Compile("unread", program(kWeightPath),
                                            {{kWeightPath, one.bytes()}, {path, other.bytes()}});
  EXPECT_FALSE(unread) << unread->text;
  const auto equal = bench.machine.Compile("equal", program(path),
                                           {{kWeightPath, one.bytes()}, {path, one.bytes()}});
  EXPECT_FALSE(equal) << equal->text;
  const auto differ = bench.machine.Compile("differ", program(path),
                                            {{kWeightPath, one.bytes()}, {path, other.bytes()}});
  ASSERT_TRUE(differ);
  EXPECT_EQ(differ->code, 10);
  Bench older(On(Chip::kM4, 26));
  EXPECT_FALSE(older.machine.Compile("differ", program(path),
                                     {{kWeightPath, one.bytes()}, {path, other.bytes()}}));
}

TEST(Machine, SurfacesHoldIntegersOfThreeTypes) {
  struct Case {
    std::string type;
    ElementType element;
    std::int64_t low, high;
  };
  const Case cases[] = {{"int8", ElementType::kI8, -128, 127},
                        {"uint8", ElementType::kU8, 0, 255},
                        {"int32", ElementType::kI32, -70000, 100000}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.type);
    const std::string t = "tensor<" + c.type + ", [1,1,1,64]> ";
    Bench bench;
    const ProgramHandle handle = bench.Loaded(Main(
        t + "x",
        t + "y = maximum(x = x, y = " + t + "([" + StrJoin(std::vector<int>(64, 1), ",") + "]));",
        "y"));
    const SymbolLayout layout = bench.machine.symbols(handle).inputs[0];
    const std::int64_t size = SizeOf(c.element);
    ASSERT_EQ(layout.element, c.element);
    EXPECT_EQ(layout.bytes(), 64 * size);
    Bytes in(static_cast<std::size_t>(64 * size)), out(in.size());
    std::memcpy(in.data(), &c.low, static_cast<std::size_t>(size));
    std::memcpy(in.data() + size, &c.high, static_cast<std::size_t>(size));
    const std::vector<std::span<std::byte>> ins = {in}, outs = {out};
    ASSERT_FALSE(bench.machine.Evaluate(handle, 0, ins, outs));
    std::int64_t first = 0, second = 0;
    std::memcpy(&first, out.data(), static_cast<std::size_t>(size));
    std::memcpy(&second, out.data() + size, static_cast<std::size_t>(size));
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, c.high);
  }
}

TEST(Machine, BuffersBeginTheirBatchesWhereTheTextSays) {
  const auto program = [](const std::string& strides, const std::string& interleave) {
    const std::string t = "tensor<fp16, [2,2,1,32]> ";
    return Main(
        "tensor_buffer<fp16, shape=[2,2,1,32], strides=" + strides +
            ", interleave_factors=" + interleave + "> x",
        t + "t = tensor_buffer_to_tensor<ios17>(input = x);\n" + t + "y = add(x = t, y = t);", "y");
  };
  Bench bench;
  const ProgramHandle handle = bench.Loaded(program("[256,64,32,1]", "[1,1,1,1]"));
  const SymbolLayout layout = bench.machine.symbols(handle).inputs[0];
  EXPECT_EQ(layout.batches, 2);
  EXPECT_EQ(layout.bytes(), 2 * 512);
  Bytes in(1024), out(256);
  for (std::size_t batch = 0; batch < 2; ++batch) {
    for (std::size_t channel = 0; channel < 2; ++channel) {
      const Bytes row = Rows(Floats(32, static_cast<float>(1 + 2 * batch + channel)), 32, 64);
      std::copy(row.begin(), row.end(),
                in.begin() + static_cast<std::ptrdiff_t>(batch * 512 + channel * 128));
    }
  }
  const std::vector<std::span<std::byte>> ins = {in}, outs = {out};
  ASSERT_FALSE(bench.machine.Evaluate(handle, 0, ins, outs));
  for (std::int64_t row = 0; row < 4; ++row) {
    EXPECT_EQ(At(out, 64 * row), static_cast<float>(2 * (row + 1)));
  }
  for (const auto& refused :
       {program("[64,64,32,1]", "[1,1,1,1]"), program("[256,64,32,1]", "[1,2,1,1]")}) {
    EXPECT_TRUE(bench.machine.Compile("refused", refused, {}));
  }
}

// Their product with the rows is 2^64 bytes, which wraps to nothing.
TEST(Machine, StridesBeyondAllNumbersAreRefused) {
  mil::Output buffer = {.type = {}, .name = "x"};
  buffer.type.is_tensor = buffer.type.is_buffer = true;
  buffer.type.dims = {1, 1, std::int64_t{1} << 23, 1};
  buffer.type.strides = {64, 64, std::int64_t{1} << 40, 1};
  EXPECT_FALSE(OrderOf({buffer}, {}, Target()).ok());
  buffer.type.dims[2] = 2;
  buffer.type.strides = {64, 64, 32, 1};
  EXPECT_OK(OrderOf({buffer}, {}, Target()));
}

TEST(Machine, WrapperFailsAfterSoManyCompiles) {
  MachineOptions options = On(Chip::kM4, 15);
  options.wrapper_compiles = 3;
  Bench bench(options);
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(bench.machine.Compile(StrCat(i), Doubling(StrCat("y", i)), {}));
  }
  EXPECT_TRUE(bench.machine.Compile("3", Doubling("y3"), {}));
}

}  // namespace
}  // namespace attune::ane::testing
