#include "ane/simulator/kernels/scalar_math.h"

#include <algorithm>
#include <cmath>

#include "ane/simulator/tables.h"

namespace attune::ane {
namespace {

// What the hardware gives for log(0).
constexpr float kLogOfZero = -45440;
constexpr float kSqrt2OverPi = 0.797884561f;

float Sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

float Logarithm(const UnaryArgs& args, float x) {
  const float shifted = x + args.alpha;
  if (args.log_of_zero && shifted == 0) return kLogOfZero;
  return std::log(shifted);
}

float Gelu(UnaryOp op, float x) {
  if (op == UnaryOp::kGeluExact) return 0.5f * x * std::erfc(-x * 0.707106781f);
  if (op == UnaryOp::kGeluSigmoid) return x * Sigmoid(1.702f * x);
  const float z = kSqrt2OverPi * (x + 0.044715f * x * x * x);
  return 0.5f * x * (1 + std::tanh(z));
}

Tabulated TableOfGelu(UnaryOp op) {
  if (op == UnaryOp::kGeluExact) return Tabulated::kGelu;
  return op == UnaryOp::kGeluTanh ? Tabulated::kGeluTanh : Tabulated::kGeluSigmoid;
}

float Activation(const UnaryArgs& args, float x) {
  switch (args.op) {
    case UnaryOp::kSigmoid:
      return args.table ? FromTable(Tabulated::kSigmoid, x) : Sigmoid(x);
    case UnaryOp::kTanh:
      return args.table ? FromTable(Tabulated::kTanh, x) : std::tanh(x);
    case UnaryOp::kSilu:
      return args.table ? FromTable(Tabulated::kSilu, x) : x * Sigmoid(x);
    case UnaryOp::kScaledTanh:
      return args.alpha *
             (args.table ? FromTable(Tabulated::kTanh, args.beta * x) : std::tanh(args.beta * x));
    case UnaryOp::kHardSigmoid:
      return std::min(std::max(args.alpha * x + args.beta, 0.0f), 1.0f);
    case UnaryOp::kThresholdedRelu:
      return x >= args.alpha ? x : 0;
    case UnaryOp::kElu:
      return x < 0 ? args.alpha * std::expm1(x) : x;
    case UnaryOp::kSoftplus:
      // The hardware gives 0 for an infinite argument.
      if (args.table && std::isinf(x)) return 0;
      return std::max(x, 0.0f) + std::log1p(std::exp(-std::abs(x)));
    case UnaryOp::kSoftsign:
      return x / (1 + std::abs(x));
    default:
      return args.table ? FromTable(TableOfGelu(args.op), x) : Gelu(args.op, x);
  }
}

float Trigonometric(UnaryOp op, float x) {
  switch (op) {
    case UnaryOp::kSin:
      return std::sin(x);
    case UnaryOp::kCos:
      return std::cos(x);
    case UnaryOp::kTan:
      return std::tan(x);
    case UnaryOp::kAsin:
      return std::asin(x);
    case UnaryOp::kAcos:
      return std::acos(x);
    case UnaryOp::kAtan:
      return std::atan(x);
    case UnaryOp::kSinh:
      return std::sinh(x);
    case UnaryOp::kCosh:
      return std::cosh(x);
    default:
      return std::atanh(x);
  }
}

}  // namespace

float Power(float x, float y) {
  if (y == -0.5f) return 1 / std::sqrt(x);
  if (y == 2) return x * x;
  return std::pow(x, y);
}

float ScalarUnary(const UnaryArgs& args, float x) {
  switch (args.op) {
    case UnaryOp::kExp2:
      return std::exp2(x);
    case UnaryOp::kLog:
      return Logarithm(args, x);
    case UnaryOp::kSign:
      return static_cast<float>((x > 0) - (x < 0));
    case UnaryOp::kFloor:
      return std::floor(x);
    case UnaryOp::kCeil:
      return std::ceil(x);
    case UnaryOp::kRound:
      return std::nearbyint(x);
    case UnaryOp::kTruncate:
      return std::trunc(x);
    case UnaryOp::kNot:
      return x == 0 ? 1 : 0;
    case UnaryOp::kErf:
      return std::erf(x);
    default:
      return args.op >= UnaryOp::kSin ? Trigonometric(args.op, x) : Activation(args, x);
  }
}

}  // namespace attune::ane
