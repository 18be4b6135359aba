// Programs of the in-memory path, written by hand: what the driver is to load.

#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ane/device/device.h"
#include "base/half.h"
#include "base/philox.h"
#include "base/strings.h"

namespace attune::ane::testing {

struct TestProgram {
  std::string name;
  ProgramImage image;
  // In the order of the symbols, which is not that of the text.
  std::vector<std::string> inputs, outputs;
};

inline std::string InProgram(std::string_view functions) {
  return StrCat(
      "program(1.3)\n"
      "[buildInfo = dict<string, string>({{\"coremlc-component-MIL\", \"3510.2.1\"}, "
      "{\"coremlc-version\", \"3505.4.1\"}, {\"coremltools-component-milinternal\", \"\"}, "
      "{\"coremltools-version\", \"9.0\"}})]\n{\n",
      functions, "}\n");
}

// fp16 records of seeded numbers, one after the other; offsets of the records.
class WeightFile {
 public:
  WeightFile() : bytes_(64) { Put(4, std::uint32_t{2}); }

  std::uint64_t Add(std::int64_t elements, std::uint64_t seed) {
    const std::size_t record = bytes_.size();
    const std::uint64_t payload = 2 * static_cast<std::uint64_t>(elements);
    bytes_.resize((record + 64 + payload + 63) / 64 * 64);
    Put(record, std::uint32_t{0xDEADBEEF});
    Put(record + 4, std::uint32_t{1});
    Put(record + 8, payload);
    Put(record + 16, static_cast<std::uint64_t>(record + 64));
    Philox random(seed);
    for (std::int64_t i = 0; i < elements; ++i) {
      Put(record + 64 + 2 * static_cast<std::size_t>(i), F16FromF32(random.NextNormal() / 8));
    }
    Put(0, ++records_);
    return record;
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  template <typename T>
  void Put(std::size_t at, T value) {
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  std::vector<std::byte> bytes_;
  std::uint32_t records_ = 0;
};

inline std::string WeightText(std::string_view name, std::string_view type, std::uint64_t offset) {
  return StrCat("  ", type, " ", name, " = const()[name = string(\"", name, "\"), val = ", type,
                "(BLOBFILE(path = string(\"@model_path/weights/weight.bin\"), offset = uint64(",
                offset, ")))];\n");
}

// The constants that every convolution here is given.
inline constexpr std::string_view kConvolution = R"(
  string pt = const()[name = string("pt"), val = string("valid")];
  tensor<int32, [2]> st = const()[name = string("st"), val = tensor<int32, [2]>([1, 1])];
  tensor<int32, [4]> pd = const()[name = string("pd"), val = tensor<int32, [4]>([0, 0, 0, 0])];
  tensor<int32, [2]> dl = const()[name = string("dl"), val = tensor<int32, [2]>([1, 1])];
  int32 gr = const()[name = string("gr"), val = int32(1)];
)";

inline std::string Convolution(std::string_view type, std::string_view name,
                               std::string_view weight, std::string_view x) {
  return StrCat("  ", type, " ", name,
                " = conv(dilations = dl, groups = gr, pad = pd, pad_type = pt, strides = st, "
                "weight = ",
                weight, ", x = ", x, ")[name = string(\"", name, "\")];\n");
}

// y = W x + scale * B (A x): a frozen weight in the file, A and B as inputs.
inline TestProgram LoraLinear() {
  WeightFile file;
  const std::uint64_t w = file.Add(96 * 64, 1);
  std::string text =
      "func main<ios18>(tensor<fp16, [1, 64, 1, 32]> x, tensor<fp16, [1, 64, 1, 32]> A, "
      "tensor<fp16, [1, 32, 1, 96]> B) {\n";
  text += kConvolution;
  text += WeightText("W", "tensor<fp16, [96, 64, 1, 1]>", w);
  text += Convolution("tensor<fp16, [1, 96, 1, 32]>", "base", "W", "x");
  text += R"(
  bool yes = const()[name = string("yes"), val = bool(true)];
  bool no = const()[name = string("no"), val = bool(false)];
  fp16 scale = const()[name = string("scale"), val = fp16(0x1p-1)];
  tensor<int32, [4]> xs = const()[name = string("xs"), val = tensor<int32, [4]>([1, 1, 64, 32])];
  tensor<int32, [4]> bs = const()[name = string("bs"), val = tensor<int32, [4]>([1, 1, 32, 96])];
  tensor<int32, [4]> ys = const()[name = string("ys"), val = tensor<int32, [4]>([1, 96, 1, 32])];
  tensor<fp16, [1, 1, 64, 32]> xr = reshape(shape = xs, x = x)[name = string("xr")];
  tensor<fp16, [1, 1, 64, 32]> ar = reshape(shape = xs, x = A)[name = string("ar")];
  tensor<fp16, [1, 1, 32, 96]> br = reshape(shape = bs, x = B)[name = string("br")];
  tensor<fp16, [1, 1, 32, 32]> u = matmul(transpose_x = yes, transpose_y = no, x = ar, y = xr)[name = string("u")];
  tensor<fp16, [1, 1, 96, 32]> v = matmul(transpose_x = yes, transpose_y = no, x = br, y = u)[name = string("v")];
  tensor<fp16, [1, 96, 1, 32]> vr = reshape(shape = ys, x = v)[name = string("vr")];
  tensor<fp16, [1, 96, 1, 32]> vs = mul(x = vr, y = scale)[name = string("vs")];
  tensor<fp16, [1, 96, 1, 32]> y = add(x = base, y = vs)[name = string("y")];
} -> (y);
)";
  return {"lora", {InProgram(text), file.bytes()}, {"A", "B", "x"}, {"y"}};
}

// Two outputs of different sizes whose symbols sort against their names: '2' < '@'.
inline TestProgram TwoOutputs() {
  return {"two outputs",
          {InProgram(R"(
func main<ios18>(tensor<fp16, [1, 32, 1, 64]> x) {
  tensor<int32, [1]> ax = const()[name = string("ax"), val = tensor<int32, [1]>([1])];
  bool keep = const()[name = string("keep"), val = bool(true)];
  tensor<fp16, [1, 32, 1, 64]> y = mul(x = x, y = x)[name = string("y")];
  tensor<fp16, [1, 1, 1, 64]> y2 = reduce_sum(axes = ax, keep_dims = keep, x = y)[name = string("y2")];
} -> (y, y2);
)"),
           {}},
          {"x"},
          {"y2", "y"}};
}

// Three frozen weights in one file.
inline TestProgram ManyWeights() {
  WeightFile file;
  const std::uint64_t up = file.Add(64 * 32, 2), down = file.Add(32 * 64, 3),
                      gain = file.Add(32, 4);
  std::string text = "func main<ios18>(tensor<fp16, [1, 32, 1, 32]> x) {\n";
  text += kConvolution;
  text += WeightText("up", "tensor<fp16, [64, 32, 1, 1]>", up);
  text += WeightText("down", "tensor<fp16, [32, 64, 1, 1]>", down);
  text += WeightText("gain", "tensor<fp16, [1, 32, 1, 1]>", gain);
  text += Convolution("tensor<fp16, [1, 64, 1, 32]>", "h", "up", "x");
  text += "  tensor<fp16, [1, 64, 1, 32]> r = relu(x = h)[name = string(\"r\")];\n";
  text += Convolution("tensor<fp16, [1, 32, 1, 32]>", "d", "down", "r");
  text += "  tensor<fp16, [1, 32, 1, 32]> y = mul(x = d, y = gain)[name = string(\"y\")];\n";
  text += "} -> (y);\n";
  return {"many weights", {InProgram(text), file.bytes()}, {"x"}, {"y"}};
}

// Two procedures of which the first is run. The table of symbols is of both, so that
// what the first one reads has neither the first index nor all of them.
inline TestProgram Bank() {
  return {"bank",
          {InProgram(R"(
func procedure000<ios18>(tensor<fp16, [1, 32, 1, 32]> x, tensor<fp16, [1, 32, 1, 32]> b) {
  tensor<fp16, [1, 32, 1, 32]> y = sub(x = x, y = b)[name = string("y")];
} -> (y);
func procedure001<ios18>(tensor<fp16, [1, 32, 1, 64]> a, tensor<fp16, [1, 32, 1, 64]> c) {
  tensor<fp16, [1, 32, 1, 64]> w = sub(x = a, y = c)[name = string("w")];
} -> (w);
)"),
           {}},
          {"b", "x"},
          {"y"}};
}

// Programs that differ in their text alone, for counting how many there can be.
inline TestProgram Numbered(int number) {
  const std::string name = StrCat("y", number);
  return {StrCat("number ", number),
          {InProgram(StrCat("func main<ios18>(tensor<fp16, [1, 32, 1, 32]> x) {\n"
                            "  tensor<fp16, [1, 32, 1, 32]> ",
                            name, " = add(x = x, y = x)[name = string(\"", name, "\")];\n} -> (",
                            name, ");\n")),
           {}},
          {"x"},
          {name}};
}

// One op on x and nothing else; `type` is also that of the result.
inline TestProgram OneOp(std::string_view name, std::string_view type, std::string_view op) {
  return {std::string(name),
          {InProgram(StrCat("func main<ios18>(", type, " x) {\n  ", type, " y = ", op,
                            "[name = string(\"y\")];\n} -> (y);\n")),
           {}},
          {"x"},
          {"y"}};
}

// Seventeen weights of one file, one more than a program may have.
inline TestProgram SeventeenWeights() {
  WeightFile file;
  std::string text = "func main<ios18>(tensor<fp16, [1, 32, 1, 32]> x) {\n";
  text += kConvolution;
  std::string last = "x";
  for (int i = 0; i < 17; ++i) {
    const std::string weight = StrCat("w", i), result = i == 16 ? "y" : StrCat("h", i);
    text += WeightText(weight, "tensor<fp16, [32, 32, 1, 1]>", file.Add(32 * 32, 100));
    text += Convolution("tensor<fp16, [1, 32, 1, 32]>", result, weight, last);
    last = result;
  }
  return {"seventeen weights", {InProgram(text + "} -> (y);\n"), file.bytes()}, {"x"}, {"y"}};
}

// A weight file that ends before its record does.
inline TestProgram CutWeights() {
  TestProgram test = ManyWeights();
  test.name = "cut weights";
  test.image.weights.resize(test.image.weights.size() - 64);
  return test;
}

// What the compiler, the loader or the engine does not take.
inline std::vector<TestProgram> BrokenPrograms() {
  constexpr std::string_view kUsual = "tensor<fp16, [1, 32, 1, 32]>";
  TestProgram no_file = ManyWeights();
  no_file.name = "no weight file";
  no_file.image.weights.clear();
  return {OneOp("rsqrt", kUsual, "rsqrt(x = x)"),
          OneOp("unknown op", kUsual, "frobnicate(x = x)"),
          OneOp("undefined operand", kUsual, "add(x = x, y = z)"),
          OneOp("too narrow", "tensor<fp16, [1, 32, 1, 8]>", "add(x = x, y = x)"),
          {"not the grammar", {"program(1.3) { nonsense }", {}}, {}, {}},
          SeventeenWeights(),
          CutWeights(),
          std::move(no_file)};
}

inline std::vector<TestProgram> AllPrograms() {
  return {LoraLinear(), TwoOutputs(), ManyWeights(), Bank(), Numbered(1)};
}

}  // namespace attune::ane::testing
