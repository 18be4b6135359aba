#include <cmath>

#include "base/philox.h"
#include "graph/ops/schemas.h"
#include "graph/ops/shape_rules.h"

namespace attune::ops {
namespace {

using Inputs = std::span<const ReferenceTensor* const>;
using Outputs = std::span<ReferenceTensor>;

Status ExpectSameShapes(Types in, std::size_t count) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, count));
  for (std::size_t i = 0; i < count; ++i) {
    ATTUNE_RETURN_IF_ERROR(ExpectF32("operand", in[i], in[0].shape));
  }
  return OkStatus();
}

template <int kOperands>
Inferred InferSame(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectSameShapes(in, kOperands));
  return std::vector{in[0]};
}

void AddReference(const Attributes&, Inputs in, Outputs out) {
  for (std::size_t i = 0; i < out[0].data.size(); ++i)
    out[0].data[i] = in[0]->data[i] + in[1]->data[i];
}
void AddGradient(GradientContext& context) {
  for (std::size_t i = 0; i < 2; ++i) {
    if (context.wants(i)) context.Set(i, context.output_gradient(0));
  }
}

void MulReference(const Attributes&, Inputs in, Outputs out) {
  for (std::size_t i = 0; i < out[0].data.size(); ++i)
    out[0].data[i] = in[0]->data[i] * in[1]->data[i];
}
void MulGradient(GradientContext& context) {
  for (std::size_t i = 0; i < 2; ++i) {
    if (context.wants(i)) {
      context.Set(i, context.builder().Mul(context.output_gradient(0), context.input(1 - i)));
    }
  }
}

void ScaleReference(const Attributes& attributes, Inputs in, Outputs out) {
  const double factor = std::get<ScaleAttrs>(attributes).factor;
  for (std::size_t i = 0; i < out[0].data.size(); ++i) out[0].data[i] = factor * in[0]->data[i];
}
void ScaleGradient(GradientContext& context) {
  if (!context.wants(0)) return;
  context.Set(0, context.builder().Scale(context.output_gradient(0),
                                         context.node().attrs<ScaleAttrs>().factor));
}

double Sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

constexpr double kSqrt2OverPi = 0.7978845608028654;
constexpr double kGeluCubic = 0.044715;

double Apply(UnaryFunction function, double x) {
  switch (function) {
    case UnaryFunction::kSilu:
      return x * Sigmoid(x);
    case UnaryFunction::kGelu:
      return 0.5 * x * (1.0 + std::erf(x * M_SQRT1_2));
    case UnaryFunction::kGeluTanh:
      return 0.5 * x * (1.0 + std::tanh(kSqrt2OverPi * (x + kGeluCubic * x * x * x)));
    case UnaryFunction::kRelu:
      return x > 0 ? x : 0;
    case UnaryFunction::kTanh:
      return std::tanh(x);
    case UnaryFunction::kSigmoid:
      return Sigmoid(x);
  }
  return 0;
}

double Derivative(UnaryFunction function, double x) {
  switch (function) {
    case UnaryFunction::kSilu:
      return Sigmoid(x) * (1.0 + x * (1.0 - Sigmoid(x)));
    case UnaryFunction::kGelu:
      return 0.5 * (1.0 + std::erf(x * M_SQRT1_2)) +
             x * std::exp(-0.5 * x * x) * 0.3989422804014327;
    case UnaryFunction::kGeluTanh: {
      const double t = std::tanh(kSqrt2OverPi * (x + kGeluCubic * x * x * x));
      return 0.5 * (1.0 + t) +
             0.5 * x * (1.0 - t * t) * kSqrt2OverPi * (1.0 + 3.0 * kGeluCubic * x * x);
    }
    case UnaryFunction::kRelu:
      return x > 0 ? 1 : 0;
    case UnaryFunction::kTanh:
      return 1.0 - std::tanh(x) * std::tanh(x);
    case UnaryFunction::kSigmoid:
      return Sigmoid(x) * (1.0 - Sigmoid(x));
  }
  return 0;
}

void UnaryReference(const Attributes& attributes, Inputs in, Outputs out) {
  const auto function = std::get<UnaryAttrs>(attributes).function;
  for (std::size_t i = 0; i < out[0].data.size(); ++i)
    out[0].data[i] = Apply(function, in[0]->data[i]);
}
void UnaryGradient(GradientContext& context) {
  if (!context.wants(0)) return;
  context.Set(0, context.builder().Emit(OpKind::kUnaryGrad, context.node().attributes,
                                        {context.input(0), context.output_gradient(0)})[0]);
}
void UnaryGradReference(const Attributes& attributes, Inputs in, Outputs out) {
  const auto function = std::get<UnaryAttrs>(attributes).function;
  for (std::size_t i = 0; i < out[0].data.size(); ++i) {
    out[0].data[i] = in[1]->data[i] * Derivative(function, in[0]->data[i]);
  }
}

void SwiGluReference(const Attributes&, Inputs in, Outputs out) {
  for (std::size_t i = 0; i < out[0].data.size(); ++i) {
    out[0].data[i] = Apply(UnaryFunction::kSilu, in[0]->data[i]) * in[1]->data[i];
  }
}
void SwiGluGradient(GradientContext& context) {
  const auto gradients = context.builder().Emit(
      OpKind::kSwiGluGrad, {}, {context.input(0), context.input(1), context.output_gradient(0)});
  context.Set(0, gradients[0]);
  context.Set(1, gradients[1]);
}
Inferred InferSwiGluGrad(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectSameShapes(in, 3));
  return std::vector{in[0], in[0]};
}
void SwiGluGradReference(const Attributes&, Inputs in, Outputs out) {
  for (std::size_t i = 0; i < out[0].data.size(); ++i) {
    const double gate = in[0]->data[i], up = in[1]->data[i], dy = in[2]->data[i];
    out[0].data[i] = dy * up * Derivative(UnaryFunction::kSilu, gate);
    out[1].data[i] = dy * Apply(UnaryFunction::kSilu, gate);
  }
}

Inferred InferCast(const Attributes& attributes, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 1));
  ATTUNE_RETURN_IF_ERROR(ExpectFloat("x", in[0]));
  const ValueType target{std::get<CastAttrs>(attributes).dtype, in[0].shape};
  ATTUNE_RETURN_IF_ERROR(ExpectFloat("target", target));
  return std::vector{target};
}
void CastReference(const Attributes&, Inputs in, Outputs out) { out[0].data = in[0]->data; }
void CastGradient(GradientContext& context) {
  if (!context.wants(0)) return;
  const DType dtype = context.builder().graph().value(context.input(0)).type.dtype;
  context.Set(0, context.builder().Cast(context.output_gradient(0), dtype));
}

Inferred InferDropout(const Attributes& attributes, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 2));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("x", in[0]));
  ATTUNE_RETURN_IF_ERROR(ExpectInt("seed", in[1], {2}));
  const float p = std::get<DropoutAttrs>(attributes).probability;
  if (!(p >= 0 && p < 1)) return InvalidArgument(StrCat("probability ", p, ", must be in [0, 1)"));
  return std::vector{in[0]};
}
// Element i is dropped when lane i % 4 of Philox(counter (i / 4, salt), key
// seed) is below p * 2^32.
void DropoutReference(const Attributes& attributes, Inputs in, Outputs out) {
  const auto& attrs = std::get<DropoutAttrs>(attributes);
  const auto threshold =
      static_cast<std::uint32_t>(static_cast<double>(attrs.probability) * 0x1p32);
  const auto word = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(in[1]->data[i]));
  };
  for (std::size_t i = 0; i < out[0].data.size(); ++i) {
    const auto draw = Philox4x32({static_cast<std::uint32_t>(i / 4), attrs.salt, 0, 0},
                                 {word(0), word(1)})[i % 4];
    out[0].data[i] = draw < threshold ? 0 : in[0]->data[i] / (1.0 - attrs.probability);
  }
}
void DropoutGradient(GradientContext& context) {
  if (!context.wants(0)) return;
  context.Set(0, context.builder().Dropout(context.output_gradient(0), context.input(1),
                                           context.node().attrs<DropoutAttrs>()));
}

}  // namespace

const OpSchema kAddSchema{"add", InferSame<2>, AddReference, AddGradient, 0};
const OpSchema kMulSchema{"mul", InferSame<2>, MulReference, MulGradient, 0};
const OpSchema kScaleSchema{"scale", InferSame<1>, ScaleReference, ScaleGradient, 0};
const OpSchema kUnarySchema{"unary", InferSame<1>, UnaryReference, UnaryGradient, 0};
const OpSchema kUnaryGradSchema{"unary_grad", InferSame<2>, UnaryGradReference, nullptr, 1};
const OpSchema kSwiGluSchema{"swiglu", InferSame<2>, SwiGluReference, SwiGluGradient, 0};
const OpSchema kSwiGluGradSchema{"swiglu_grad", InferSwiGluGrad, SwiGluGradReference};
const OpSchema kCastSchema{"cast", InferCast, CastReference, CastGradient};
const OpSchema kDropoutSchema{"dropout", InferDropout, DropoutReference, DropoutGradient, 0};

}  // namespace attune::ops
