// Any bytes as MIL text: an error of one printable line with its place in front, or a
// program that keeps what the parser promises, equals itself, and can be judged.

#include <cstdint>
#include <string>
#include <string_view>

#include "ane/constraints/constraint.h"
#include "ane/mil/diff.h"
#include "ane/mil/parse.h"
#include "base/check.h"

namespace attune::ane {
namespace {

void CheckLine(const std::string& message) {
  constexpr std::size_t kLongest = 1000;
  ATTUNE_CHECK(!message.empty() && message.size() <= kLongest);
  for (const char c : message) ATTUNE_CHECK(c >= 0x20 && c < 0x7F);
}

void CheckType(const mil::Type& type) {
  constexpr double kMaxElements = 9007199254740992.0;
  ATTUNE_CHECK(type.dims.size() <= 16 && (type.is_tensor || type.dims.empty()));
  double elements = 1;
  for (const std::int64_t extent : type.dims) {
    ATTUNE_CHECK(extent >= 0 && extent <= INT32_MAX);
    elements *= static_cast<double>(extent);
  }
  ATTUNE_CHECK(elements < kMaxElements && static_cast<double>(type.elements()) == elements);
}

void CheckArgument(const mil::Argument& argument) {
  const auto* literal = std::get_if<mil::Literal>(&argument.value);
  if (literal == nullptr) return;
  CheckType(literal->type);
  if (const auto* numbers = std::get_if<std::vector<double>>(&literal->data)) {
    ATTUNE_CHECK(static_cast<std::int64_t>(numbers->size()) == literal->type.elements());
    ATTUNE_CHECK(literal->type.dtype != mil::DataType::kString);
  } else if (!std::holds_alternative<mil::Blob>(literal->data)) {
    ATTUNE_CHECK(literal->type.dtype == mil::DataType::kString);
  }
}

void CheckProgram(const mil::Program& program) {
  ATTUNE_CHECK(!program.functions.empty());
  for (const mil::Function& function : program.functions) {
    for (const mil::Output& parameter : function.parameters) CheckType(parameter.type);
    for (const mil::Statement& statement : function.body) {
      ATTUNE_CHECK(!statement.outputs.empty() && statement.at.line >= 1);
      for (const mil::Output& output : statement.outputs) CheckType(output.type);
      for (const mil::Argument& argument : statement.arguments) CheckArgument(argument);
      for (const mil::Argument& attribute : statement.attributes) CheckArgument(attribute);
    }
  }
}

void CheckBytes(std::string_view bytes) {
  const auto program = mil::Parse(bytes);
  if (!program.ok()) {
    ATTUNE_CHECK(program.status().message().starts_with("line "));
    return CheckLine(program.status().message());
  }
  CheckProgram(*program);
  bool twice = false;
  for (const Target& target : {Target{Chip::kM1, 15}, Target{Chip::kM4, 26}, Target{Chip::kM5, 27},
                               Target{Chip::kM3Ultra, 26}}) {
    for (const Violation& violation : Validate({*program, nullptr, target})) {
      ATTUNE_CHECK(FindConstraint(violation.rule) != nullptr);
      CheckLine(violation.message);
      twice = twice || violation.rule == "functions.unique";
    }
  }
  // Functions are matched by name.
  ATTUNE_CHECK(twice || mil::Diff(*program, *program).empty());
}

}  // namespace
}  // namespace attune::ane

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attune::ane::CheckBytes(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
