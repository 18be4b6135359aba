#include "ane/constraints/reading.h"

#include <algorithm>

#include "base/strings.h"

namespace attune::ane {
namespace {

// The literal that an attribute or an argument is; else null.
const mil::Literal* WrittenOut(const mil::Argument* argument) {
  return argument != nullptr ? std::get_if<mil::Literal>(&argument->value) : nullptr;
}

const mil::Argument* FindAnywhere(const mil::Statement& statement, std::string_view key) {
  const mil::Argument* argument = statement.Find(key);
  return argument != nullptr ? argument : statement.FindAttribute(key);
}

}  // namespace

const mil::Literal* Value::literal() const {
  if (source == nullptr || source->op != "const") return nullptr;
  return WrittenOut(FindAnywhere(*source, "val"));
}

FunctionReading::FunctionReading(const mil::Function& function) : function_(&function) {
  for (const mil::Output& parameter : function.parameters) {
    values_.emplace(parameter.name, Value{&parameter.type, nullptr, 0});
  }
  std::size_t order = 0;
  for (const mil::Statement& statement : function.body) {
    ++order;
    for (const mil::Output& output : statement.outputs) {
      values_.emplace(output.name, Value{&output.type, &statement, order});
    }
    for (const mil::Argument& argument : statement.arguments) AddBlob(argument);
    for (const mil::Argument& attribute : statement.attributes) AddBlob(attribute);
  }
}

void FunctionReading::AddBlob(const mil::Argument& argument) {
  const mil::Literal* literal = WrittenOut(&argument);
  const mil::Blob* blob = literal != nullptr ? std::get_if<mil::Blob>(&literal->data) : nullptr;
  if (blob != nullptr) blobs_.push_back({&literal->type, blob, argument.at});
}

const Value* FunctionReading::Find(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

const Value* FunctionReading::ValueOf(const mil::Statement& statement, std::string_view key) const {
  const mil::Argument* argument = FindAnywhere(statement, key);
  const auto* name = argument != nullptr ? std::get_if<std::string>(&argument->value) : nullptr;
  return name != nullptr ? Find(*name) : nullptr;
}

const mil::Statement* FunctionReading::SourceOf(const mil::Statement& statement,
                                                std::string_view key) const {
  const Value* value = ValueOf(statement, key);
  return value != nullptr ? value->source : nullptr;
}

const mil::Literal* FunctionReading::LiteralOf(const mil::Statement& statement,
                                               std::string_view key) const {
  if (const mil::Literal* literal = WrittenOut(FindAnywhere(statement, key))) return literal;
  const Value* value = ValueOf(statement, key);
  return value != nullptr ? value->literal() : nullptr;
}

const std::vector<double>* FunctionReading::NumbersOf(const mil::Statement& statement,
                                                      std::string_view key) const {
  const mil::Literal* literal = LiteralOf(statement, key);
  return literal != nullptr ? std::get_if<std::vector<double>>(&literal->data) : nullptr;
}

const mil::Type* FunctionReading::TypeOf(const mil::Statement& statement,
                                         std::string_view key) const {
  if (const Value* value = ValueOf(statement, key)) return value->type;
  const mil::Literal* literal = LiteralOf(statement, key);
  return literal != nullptr ? &literal->type : nullptr;
}

Reading::Reading(const Subject& subject) : subject_(subject) {
  functions_.reserve(subject.program.functions.size());
  for (const mil::Function& function : subject.program.functions) functions_.emplace_back(function);
}

std::vector<SurfaceUse> SurfacesOf(const FunctionReading& function) {
  std::vector<SurfaceUse> surfaces;
  for (const mil::Output& parameter : function.function().parameters) {
    surfaces.push_back({&parameter, parameter.name, &parameter.type, function.function().at});
  }
  for (const std::string& name : function.function().returns) {
    const Value* value = function.Find(name);
    if (value == nullptr || value->is_parameter()) continue;
    surfaces.push_back({nullptr, name, value->type, value->source->at});
  }
  return surfaces;
}

std::int64_t WidthOf(const mil::Type& type) { return type.dims.empty() ? 1 : type.dims.back(); }

std::string Shown(std::string_view text) {
  constexpr std::size_t kShown = 64;
  std::string shown(text.substr(0, kShown));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < 0x20 || c >= 0x7F; }, '?');
  if (text.size() > kShown) shown += "...";
  return shown;
}

std::string Shown(const mil::Statement& statement) {
  return StrCat(Shown(statement.outputs.empty() ? "" : statement.outputs[0].name), " = ",
                Shown(statement.op));
}

bool Everywhere(const Target&) { return true; }
bool OnM1(const Target& target) { return target.chip == Chip::kM1; }
bool OnM1OrM2(const Target& target) { return OnM1(target) || target.chip == Chip::kM2; }
bool OnM3Ultra(const Target& target) { return target.chip == Chip::kM3Ultra; }
bool OnM4(const Target& target) { return target.chip == Chip::kM4 || target.chip == Chip::kM4Max; }
bool OnM5(const Target& target) { return target.chip == Chip::kM5 || target.chip == Chip::kM5Max; }
bool OnMacOs15(const Target& target) { return target.os <= 15; }
bool FromMacOs26(const Target& target) { return target.os >= 26; }
bool FromMacOs27(const Target& target) { return target.os >= 27; }

}  // namespace attune::ane
