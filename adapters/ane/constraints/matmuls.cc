// Products, convolutions with weights that are computed, attention.

#include <algorithm>
#include <string>

#include "ane/constraints/reading.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

void CheckSameOperand(const Reading& reading, Findings* found) {
  ForEachOp(reading, "matmul", [&](const FunctionReading& function, const mil::Statement& matmul) {
    const Value* x = function.ValueOf(matmul, "x");
    if (x == nullptr || x != function.ValueOf(matmul, "y")) return;
    found->Add(matmul.at, Shown(matmul) +
                              " takes one tensor twice, a duplicate name inside; compute "
                              "-(P (-P))");
  });
}

// Computed in the program, and not merely an input turned around.
bool IsComputed(const FunctionReading& function, const Value* value) {
  for (int step = 0; value != nullptr && step < 8; ++step) {
    if (value->is_parameter() || value->source->op == "const") return false;
    const std::string& op = value->source->op;
    if (op != "reshape" && op != "transpose" && op != "cast" && !op.starts_with("slice_by_") &&
        !op.starts_with("tensor_buffer_")) {
      return true;
    }
    value = function.ValueOf(*value->source, op.starts_with("tensor_buffer_") ? "input" : "x");
  }
  return false;
}

void CheckSmallInternal(const Reading& reading, Findings* found) {
  constexpr std::int64_t kRefused = 4;
  ForEachOp(reading, "matmul", [&](const FunctionReading& function, const mil::Statement& matmul) {
    const Value* x = function.ValueOf(matmul, "x");
    const Value* y = function.ValueOf(matmul, "y");
    if (!IsComputed(function, x) || !IsComputed(function, y)) return;
    if (x->type->dims.size() < 2 || y->type->dims.size() < 2) return;
    const std::int64_t rows = x->type->dims[x->type->dims.size() - 2];
    const std::int64_t smallest = std::min(rows, WidthOf(*x->type));
    if (smallest > kRefused) return;
    found->Add(matmul.at, StrCat(Shown(matmul), " of two computed tensors has an extent of ",
                                 smallest, ", refused up to ", kRefused, "; pad it to 32"));
  });
}

bool IsZero(const std::vector<double>* numbers) {
  return numbers != nullptr && numbers->size() == 1 && (*numbers)[0] == 0;
}

void CheckReduceTimesZero(const Reading& reading, Findings* found) {
  ForEachOp(reading, "mul", [&](const FunctionReading& function, const mil::Statement& mul) {
    for (const auto& [value, number] : {std::pair("x", "y"), std::pair("y", "x")}) {
      const mil::Statement* source = function.SourceOf(mul, value);
      if (source == nullptr || !source->op.starts_with("reduce_")) continue;
      if (!IsZero(function.NumbersOf(mul, number))) continue;
      found->Add(mul.at, Shown(mul) + " multiplies a reduction by 0.0; leave it out");
    }
  });
}

bool IsBaked(const FunctionReading& function, const mil::Statement& conv) {
  if (function.LiteralOf(conv, "weight") != nullptr) return true;
  const mil::Statement* source = function.SourceOf(conv, "weight");
  return source != nullptr && source->op.starts_with("constexpr_");
}

void CheckWeightInput(const Reading& reading, Findings* found) {
  ForEachOp(reading, "conv", [&](const FunctionReading& function, const mil::Statement& conv) {
    const Value* weight = function.ValueOf(conv, "weight");
    if (weight == nullptr || !weight->is_parameter()) return;
    found->Add(conv.at, Shown(conv) +
                            " has an input for its weight, which is ignored; reshape it in the "
                            "program from [1, O, 1, I], or use matmul");
  });
}

void CheckRuntimeBatch(const Reading& reading, Findings* found) {
  ForEachOp(reading, "conv", [&](const FunctionReading& function, const mil::Statement& conv) {
    const Value* weight = function.ValueOf(conv, "weight");
    const mil::Type* x = function.TypeOf(conv, "x");
    if (weight == nullptr || weight->is_parameter() || IsBaked(function, conv)) return;
    if (x == nullptr || x->dims.empty() || x->dims[0] < 2) return;
    found->Add(conv.at, StrCat(Shown(conv), " has a computed weight and a batch of ", x->dims[0],
                               ", which ends the compiler; batch 1 or matmul"));
  });
}

void CheckAttentionMask(const Reading& reading, Findings* found) {
  ForEachOp(reading, "scaled_dot_product_attention",
            [&](const FunctionReading&, const mil::Statement& attention) {
              const mil::Argument* mask = attention.Find("attn_mask");
              if (mask == nullptr) return;
              found->Add(mask->at, Shown(attention) +
                                       " has a mask, which is ignored; write matmul, add, softmax, "
                                       "matmul");
            });
}

std::int64_t TokensOf(const mil::Type* type) {
  return type != nullptr && type->dims.size() >= 2 ? type->dims[type->dims.size() - 2] : 0;
}

void CheckAttentionLength(const Reading& reading, Findings* found) {
  constexpr std::int64_t kShortest = 512, kLongest = 2048;
  ForEachOp(reading, "scaled_dot_product_attention",
            [&](const FunctionReading& function, const mil::Statement& attention) {
              const std::int64_t queries = TokensOf(function.TypeOf(attention, "query"));
              const std::int64_t keys = TokensOf(function.TypeOf(attention, "key"));
              const bool wrong =
                  std::min(queries, keys) >= kShortest || std::max(queries, keys) > kLongest;
              if (!wrong) return;
              found->Add(attention.at,
                         StrCat(Shown(attention), " over ", queries, " and ", keys,
                                " tokens comes out wrong; the smaller stays below ", kShortest,
                                ", the larger at ", kLongest, ", or decompose it"));
            });
}

constexpr Constraint kConstraints[] = {
    {"matmul.same_operand", Severity::kCompile, "A matmul takes two different tensors.",
     "M5 Max; one careful source", Everywhere, CheckSameOperand},
    {"matmul.small_internal", Severity::kCompile,
     "On M5 a matmul of two computed tensors has rows and contraction above 4.",
     "M5 Max; one careful source", OnM5, CheckSmallInternal},
    {"ops.reduce_times_zero", Severity::kCompile, "A reduction is not multiplied by 0.0.",
     "M1 to M5; one careful source", Everywhere, CheckReduceTimesZero},
    {"conv.weight_input", Severity::kSilent,
     "An input used directly as the weight of a convolution is ignored.", "M3 Max, M4; two sources",
     Everywhere, CheckWeightInput},
    {"conv.runtime_batch", Severity::kCrash,
     "A convolution with a computed weight over a batch of two or more ends the compiler.",
     "M1 to M5; one careful source", Everywhere, CheckRuntimeBatch},
    {"attention.mask", Severity::kSilent, "The mask of scaled_dot_product_attention is ignored.",
     "M4, macOS 15, proved by outputs; another route honours it", Everywhere, CheckAttentionMask},
    {"attention.length", Severity::kSilent,
     "scaled_dot_product_attention is wrong from 512 queries and keys on, and beyond 2048.",
     "M1 to M5; one careful source", Everywhere, CheckAttentionLength},
};

}  // namespace

std::span<const Constraint> MatmulConstraints() { return kConstraints; }

}  // namespace attune::ane
