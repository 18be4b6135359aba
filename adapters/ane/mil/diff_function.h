// One function of a program made ready to be compared with another.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ane/mil/ast.h"

namespace attune::ane::mil {

// What a name stands for.
struct Meaning {
  enum class Kind : std::uint8_t { kUnknown, kConstant, kParameter, kResult };
  Kind kind = Kind::kUnknown;
  std::size_t index = 0;   // Of the parameter, or of the statement among the compared.
  std::size_t output = 0;  // Of the statement.
  const Literal* literal = nullptr;
};

// A statement that computes something; constants are looked through.
struct ComparedStatement {
  const Statement* statement = nullptr;
  std::size_t number = 0;   // In the text, from 1, constants included.
  std::uint64_t local = 0;  // Digest of op, types and literals.
  std::uint64_t deep = 0;   // And of everything it is computed from.
};

class ComparedFunction {
 public:
  explicit ComparedFunction(const Function& function);

  const Function& function() const { return function_; }
  const std::vector<ComparedStatement>& statements() const { return statements_; }
  Meaning MeaningOf(std::string_view name) const;

  // "input 1", "relu 12", "int32(-1)": what the value is, without its name.
  std::string Describe(std::string_view name) const;
  std::string Describe(const Argument& argument) const;

 private:
  void Add(const Statement& statement, std::size_t number);
  std::uint64_t DigestOf(std::string_view name, bool deep) const;
  std::uint64_t DigestOf(const Argument& argument, bool deep) const;
  std::uint64_t DigestOf(const Statement& statement, bool deep) const;

  const Function& function_;
  std::vector<ComparedStatement> statements_;
  std::map<std::string_view, Meaning> meanings_;
};

// Arguments and attributes but for the name, sorted by key.
std::vector<const Argument*> ComparedArguments(const Statement& statement);

// "fp16(0.5)", "tensor<int32, [4]>(0, 0, 0, 0)", "...": shortened.
std::string Describe(const Literal& literal);

// NaN is equal to NaN here.
bool Same(const Literal& left, const Literal& right);

}  // namespace attune::ane::mil
