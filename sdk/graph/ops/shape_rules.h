// Words that shape rules share.

#pragma once

#include <span>
#include <string>
#include <vector>

#include "attune/status.h"
#include "base/strings.h"
#include "graph/graph.h"

namespace attune::ops {

using Types = std::span<const ValueType>;
using Inferred = Result<std::vector<ValueType>>;

inline Status WrongCount(std::size_t got, std::size_t wanted) {
  return InvalidArgument(StrCat(got, " operands, takes ", wanted));
}
inline Status Mismatch(std::string_view what, const Shape& got, const Shape& wanted) {
  return InvalidArgument(StrCat(what, " is ", got.ToString(), ", must be ", wanted.ToString()));
}
inline Status ExpectCount(Types in, std::size_t count) {
  return in.size() == count ? OkStatus() : WrongCount(in.size(), count);
}
inline Status ExpectShape(std::string_view what, const ValueType& type, const Shape& shape) {
  return type.shape == shape ? OkStatus() : Mismatch(what, type.shape, shape);
}
inline Status ExpectRank(std::string_view what, const ValueType& type, int rank) {
  if (type.shape.rank() == rank) return OkStatus();
  return InvalidArgument(StrCat(what, " is ", type.shape.ToString(), ", must have rank ", rank));
}
inline Status ExpectInt(std::string_view what, const ValueType& type, const Shape& shape) {
  if (type.dtype != DType::kI32) {
    return InvalidArgument(StrCat(what, " is ", DTypeName(type.dtype), ", must be i32"));
  }
  return ExpectShape(what, type, shape);
}
inline Status ExpectF32(std::string_view what, const ValueType& type) {
  if (type.dtype == DType::kF32) return OkStatus();
  return InvalidArgument(StrCat(what, " is ", DTypeName(type.dtype), ", must be f32"));
}
inline Status ExpectF32(std::string_view what, const ValueType& type, const Shape& shape) {
  ATTUNE_RETURN_IF_ERROR(ExpectF32(what, type));
  return ExpectShape(what, type, shape);
}
inline Status ExpectFloat(std::string_view what, const ValueType& type) {
  if (IsFloat(type.dtype)) return OkStatus();
  return InvalidArgument(StrCat(what, " is ", DTypeName(type.dtype), ", must be a float type"));
}
inline ValueType F32(Shape shape) { return {DType::kF32, shape}; }

}  // namespace attune::ops
