#include "unit/ane/constraints/cases.h"

namespace attune::ane {
namespace {

std::string Type(const std::string& dims, const std::string& dtype = "fp16") {
  return "tensor<" + dtype + ", [" + dims + "]>";
}
std::string Constant(const std::string& name, const std::string& dims) {
  return WeightText(name, 64, "@model_path/weights/weight.bin", Type(dims));
}

// relu of an input of these extents.
std::string ReluOf(const std::string& dims, const std::string& dtype = "fp16") {
  return TextOf(Let("y", "relu(x=x)", Type(dims, dtype)), "y", Type(dims, dtype) + " x");
}

// A convolution between so many channels.
std::string ConvOf(int inputs, int outputs) {
  const std::string in = std::to_string(inputs), out = std::to_string(outputs);
  return TextOf(
      Constant("w", out + "," + in + ",1,1") + Let("y", Conv("w"), Type("1," + out + ",1,32")), "y",
      Type("1," + in + ",1,32") + " x");
}

std::string KernelOf(const std::string& kernel, const std::string& batch) {
  return TextOf(Constant("w", "8,8," + kernel) + Let("y", Conv("w"), Type(batch + ",8,32,32")), "y",
                Type(batch + ",8,32,32") + " x");
}

std::string ArgmaxOf(const std::string& extent) {
  return TextOf(Let("i", "reduce_argmax(axis=int32(1), keep_dims=bool(true), x=x)",
                    Type("1,1,1,32", "int32")) +
                    Let("y", "relu(x=x)", Type("1," + extent + ",1,32")),
                "y", Type("1," + extent + ",1,32") + " x");
}

std::string SliceFrom(const std::string& begin) {
  return TextOf("tensor<int32, [4]> b = const()[val=tensor<int32, [4]>([" + begin + "])];\n" +
                    Let("y", "slice_by_size(x=x, begin=b, size=tensor<int32,[4]>([1,32,1,32]))",
                        Type("1,32,1,32")),
                "y", Type("1,64,1,64") + " x");
}

std::string IndexSlice(const std::string& mask) {
  return TextOf(
      Let("y",
          "slice_by_index(x=x, begin=tensor<int32,[4]>([0,0,0,32]), "
          "end=tensor<int32,[4]>([1,64,1,64]), begin_mask=tensor<bool,[4]>([true,true,true," +
              mask + "]))",
          Type("1,64,1,32")),
      "y", Type("1,64,1,64") + " x");
}

// Both halves of a width, the second negated and first, along `axis`.
std::string Rotation(const std::string& axis) {
  const std::string half = Type("1,64,1,32");
  return TextOf(Let("a",
                    "slice_by_size(x=x, begin=tensor<int32,[4]>([0,0,0,0]), "
                    "size=tensor<int32,[4]>([1,64,1,32]))",
                    half) +
                    Let("b",
                        "slice_by_size(x=x, begin=tensor<int32,[4]>([0,0,0,32]), "
                        "size=tensor<int32,[4]>([1,64,1,32]))",
                        half) +
                    Let("n", "mul(x=b, y=fp16(-1))", half) +
                    Let("y",
                        "concat(axis=int32(" + axis +
                            "), interleave=bool(false), "
                            "values=(n, a))",
                        axis == "1" ? Type("1,128,1,32") : Type("1,64,1,64")),
                "y", Type("1,64,1,64") + " x");
}

}  // namespace

std::vector<Case> ShapeCases() {
  const Target m1 = {Chip::kM1, 26}, m5 = {Chip::kM5Max, 26};
  return {
      {"shapes.rank", ReluOf("1,1,1,8,8,32"), ReluOf("1,1,64,1,32")},
      {"shapes.extent", ReluOf("1,65537,1,32"), ReluOf("1,65536,1,32")},
      {"shapes.extent", ReluOf("1,8,1,65568"), ReluOf("1,8,1,65536")},
      {"shapes.extent", ReluOf("1,8,1,32768"), ReluOf("1,8,1,16384"), m1},
      {"shapes.extent", ReluOf("1,0,1,32"), ReluOf("1,1,1,32")},
      {"shapes.conv_inputs", ConvOf(32000, 64), ConvOf(31968, 64)},
      {"shapes.conv_outputs", ConvOf(64, 62081), ConvOf(64, 62080)},
      {"shapes.kernel", KernelOf("1,17", "1"), KernelOf("1,16", "1")},
      {"shapes.conv_batch", KernelOf("3,3", "64"), KernelOf("1,1", "64"), m1},
      {"shapes.conv_batch", KernelOf("3,3", "64"), KernelOf("3,3", "32"), m1},
      {"shapes.argmax", ArgmaxOf("2080"), ArgmaxOf("2048")},
      {"widths.minimum", ReluOf("1,64,1,8"), ReluOf("1,64,1,32")},
      {"widths.minimum", ReluOf("8"), ReluOf("64"), m5},
      {"widths.multiple_16", ReluOf("1,64,1,24"), ReluOf("1,64,1,32")},
      {"widths.zeros", ReluOf("1,64,1,16"), ReluOf("1,64,1,32"), m5},
      {"widths.rows", ReluOf("1,64,1,16"), ReluOf("1,64,1,16", "fp32")},
      {"widths.rows", ReluOf("1,64,1,131"), ReluOf("1,64,1,160"), m5},
      {"widths.slice", SliceFrom("0,0,0,32"), SliceFrom("0,32,0,0"), m1},
      {"widths.slice", IndexSlice("false"), IndexSlice("true"), {Chip::kM2, 15}},
      {"widths.rotation", Rotation("3"), Rotation("1"), {Chip::kM3Ultra, 26}},
      {"widths.rotation", Rotation("-1"), Rotation("1"), {Chip::kM3Ultra, 26}},
  };
}

}  // namespace attune::ane
