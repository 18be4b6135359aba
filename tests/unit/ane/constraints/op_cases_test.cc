#include "unit/ane/constraints/cases.h"

namespace attune::ane {
namespace {

const std::string kInt8 = "tensor<int8, [64,64,1,1]>";

std::string Op(const std::string& rest, const std::string& type = "tensor<fp16, [1,64,1,32]>",
               const std::string& input = "tensor<fp16, [1,64,1,32]>") {
  return TextOf(Let("y", rest, type), "y", input + " x");
}

// Two products, the second of two results of the first kind.
std::string Internal(const std::string& extent) {
  const std::string inner = "tensor<fp16, [1,1,32," + extent + "]>";
  const std::string turned = "tensor<fp16, [1,1," + extent + ",32]>";
  return TextOf(Let("a", Matmul("x", "r"), inner) + Let("b", Matmul("s", "x"), turned) +
                    Let("c", Matmul("a", "b"), "tensor<fp16, [1,1,32,32]>") +
                    Let("y", "relu(x=c)", "tensor<fp16, [1,1,32,32]>"),
                "y",
                "tensor<fp16, [1,1,32,32]> x, tensor<fp16, [1,1,32,32]> r, tensor<fp16, "
                "[1,1,32,32]> s");
}

std::string Dequantized(const std::string& scale, const std::string& more = "") {
  const std::string data = kInt8 + " d = const()[val=" + BlobText(kInt8, 64) + "];\n";
  const std::string scales = scale + " s = const()[val=" + BlobText(scale, 64 + 64 + 4096) + "];\n";
  return TextOf(
      data + scales +
      Let("w", "constexpr_blockwise_shift_scale(data=d, scale=s" + more + ")", kWeightType) +
      Let("y", Conv("w")));
}

std::string OldDequantize(const std::string& op) {
  return TextOf(Let("w", op, kWeightType) + Let("y", Conv("w")));
}

std::string Attention(const std::string& queries, const std::string& keys,
                      const std::string& more = "") {
  const std::string q = "tensor<fp16, [1,8," + queries + ",64]>";
  const std::string k = "tensor<fp16, [1,8," + keys + ",64]>";
  return TextOf(Let("y", "scaled_dot_product_attention(query=q, key=k, value=v" + more + ")", q),
                "y", q + " q, " + k + " k, " + k + " v, tensor<fp16, [1,1,32,32]> m");
}

std::string LayerNorm(const std::string& channels, const std::string& op = "layer_norm") {
  const std::string type = "tensor<fp16, [1," + channels + ",1,32]>";
  return Op(op + "(axes=tensor<int32,[1]>([1]), x=x)", type, type);
}

// A convolution whose weight an input gives, in its place or reshaped, by batch.
std::string RuntimeConv(bool reshaped, const std::string& batch) {
  const std::string x = "tensor<fp16, [" + batch + ",64,1,32]>";
  const std::string shape =
      reshaped ? "tensor<fp16, [1,64,1,64]> p" : "tensor<fp32, [64,64,1,16]> p";
  const std::string weight =
      reshaped ? Let("w", "reshape(shape=tensor<int32,[4]>([64,64,1,1]), x=p)", kWeightType) : "";
  return TextOf(weight + Let("y", Conv(reshaped ? "w" : "p"), x), "y", x + " x, " + shape);
}

}  // namespace

std::vector<Case> OpCases() {
  const Target m1 = {Chip::kM1, 26}, m5 = {Chip::kM5, 27}, old = {Chip::kM4, 15};
  const std::string log = "log(x=x)", pow = Op("pow(x=x, y=fp16(-0.5))");
  const std::string column = "tensor<fp16, [64,1,1,1]>";
  const std::string reduce =
      Let("r", "reduce_sum(axes=tensor<int32,[1]>([1]), keep_dims=bool(true), x=x)",
          "tensor<fp16, [1,1,1,32]>");
  const std::string affine =
      "constexpr_affine_dequantize()[axis=int32(0), quantized_data=" + BlobText(kInt8, 64) +
      ", scale=fp16(0.5), zero_point=int8(0)]";
  const std::string quantized = "tensor<int8, [1,64,1,64]>";
  const std::string list = "tensor<fp16, [64]>([" + [] {
    std::string ones = "1";
    for (int i = 1; i < 64; ++i) ones += ",1";
    return ones;
  }() + "])";
  const std::string quantize = "quantize(input=x, output_dtype=string(\"int8\"), scale=";
  const std::string wide = "tensor<fp16, [1,64,1,64]>";
  return {
      {"ops.rsqrt", Op("rsqrt(epsilon=fp16(0), x=x)"), pow},
      {"ops.tile", Op("tile(reps=tensor<int32,[4]>([1,1,1,1]), x=x)"), pow},
      {"ops.gather", Op("gather(axis=int32(1), indices=x, x=x)"), pow},
      {"ops.stack", Op("stack(axis=int32(0), values=(x, x))"), pow},
      {"ops.l2_norm", Op("l2_norm(epsilon=fp16(0), x=x)"), pow},
      {"ops.gelu_mode", Op("gelu(x=x)"), Op("gelu(mode=string(\"EXACT\"), x=x)")},
      {"ops.conv_bias",
       TextOf(WeightText("w", 64) + Let("y", Conv("w", "x", ", bias=tensor<fp16,[1]>([0])"))),
       TextOf(WeightText("w", 64) + Let("y", Conv("w")))},
      {"ops.concat_arguments",
       Op("concat(axis=int32(1), values=(x, x))", "tensor<fp16, [1,128,1,32]>"),
       Op("concat(axis=int32(1), interleave=bool(false), values=(x, x))",
          "tensor<fp16, [1,128,1,32]>")},
      {"ops.log_epsilon", Op(log), Op("log(epsilon=fp16(0), x=x)")},
      {"ops.affine_dequantize", OldDequantize(affine), Dequantized(column)},
      {"ops.shift_scale", Dequantized("tensor<fp16, [64,2,1,1]>"), Dequantized(column)},
      {"ops.shift_scale", Dequantized("tensor<fp16, [1,1,1,1]>"), Dequantized(column)},
      {"ops.shift_scale", Dequantized(column, ", offset=int8(0)"), Dequantized(column), old},
      {"ops.activation_scale", Op(quantize + list + ")", quantized, wide),
       Op(quantize + list + ", axis=int32(1))", quantized, wide)},
      {"ops.activation_scale",
       Op(quantize + "tensor<fp16, [1,2,1,1]>([1,1]), axis=int32(1))", quantized, wide),
       Op(quantize + "fp16(0.5))", quantized, wide)},
      {"ops.layer_norm", LayerNorm("64"), LayerNorm("64", "reduce_mean"), m1},
      {"ops.wide_layer_norm", LayerNorm("8200"), LayerNorm("8192"), m5},
      {"matmul.same_operand",
       TextOf(Let("y", Matmul("x", "x"), "tensor<fp16, [1,1,32,32]>"), "y",
              "tensor<fp16, [1,1,32,32]> x"),
       TextOf(Let("y", Matmul("x", "z"), "tensor<fp16, [1,1,32,32]>"), "y",
              "tensor<fp16, [1,1,32,32]> x, tensor<fp16, [1,1,32,32]> z")},
      {"matmul.small_internal", Internal("4"), Internal("8"), m5},
      {"ops.reduce_times_zero",
       TextOf(reduce + Let("y", "mul(x=r, y=fp16(0))", "tensor<fp16, [1,1,1,32]>")),
       TextOf(reduce + Let("y", "mul(x=r, y=fp16(1))", "tensor<fp16, [1,1,1,32]>"))},
      {"ops.reduce_times_zero",
       TextOf(reduce + "fp16 z = const()[val=fp16(-0.0)];" +
              Let("y", "mul(x=z, y=r)", "tensor<fp16, [1,1,1,32]>")),
       TextOf(reduce + "fp16 z = const()[val=fp16(0)];" +
              Let("y", "add(x=z, y=r)", "tensor<fp16, [1,1,1,32]>"))},
      {"conv.weight_input", RuntimeConv(false, "1"), RuntimeConv(true, "1")},
      {"conv.runtime_batch", RuntimeConv(true, "2"), RuntimeConv(true, "1")},
      {"attention.mask", Attention("32", "32", ", attn_mask=m"), Attention("32", "32")},
      {"attention.length", Attention("512", "512"), Attention("511", "512")},
      {"attention.length", Attention("32", "2049"), Attention("32", "2048")},
  };
}

}  // namespace attune::ane
