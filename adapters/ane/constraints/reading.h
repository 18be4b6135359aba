// What rules look at: a program with its names resolved and its weights listed.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ane/constraints/constraint.h"
#include "ane/mil/ast.h"

namespace attune::ane {

// What a name of a function stands for.
struct Value {
  const mil::Type* type = nullptr;
  const mil::Statement* source = nullptr;  // Null: a parameter.
  std::size_t order = 0;                   // Of the statement, from 1; 0: a parameter.
  bool is_parameter() const { return source == nullptr; }
  // What a const holds; null of anything else.
  const mil::Literal* literal() const;
};

// A literal that lies in a weight file.
struct BlobUse {
  const mil::Type* type = nullptr;
  const mil::Blob* blob = nullptr;
  mil::Position at;
};

class FunctionReading {
 public:
  explicit FunctionReading(const mil::Function& function);

  const mil::Function& function() const { return *function_; }
  const std::vector<BlobUse>& blobs() const { return blobs_; }

  // The first definition of a name; null where there is none.
  const Value* Find(std::string_view name) const;
  // The value that an argument names; null of a literal, a list, a missing argument.
  const Value* ValueOf(const mil::Statement& statement, std::string_view key) const;
  // The op that computes it; null of inputs as well.
  const mil::Statement* SourceOf(const mil::Statement& statement, std::string_view key) const;
  // The literal that an argument is, by name or written out; else null.
  const mil::Literal* LiteralOf(const mil::Statement& statement, std::string_view key) const;
  // Its numbers; null where it is not a literal of numbers.
  const std::vector<double>* NumbersOf(const mil::Statement& statement, std::string_view key) const;
  // Of a value or a literal; null of a list or a missing argument.
  const mil::Type* TypeOf(const mil::Statement& statement, std::string_view key) const;

 private:
  void AddBlob(const mil::Argument& argument);

  const mil::Function* function_;
  std::map<std::string_view, Value> values_;
  std::vector<BlobUse> blobs_;
};

class Reading {
 public:
  explicit Reading(const Subject& subject);

  const mil::Program& program() const { return subject_.program; }
  const WeightFiles* weights() const { return subject_.weights; }
  const Target& target() const { return subject_.target; }
  const std::vector<FunctionReading>& functions() const { return functions_; }

 private:
  Subject subject_;
  std::vector<FunctionReading> functions_;
};

class Findings {
 public:
  Findings(const Constraint& constraint, std::vector<Violation>* found)
      : constraint_(constraint), found_(found) {}

  void Add(mil::Position at, std::string message) {
    found_->push_back({constraint_.id, constraint_.severity, std::move(message), at});
  }

 private:
  const Constraint& constraint_;
  std::vector<Violation>* found_;
};

// Calls check(function, statement) for every statement of the program.
template <typename Check>
void ForEachStatement(const Reading& reading, const Check& check) {
  for (const FunctionReading& function : reading.functions()) {
    for (const mil::Statement& statement : function.function().body) check(function, statement);
  }
}
template <typename Check>
void ForEachOp(const Reading& reading, std::string_view op, const Check& check) {
  ForEachStatement(reading, [&](const FunctionReading& function, const mil::Statement& statement) {
    if (statement.op == op) check(function, statement);
  });
}

// What a surface holds: the parameters and the values returned.
struct SurfaceUse {
  const mil::Output* parameter = nullptr;  // Null: a result.
  std::string_view name;
  const mil::Type* type = nullptr;
  mil::Position at;
};
std::vector<SurfaceUse> SurfacesOf(const FunctionReading& function);

// Of the last axis; 1 of a scalar.
std::int64_t WidthOf(const mil::Type& type);
// "y = conv": how a message names a statement. Names and paths are cut and made
// printable: they come from outside.
std::string Shown(const mil::Statement& statement);
std::string Shown(std::string_view text);

// --- Where a constraint applies ---

bool Everywhere(const Target& target);
bool OnM1(const Target& target);
bool OnM1OrM2(const Target& target);
bool OnM3Ultra(const Target& target);
bool OnM4(const Target& target);
bool OnM5(const Target& target);
bool OnMacOs15(const Target& target);
bool FromMacOs26(const Target& target);
bool FromMacOs27(const Target& target);

// --- The catalogue by area ---

std::span<const Constraint> SpellingConstraints();
std::span<const Constraint> FunctionConstraints();
std::span<const Constraint> WeightConstraints();
std::span<const Constraint> RecordConstraints();
std::span<const Constraint> ShapeConstraints();
std::span<const Constraint> WidthConstraints();
std::span<const Constraint> OpConstraints();
std::span<const Constraint> MatmulConstraints();
std::span<const Constraint> OutputConstraints();

}  // namespace attune::ane
