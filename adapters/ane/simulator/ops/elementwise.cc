// Ops that compute each element of the result from one element of each operand.

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ane/simulator/call.h"
#include "ane/simulator/kernels/elementwise.h"
#include "ane/simulator/ops/broadcast.h"
#include "ane/simulator/ops/emit.h"
#include "base/strings.h"

namespace attune::ane {

Rounding RoundingOf(const Numerics& numerics, mil::DataType dtype) {
  if (!mil::IsReal(dtype)) return {.half = false, .no_nan = false};
  return {.half = numerics.half, .no_nan = numerics.half && numerics.nan_to_infinity};
}

Result<Value> EmitBinary(Call& call, BinaryOp op, const Value& x, const Value& y,
                         mil::DataType dtype) {
  const std::array<Dims, 2> shapes = {x.type.dims, y.type.dims};
  const std::optional<Dims> dims = Broadcast(shapes);
  if (!dims) {
    return call.Fail(StrCat("shapes [", StrJoin(shapes[0], ","), "] and [", StrJoin(shapes[1], ","),
                            "] do not broadcast"));
  }
  ATTUNE_ASSIGN_OR_RETURN(const Value z, call.New(dtype, *dims));
  const BroadcastPlan plan = PlanBroadcast(shapes, *dims);
  const Rounding rounding = RoundingOf(call.numerics(), dtype);
  const Place px = call.At(x), py = call.At(y), pz = z.place;
  RowSpread spread = RowSpread::kNone;
  if (plan.inner > 1 && plan.steps[0] == 0) spread = RowSpread::kLeft;
  if (plan.inner > 1 && plan.steps[1] == 0) spread = RowSpread::kRight;
  Effect effect = {.reads = {x, y}, .writes = {z}, .in_place = true};
  effect.elementwise_flops = static_cast<double>(*ElementsOf(*dims));
  call.Emit(effect, [=](const Lane& lane) {
    ForParts(plan, lane, [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
      const auto offsets = plan.Offsets(row);
      BinaryRow(op, spread, lane.At(px) + offsets[0] + begin * plan.steps[0],
                lane.At(py) + offsets[1] + begin * plan.steps[1],
                lane.At(pz) + row * plan.inner + begin, end - begin, rounding);
    });
  });
  return z;
}

Result<Value> EmitUnary(Call& call, UnaryArgs args, const Value& x, mil::DataType dtype) {
  ATTUNE_ASSIGN_OR_RETURN(const Value z, call.New(dtype, x.type.dims));
  args.rounding = RoundingOf(call.numerics(), dtype);
  args.table = call.numerics().half && call.numerics().table_activations;
  args.log_of_zero = args.rounding.no_nan;
  const std::int64_t n = *ElementsOf(x.type.dims);
  const Place px = call.At(x), pz = z.place;
  Effect effect = {.reads = {x}, .writes = {z}, .in_place = true};
  effect.elementwise_flops = static_cast<double>(n);
  call.Emit(effect, [=](const Lane& lane) {
    const WorkRange range = lane.Range(n, 64);
    UnaryRow(args, lane.At(px) + range.begin, lane.At(pz) + range.begin, range.end - range.begin);
  });
  return z;
}

namespace {

template <BinaryOp kOp>
Status BuildBinary(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  ATTUNE_ASSIGN_OR_RETURN(const Value y, call.Tensor("y"));
  if (x.type.dtype != y.type.dtype) {
    return call.Fail(StrCat("x is ", mil::ToString(x.type), ", y is ", mil::ToString(y.type),
                            ": their element types differ"));
  }
  constexpr bool kTruth = kOp >= BinaryOp::kLess;
  const mil::DataType dtype = kTruth ? mil::DataType::kBool : x.type.dtype;
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitBinary(call, kOp, x, y, dtype));
  return call.Define(z);
}

template <UnaryOp kOp>
Status BuildUnary(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitUnary(call, {.op = kOp}, x, x.type.dtype));
  return call.Define(z);
}

// `alpha` and `beta` under the names and with the defaults of the op.
struct Parameters {
  std::string_view alpha;
  float alpha_default;
  std::string_view beta;
  float beta_default;
};

Status BuildWith(Call& call, UnaryOp op, const Parameters& parameters) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  UnaryArgs args = {.op = op};
  ATTUNE_ASSIGN_OR_RETURN(args.alpha, call.FloatOr(parameters.alpha, parameters.alpha_default));
  if (!parameters.beta.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(args.beta, call.FloatOr(parameters.beta, parameters.beta_default));
  }
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitUnary(call, args, x, x.type.dtype));
  return call.Define(z);
}

Status BuildLog(Call& call) {
  return BuildWith(call, UnaryOp::kLog,
                   {"epsilon", std::numeric_limits<float>::denorm_min(), "", 0});
}
Status BuildInverse(Call& call) {
  return BuildWith(call, UnaryOp::kInverse, {"epsilon", 1e-4f, "", 0});
}
Status BuildClip(Call& call) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  return BuildWith(call, UnaryOp::kClip, {"alpha", -kInfinity, "beta", kInfinity});
}
Status BuildRelu6(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  const UnaryArgs args = {.op = UnaryOp::kClip, .alpha = 0, .beta = 6};
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitUnary(call, args, x, x.type.dtype));
  return call.Define(z);
}
Status BuildThreshold(Call& call) {
  return BuildWith(call, UnaryOp::kThreshold, {"alpha", 0, "", 0});
}
Status BuildThresholdedRelu(Call& call) {
  return BuildWith(call, UnaryOp::kThresholdedRelu, {"alpha", 1, "", 0});
}
Status BuildLeakyRelu(Call& call) {
  return BuildWith(call, UnaryOp::kLeakyRelu, {"alpha", 0.01f, "", 0});
}
Status BuildElu(Call& call) { return BuildWith(call, UnaryOp::kElu, {"alpha", 1, "", 0}); }
Status BuildLinear(Call& call) {
  return BuildWith(call, UnaryOp::kLinear, {"alpha", 1, "beta", 0});
}
Status BuildHardSigmoid(Call& call) {
  return BuildWith(call, UnaryOp::kHardSigmoid, {"alpha", 0.2f, "beta", 0.5f});
}
Status BuildScaledTanh(Call& call) {
  return BuildWith(call, UnaryOp::kScaledTanh, {"alpha", 1, "beta", 1});
}

Status BuildGelu(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  ATTUNE_ASSIGN_OR_RETURN(const std::string mode, call.TextOr("mode", "EXACT"));
  UnaryArgs args;
  if (mode == "EXACT") {
    args.op = UnaryOp::kGeluExact;
  } else if (mode == "TANH_APPROXIMATION") {
    args.op = UnaryOp::kGeluTanh;
  } else if (mode == "SIGMOID_APPROXIMATION") {
    args.op = UnaryOp::kGeluSigmoid;
  } else {
    return call.Fail(
        StrCat("mode \"", mode, "\" is none of EXACT, TANH_APPROXIMATION, SIGMOID_APPROXIMATION"));
  }
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitUnary(call, args, x, x.type.dtype));
  return call.Define(z);
}

Status BuildCast(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  ATTUNE_ASSIGN_OR_RETURN(const std::string name, call.TextOr("dtype", ""));
  const std::optional<mil::DataType> dtype = mil::ParseDataType(name);
  if (!dtype || *dtype == mil::DataType::kString) {
    return call.Fail(StrCat("dtype \"", name, "\" is not one to cast to"));
  }
  const bool real = mil::IsReal(*dtype);
  // Integers are kept exactly and reals as the hardware keeps them; among themselves
  // both are kept alike whatever their width.
  if (real && !mil::IsReal(x.type.dtype)) {
    ATTUNE_ASSIGN_OR_RETURN(const Value entered,
                            EmitUnary(call, {.op = UnaryOp::kCopy}, x, *dtype));
    return call.Define(entered);
  }
  if (real == mil::IsReal(x.type.dtype)) {
    Value view = call.View(x, x.type.dims);
    view.type.dtype = *dtype;
    return call.Define(view);
  }
  const UnaryArgs args = {.op = UnaryOp::kTruncate};
  if (*dtype == mil::DataType::kBool) {
    Value zero = x;
    zero.type.dims.clear();
    zero.constant = std::make_shared<const Constant>(Constant{.numbers = {0}, .text = ""});
    zero.place = {};
    ATTUNE_ASSIGN_OR_RETURN(const Value truth,
                            EmitBinary(call, BinaryOp::kNotEqual, x, zero, *dtype));
    return call.Define(truth);
  }
  ATTUNE_ASSIGN_OR_RETURN(const Value whole, EmitUnary(call, args, x, *dtype));
  return call.Define(whole);
}

// Elements of a buffer of another layout are still those elements in order.
Status BuildSame(Call& call, std::string_view key) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor(key));
  return call.Define(call.View(x, x.type.dims));
}
Status BuildIdentity(Call& call) { return BuildSame(call, "x"); }
Status BuildBufferCast(Call& call) { return BuildSame(call, "input"); }

Status BuildSelect(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value condition, call.Tensor("cond"));
  ATTUNE_ASSIGN_OR_RETURN(const Value a, call.Tensor("a"));
  ATTUNE_ASSIGN_OR_RETURN(const Value b, call.Tensor("b"));
  if (a.type.dtype != b.type.dtype) return call.Fail("a and b differ in their element type");
  const std::array<Dims, 3> shapes = {condition.type.dims, a.type.dims, b.type.dims};
  const std::optional<Dims> dims = Broadcast(shapes);
  if (!dims) return call.Fail("the shapes of cond, a and b do not broadcast");
  ATTUNE_ASSIGN_OR_RETURN(const Value z, call.New(a.type.dtype, *dims));
  const BroadcastPlan plan = PlanBroadcast(shapes, *dims);
  const Place pc = call.At(condition), pa = call.At(a), pb = call.At(b), pz = z.place;
  Effect effect = {.reads = {condition, a, b}, .writes = {z}, .in_place = true};
  effect.elementwise_flops = static_cast<double>(*ElementsOf(*dims));
  call.Emit(effect, [=](const Lane& lane) {
    ForParts(plan, lane, [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
      const auto offsets = plan.Offsets(row);
      const auto at = [&](const Place& place, std::size_t o) {
        return lane.At(place) + offsets[o] + begin * plan.steps[o];
      };
      const auto step = [&](std::size_t o) { return static_cast<int>(plan.steps[o]); };
      SelectRow(at(pc, 0), step(0), at(pa, 1), step(1), at(pb, 2), step(2),
                lane.At(pz) + row * plan.inner + begin, end - begin);
    });
  });
  return call.Define(z);
}

constexpr OpEntry kOps[] = {
    {"add", "x y", BuildBinary<BinaryOp::kAdd>},
    {"sub", "x y", BuildBinary<BinaryOp::kSub>},
    {"mul", "x y", BuildBinary<BinaryOp::kMul>},
    {"real_div", "x y", BuildBinary<BinaryOp::kDiv>},
    {"maximum", "x y", BuildBinary<BinaryOp::kMaximum>},
    {"minimum", "x y", BuildBinary<BinaryOp::kMinimum>},
    {"pow", "x y", BuildBinary<BinaryOp::kPow>},
    {"floor_div", "x y", BuildBinary<BinaryOp::kFloorDiv>},
    {"mod", "x y", BuildBinary<BinaryOp::kMod>},
    {"less", "x y", BuildBinary<BinaryOp::kLess>},
    {"less_equal", "x y", BuildBinary<BinaryOp::kLessEqual>},
    {"greater", "x y", BuildBinary<BinaryOp::kGreater>},
    {"greater_equal", "x y", BuildBinary<BinaryOp::kGreaterEqual>},
    {"equal", "x y", BuildBinary<BinaryOp::kEqual>},
    {"not_equal", "x y", BuildBinary<BinaryOp::kNotEqual>},
    {"logical_and", "x y", BuildBinary<BinaryOp::kAnd>},
    {"logical_or", "x y", BuildBinary<BinaryOp::kOr>},
    {"logical_xor", "x y", BuildBinary<BinaryOp::kXor>},
    {"logical_not", "x", BuildUnary<UnaryOp::kNot>},
    {"abs", "x", BuildUnary<UnaryOp::kAbs>},
    {"square", "x", BuildUnary<UnaryOp::kSquare>},
    {"sqrt", "x", BuildUnary<UnaryOp::kSqrt>},
    {"exp", "x", BuildUnary<UnaryOp::kExp>},
    {"exp2", "x", BuildUnary<UnaryOp::kExp2>},
    {"log", "x epsilon", BuildLog},
    {"inverse", "x epsilon", BuildInverse},
    {"sign", "x", BuildUnary<UnaryOp::kSign>},
    {"floor", "x", BuildUnary<UnaryOp::kFloor>},
    {"ceil", "x", BuildUnary<UnaryOp::kCeil>},
    {"round", "x", BuildUnary<UnaryOp::kRound>},
    {"clip", "x alpha beta", BuildClip},
    {"threshold", "x alpha", BuildThreshold},
    {"relu", "x", BuildUnary<UnaryOp::kRelu>},
    {"relu6", "x", BuildRelu6},
    {"leaky_relu", "x alpha", BuildLeakyRelu},
    {"thresholded_relu", "x alpha", BuildThresholdedRelu},
    {"elu", "x alpha", BuildElu},
    {"sigmoid", "x", BuildUnary<UnaryOp::kSigmoid>},
    {"sigmoid_hard", "x alpha beta", BuildHardSigmoid},
    {"silu", "x", BuildUnary<UnaryOp::kSilu>},
    {"tanh", "x", BuildUnary<UnaryOp::kTanh>},
    {"scaled_tanh", "x alpha beta", BuildScaledTanh},
    {"linear_activation", "x alpha beta", BuildLinear},
    {"softplus", "x", BuildUnary<UnaryOp::kSoftplus>},
    {"softsign", "x", BuildUnary<UnaryOp::kSoftsign>},
    {"erf", "x", BuildUnary<UnaryOp::kErf>},
    {"gelu", "x mode", BuildGelu},
    {"sin", "x", BuildUnary<UnaryOp::kSin>},
    {"cos", "x", BuildUnary<UnaryOp::kCos>},
    {"tan", "x", BuildUnary<UnaryOp::kTan>},
    {"asin", "x", BuildUnary<UnaryOp::kAsin>},
    {"acos", "x", BuildUnary<UnaryOp::kAcos>},
    {"atan", "x", BuildUnary<UnaryOp::kAtan>},
    {"sinh", "x", BuildUnary<UnaryOp::kSinh>},
    {"cosh", "x", BuildUnary<UnaryOp::kCosh>},
    {"atanh", "x", BuildUnary<UnaryOp::kAtanh>},
    {"cast", "x dtype", BuildCast},
    {"identity", "x", BuildIdentity},
    {"select", "cond a b", BuildSelect},
    {"tensor_buffer_to_tensor", "input", BuildBufferCast},
    {"tensor_to_tensor_buffer", "input interleave_factors strides", BuildBufferCast},
};

}  // namespace

std::span<const OpEntry> ElementwiseOps() { return kOps; }

}  // namespace attune::ane
