// The operators of the graph with operands of every kind: one table that the
// finite-difference suite and the backend contract both walk over, so that an
// op that is in neither cannot exist.
//
// Data are drawn from Philox; values are exact in f32, so the double
// interpreter and a backend start from the same numbers. The seed is
// ATTUNE_TEST_SEED or a constant, and SeedNote() says which.

#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/reference.h"

namespace attune::testing {

struct OpOperand {
  enum class Role : std::uint8_t {
    kActivation,  // An input of the program that wants a gradient.
    kWeight,      // A parameter that wants a gradient.
    kFixed,       // A float input without one: rope tables, loss weights.
    kIndex,       // i32.
  };
  Role role;
  ValueType type;
  std::vector<double> data;
};

struct OpCase {
  std::string name;  // "linear_transposed_bias": letters, digits, underscores.
  OpKind op;
  Attributes attributes;
  std::vector<OpOperand> operands;
  // Results that take part in the loss; the others are statistics, or stay
  // unused on purpose.
  std::vector<std::size_t> used = {0};
};

inline void PrintTo(const OpCase& op_case, std::ostream* out) { *out << op_case.name; }

inline constexpr OpKind kLastOp = OpKind::kCacheAppend;

std::vector<OpCase> AllOpCases();

std::uint64_t TestSeed();
std::string SeedNote();

// A graph with something to feed it.
struct OpProgram {
  Graph graph;
  ReferenceFeeds feeds;          // Every input and parameter.
  std::vector<std::string> wrt;  // Leaves that want gradients.
};

struct ProgramOptions {
  // Weights are trainable f32 parameters, or frozen ones stored as weight_dtype.
  bool trainable = true;
  DType weight_dtype = DType::kF32;
};

// Outputs "y0", "y1", ...: every result of the op.
OpProgram ForwardProgram(const OpCase& op_case, const ProgramOptions& options = {});

// The same and "loss", a fixed random weighting of the used results
// (cross entropy is taken as it is).
OpProgram LossProgram(const OpCase& op_case);

// Whether the op has a gradient rule and some operand wants a gradient; frozen
// weights want none.
bool HasGradient(const OpCase& op_case, const ProgramOptions& options = {});

// The same and "d_<leaf>" for each operand that wants one, through
// Differentiate(). REQUIRES: HasGradient().
OpProgram GradientProgram(const OpCase& op_case, const ProgramOptions& options = {});

// Operand `i` is called "x<i>", a parameter "w<i>".
std::string OperandName(const OpCase& op_case, std::size_t i);

// Index of the operand that may be stored as f16 or bf16, -1 without one.
int StoredWeight(const OpCase& op_case);

// `data` after a trip through `dtype`.
std::vector<double> Rounded(const std::vector<double>& data, DType dtype);

}  // namespace attune::testing
