// Writes MIL text: one function "main" of statements over shared constants, each a
// named const, as every toolchain that was seen takes them.

#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ane/compiler/ir.h"
#include "ane/device/device.h"

namespace attune::ane {

class MilWriter {
 public:
  explicit MilWriter(ElementType element) : element_(element) {}

  // "tensor<fp16, [1, 64, 1, 32]>".
  std::string TensorType(std::span<const std::int64_t> dims) const;

  // Each gives the name of a const, the same for the same literal.
  std::string Bool(bool value);
  std::string Int(std::int64_t value);
  std::string Ints(std::span<const std::int64_t> values);
  std::string Text(std::string_view value);
  // As a hexadecimal fraction, which is exact. REQUIRES: the element type holds it.
  std::string Number(float value);

  // A const of its own: a record of the weight file.
  void Blob(std::string_view type, std::string_view name, std::uint64_t offset);

  void Parameter(const Dims& dims, std::string_view name);
  using Arguments = std::vector<std::pair<std::string_view, std::string>>;
  void Statement(const Dims& dims, std::string_view name, std::string_view op,
                 const Arguments& arguments);

  // The program, returning the values of these names.
  std::string Finish(std::span<const std::string> returns) const;

 private:
  std::string Shared(std::string_view type, std::string literal);

  ElementType element_;
  std::string parameters_, constants_, body_;
  std::map<std::string, std::string, std::less<>> shared_;  // Literal to name.
};

}  // namespace attune::ane
