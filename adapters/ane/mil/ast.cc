#include "ane/mil/ast.h"

#include <algorithm>
#include <iterator>

#include "base/strings.h"

namespace attune::ane::mil {
namespace {

constexpr std::string_view kNames[] = {
    "fp16",  "fp32",  "bf16",   "int4",  "uint1",  "uint2", "uint3",  "uint4", "uint6", "int8",
    "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool",  "string"};
static_assert(std::size(kNames) == static_cast<std::size_t>(DataType::kString) + 1);

const Argument* FindIn(const std::vector<Argument>& arguments, std::string_view key) {
  for (const Argument& argument : arguments) {
    if (argument.key == key) return &argument;
  }
  return nullptr;
}

}  // namespace

std::string_view DataTypeName(DataType dtype) { return kNames[static_cast<std::size_t>(dtype)]; }

std::optional<DataType> ParseDataType(std::string_view name) {
  const auto* found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) return std::nullopt;
  return static_cast<DataType>(found - std::begin(kNames));
}

bool IsReal(DataType dtype) {
  return dtype == DataType::kFp16 || dtype == DataType::kFp32 || dtype == DataType::kBf16;
}

std::int64_t Type::elements() const {
  std::int64_t product = 1;
  for (const std::int64_t extent : dims) product *= extent;
  return product;
}

std::string ToString(const Type& type) {
  if (type.is_buffer) {
    return StrCat("tensor_buffer<", DataTypeName(type.dtype), ", shape=[", StrJoin(type.dims, ","),
                  "], strides=[", StrJoin(type.strides, ","), "], interleave_factors=[",
                  StrJoin(type.interleave, ","), "]>");
  }
  if (!type.is_tensor) return std::string(DataTypeName(type.dtype));
  return StrCat("tensor<", DataTypeName(type.dtype), ", [", StrJoin(type.dims, ","), "]>");
}

const Argument* Statement::Find(std::string_view key) const { return FindIn(arguments, key); }

const Argument* Statement::FindAttribute(std::string_view key) const {
  return FindIn(attributes, key);
}

}  // namespace attune::ane::mil
