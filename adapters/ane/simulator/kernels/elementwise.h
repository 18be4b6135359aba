// Elementwise operations on rows of f32, rounded as the hardware keeps them.

#pragma once

#include <cstdint>

#include "ane/simulator/kernels/rounding.h"

namespace attune::ane {

enum class BinaryOp : std::uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMaximum,
  kMinimum,
  kPow,
  kFloorDiv,
  kMod,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kEqual,
  kNotEqual,
  kAnd,
  kOr,
  kXor,
};

// Which operands give one element for the whole row.
enum class RowSpread : std::uint8_t { kNone, kLeft, kRight };

// z[i] = op(a[i], b[i]); z may be a or b where that is not spread.
void BinaryRow(BinaryOp op, RowSpread spread, const float* a, const float* b, float* z,
               std::int64_t n, const Rounding& rounding);

enum class UnaryOp : std::uint8_t {
  kCopy,  // Rounds.
  kAbs,
  kSquare,
  kSqrt,
  kExp,
  kExp2,
  kLog,      // Of x + alpha.
  kInverse,  // Of x + alpha.
  kRelu,
  kClip,    // To alpha..beta.
  kLinear,  // alpha * x + beta.
  kSign,
  kFloor,
  kCeil,
  kRound,
  kTruncate,
  kNot,
  kThreshold,  // max(x, alpha).
  kThresholdedRelu,
  kLeakyRelu,
  kElu,
  kSigmoid,
  kHardSigmoid,
  kSilu,
  kTanh,
  kScaledTanh,
  kSoftplus,
  kSoftsign,
  kErf,
  kGeluExact,
  kGeluTanh,
  kGeluSigmoid,
  kSin,
  kCos,
  kTan,
  kAsin,
  kAcos,
  kAtan,
  kSinh,
  kCosh,
  kAtanh,
};

struct UnaryArgs {
  UnaryOp op = UnaryOp::kCopy;
  float alpha = 0, beta = 0;
  bool table = false;        // sigmoid, tanh, gelu, silu from the hardware's tables.
  bool log_of_zero = false;  // Gives -45440 instead of minus infinity.
  Rounding rounding = {};
};

// z[i] = op(x[i]); z may be x.
void UnaryRow(const UnaryArgs& args, const float* x, float* z, std::int64_t n);

// Values from outside: rounded, and a NaN becomes infinite where it cannot stay.
void EnterRow(const Rounding& rounding, const float* x, float* z, std::int64_t n);

// z[i] = condition[i] != 0 ? a[i] : b[i], every operand with a step of 0 or 1.
void SelectRow(const float* condition, int condition_step, const float* a, int a_step,
               const float* b, int b_step, float* z, std::int64_t n);

}  // namespace attune::ane
