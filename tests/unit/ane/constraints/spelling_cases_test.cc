#include "unit/ane/constraints/cases.h"

namespace attune::ane {
namespace {

const std::string kRelu = Let("y", "relu(x=x)");

// Convolutions one on the other, all of one weight.
std::string Stacked(int layers) {
  std::string body = WeightText("w", 64);
  std::string last = "x";
  for (int i = 0; i < layers; ++i) {
    const std::string name = i + 1 == layers ? "y" : "c" + std::to_string(i);
    body += Let(name, Conv("w", last));
    last = name;
  }
  return TextOf(body);
}

// Two functions of a program, which need names of their own.
std::string Bank(const std::string& first, const std::string& second) {
  const std::string one = TextOf(kRelu);
  const std::size_t begin = one.find("func"), end = one.rfind('}');
  const std::string function = one.substr(begin, end - begin);
  return one.substr(0, begin) + Replaced(function, "main", first) +
         Replaced(function, "main", second) + "}";
}

}  // namespace

std::vector<Case> SpellingCases() {
  const std::string bf16 = "tensor<bf16, [1,64,1,32]>";
  const std::string fp16 = "tensor<fp16, [1,64,1,32]>";
  const std::string less = "less(x=x, y=fp16(0))";
  const std::string less_type = "tensor<bool, [1,64,1,64]>";
  const std::string wide = "tensor<fp16, [1,64,1,64]>";
  const std::string buffer =
      "tensor_buffer<fp16, shape=[1,8,1,40], strides=[320,40,40,1], "
      "interleave_factors=[1,1,1,1]> x";
  const std::string from_buffer =
      Let("t", "tensor_buffer_to_tensor<ios17>(input=x)", "tensor<fp16, [1,8,1,40]>") +
      Let("y",
          "slice_by_size(x=t, begin=tensor<int32,[4]>([0,0,0,0]), "
          "size=tensor<int32,[4]>([1,8,1,32]))",
          "tensor<fp16, [1,8,1,32]>");
  const std::string int4 =
      "tensor<uint4, [64,64,1,1]> d = const()[val=" + BlobText("tensor<uint4, [64,64,1,1]>", 64) +
      "];\n";
  const std::string dequantized =
      Let("w", "constexpr_lut_to_dense(indices=d, lut=tensor<fp16,[1]>([1]))", kWeightType);
  return {
      {"spelling.opset", Replaced(TextOf(kRelu), "ios18", "ios19"), TextOf(kRelu)},
      {"spelling.opset", Replaced(TextOf(kRelu), "ios18", "macos27"),
       Replaced(TextOf(kRelu), "ios18", "ios16")},
      {"spelling.typed_literals", TextOf(Let("y", "softmax(axis=-1, x=x)")),
       TextOf(Let("y", "softmax(axis=int32(-1), x=x)"))},
      {"spelling.typed_literals", TextOf("bool no = const()[val=false];" + kRelu),
       TextOf("bool no = const()[val=bool(false)];" + kRelu)},
      {"spelling.typed_literals",
       TextOf(Let("y", "reduce_sum(axes=[1], keep_dims=bool(true), x=x)")),
       TextOf(Let("y", "reduce_sum(axes=tensor<int32,[1]>([1]), keep_dims=bool(true), x=x)"))},
      {"spelling.const_value", TextOf("fp16 c = const();" + kRelu),
       TextOf("fp16 c = const()[val=fp16(1)];" + kRelu)},
      {"spelling.const_value", TextOf("fp16 c = const()[val=fp32(1)];" + kRelu),
       TextOf("fp16 c = const()[val=tensor<fp16, []>(1)];" + kRelu)},
      {"types.bf16", TextOf(kRelu, "y", bf16 + " x"), TextOf(kRelu)},
      {"types.bf16", TextOf(Let("b", "cast(dtype=string(\"bf16\"), x=x)", bf16) + kRelu),
       TextOf(Let("b", "cast(dtype=string(\"fp16\"), x=x)") + kRelu)},
      {"types.packed", TextOf(int4 + Let("y", Conv("d"))),
       TextOf(int4 + dequantized + Let("y", Conv("w")))},
      {"types.packed", TextOf(kRelu, "y", "tensor<int4, [1,64,1,128]> x"),
       TextOf(kRelu, "y", "tensor<int8, [1,64,1,64]> x")},
      {"types.surface", TextOf(kRelu, "y", "tensor<int64, [1,64,1,32]> i, " + fp16 + " x"),
       TextOf(kRelu, "y", "tensor<int32, [1,64,1,32]> i, " + fp16 + " x")},
      {"types.bool_surface", TextOf(Let("y", less, less_type), "y", wide + " x"),
       TextOf(Let("l", less, less_type) + Let("y", "select(cond=l, a=x, b=x)", wide), "y",
              wide + " x")},
      {"types.bool_surface", TextOf(kRelu, "y", "tensor<bool, [1,64,1,64]> x"),
       TextOf(kRelu, "y", "tensor<fp16, [1,64,1,64]> x")},
      {"types.int32_cast",
       TextOf(Let("i", "cast(dtype=string(\"int32\"), x=x)", "tensor<int32, [1,64,1,32]>") + kRelu),
       TextOf(Let("i", "cast(dtype=string(\"fp32\"), x=x)", "tensor<fp32, [1,64,1,32]>") + kRelu),
       {Chip::kM1, 26}},
      {"types.buffer_rows",
       TextOf(from_buffer, "y", buffer),
       TextOf(from_buffer, "y", Replaced(buffer, "[320,40,40,1]", "[512,64,64,1]")),
       {Chip::kM5, 26}},
      {"functions.unique", Bank("p0", "p0"), Bank("p0", "p1")},
      {"functions.depth", Stacked(512), Stacked(256)},
      {"names.unique", TextOf(Let("a", "relu(x=x)") + Let("a", "exp(x=x)") + kRelu),
       TextOf(Let("a", "relu(x=x)") + Let("b", "exp(x=x)") + kRelu)},
      {"names.unique",
       TextOf(kRelu, "y", "tensor<fp16, [1,64,1,32]> x, tensor<fp16, [1,64,1,32]> x"),
       TextOf(kRelu, "y", "tensor<fp16, [1,64,1,32]> x, tensor<fp16, [1,64,1,32]> z")},
      {"names.defined", TextOf(Let("y", "relu(x=a)") + Let("a", "exp(x=x)")),
       TextOf(Let("a", "exp(x=x)") + Let("y", "relu(x=a)"))},
      {"names.defined", TextOf(Let("y", "add(x=x, y=nothing)")), TextOf(Let("y", "add(x=x, y=x)"))},
      {"outputs.produced", TextOf(kRelu, "z"), TextOf(kRelu)},
      {"outputs.produced", TextOf(kRelu, "y, x"), TextOf(kRelu + Let("z", "abs(x=x)"), "y, z")},
      {"outputs.produced", TextOf(kRelu, ""), TextOf(kRelu)},
      {"outputs.sole_identity",
       TextOf(kRelu + Let("z", "identity(x=y)"), "z"),
       TextOf(kRelu + Let("z", "identity(x=y)"), "y, z"),
       {Chip::kM5Max, 27}},
      {"outputs.matmul_reshape",
       TextOf(Let("m", Matmul("x", "z"), "tensor<fp16, [1,1,32,32]>") +
                  Let("y", "reshape(shape=tensor<int32,[4]>([1,32,1,32]), x=m)",
                      "tensor<fp16, [1,32,1,32]>"),
              "y", "tensor<fp16, [1,1,32,32]> x, tensor<fp16, [1,1,32,32]> z"),
       TextOf(Let("m", Matmul("x", "z"), "tensor<fp16, [1,1,32,32]>") +
                  Let("y", "reshape(shape=tensor<int32,[4]>([1,32,1,32]), x=m)",
                      "tensor<fp16, [1,32,1,32]>"),
              "y, m", "tensor<fp16, [1,1,32,32]> x, tensor<fp16, [1,1,32,32]> z")},
  };
}

}  // namespace attune::ane
