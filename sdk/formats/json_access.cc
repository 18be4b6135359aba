// The checked accessors of Json: one conversion per type, reached by key, by key
// with a default, or by index.

#include "base/strings.h"
#include "formats/json.h"

namespace attune {
namespace {

std::string_view KindName(JsonKind kind) {
  switch (kind) {
    case JsonKind::kNull:
      return "null";
    case JsonKind::kBool:
      return "a boolean";
    case JsonKind::kInt:
      return "an integer";
    case JsonKind::kDouble:
      return "a number";
    case JsonKind::kString:
      return "a string";
    case JsonKind::kArray:
      return "a list";
    case JsonKind::kObject:
      return "an object";
  }
  return "unknown";
}

Status WrongKind(const Json& json, const std::string& path, std::string_view expected) {
  return InvalidArgument(StrCat(path, ": is ", KindName(json.kind()), ", expected ", expected));
}

Result<std::int64_t> ToInt(const Json& json, const std::string& path, std::int64_t min,
                           std::int64_t max) {
  if (!json.is_int()) return WrongKind(json, path, "an integer");
  const std::int64_t value = json.int_value();
  if (value < min || value > max) {
    return InvalidArgument(StrCat(path, ": is ", value, ", allowed ", min, " to ", max));
  }
  return value;
}

Result<double> ToNumber(const Json& json, const std::string& path) {
  if (!json.is_number()) return WrongKind(json, path, "a number");
  return json.number_value();
}

Result<bool> ToBool(const Json& json, const std::string& path) {
  if (!json.is_bool()) return WrongKind(json, path, "a boolean");
  return json.bool_value();
}

Result<std::string_view> ToString(const Json& json, const std::string& path) {
  if (!json.is_string()) return WrongKind(json, path, "a string");
  return json.string_value();
}

Result<const Json*> ToKind(const Json& json, const std::string& path, JsonKind kind) {
  if (json.kind() != kind) return WrongKind(json, path, KindName(kind));
  return &json;
}

}  // namespace

// Converters want the path only for their messages, but take it ready-made: it
// is short, and no one reads configurations in a hot loop.

Result<const Json*> Json::Member(std::string_view key) const {
  if (!is_object()) {
    const std::string path = Path();
    return WrongKind(*this, path.empty() ? "top level" : path, "an object");
  }
  const Json* member = Find(key);
  if (member == nullptr) return InvalidArgument(StrCat(PathOf(key), ": absent"));
  return member;
}

Result<const Json*> Json::Element(std::size_t index) const {
  if (!is_array()) {
    const std::string path = Path();
    return WrongKind(*this, path.empty() ? "top level" : path, "a list");
  }
  if (index >= size()) {
    return InvalidArgument(StrCat(PathOf(index), ": absent, the list has ", size(), " elements"));
  }
  return &items()[index];
}

Result<std::int64_t> Json::GetInt(std::string_view key, std::int64_t min, std::int64_t max) const {
  ATTUNE_ASSIGN_OR_RETURN(const Json* member, Member(key));
  return ToInt(*member, PathOf(key), min, max);
}

Result<std::int64_t> Json::IntOr(std::string_view key, std::int64_t otherwise, std::int64_t min,
                                 std::int64_t max) const {
  const Json* member = Find(key);
  if (member == nullptr || member->is_null()) return otherwise;
  return ToInt(*member, PathOf(key), min, max);
}

Result<double> Json::GetNumber(std::string_view key) const {
  ATTUNE_ASSIGN_OR_RETURN(const Json* member, Member(key));
  return ToNumber(*member, PathOf(key));
}

Result<double> Json::NumberOr(std::string_view key, double otherwise) const {
  const Json* member = Find(key);
  if (member == nullptr || member->is_null()) return otherwise;
  return ToNumber(*member, PathOf(key));
}

Result<bool> Json::GetBool(std::string_view key) const {
  ATTUNE_ASSIGN_OR_RETURN(const Json* member, Member(key));
  return ToBool(*member, PathOf(key));
}

Result<bool> Json::BoolOr(std::string_view key, bool otherwise) const {
  const Json* member = Find(key);
  if (member == nullptr || member->is_null()) return otherwise;
  return ToBool(*member, PathOf(key));
}

Result<std::string_view> Json::GetString(std::string_view key) const {
  ATTUNE_ASSIGN_OR_RETURN(const Json* member, Member(key));
  return ToString(*member, PathOf(key));
}

Result<std::string_view> Json::StringOr(std::string_view key, std::string_view otherwise) const {
  const Json* member = Find(key);
  if (member == nullptr || member->is_null()) return otherwise;
  return ToString(*member, PathOf(key));
}

Result<const Json*> Json::GetObject(std::string_view key) const {
  ATTUNE_ASSIGN_OR_RETURN(const Json* member, Member(key));
  return ToKind(*member, PathOf(key), JsonKind::kObject);
}

Result<const Json*> Json::GetArray(std::string_view key) const {
  ATTUNE_ASSIGN_OR_RETURN(const Json* member, Member(key));
  return ToKind(*member, PathOf(key), JsonKind::kArray);
}

Result<std::int64_t> Json::IntAt(std::size_t index, std::int64_t min, std::int64_t max) const {
  ATTUNE_ASSIGN_OR_RETURN(const Json* element, Element(index));
  return ToInt(*element, PathOf(index), min, max);
}

Result<double> Json::NumberAt(std::size_t index) const {
  ATTUNE_ASSIGN_OR_RETURN(const Json* element, Element(index));
  return ToNumber(*element, PathOf(index));
}

Result<std::string_view> Json::StringAt(std::size_t index) const {
  ATTUNE_ASSIGN_OR_RETURN(const Json* element, Element(index));
  return ToString(*element, PathOf(index));
}

Result<const Json*> Json::ArrayAt(std::size_t index) const {
  ATTUNE_ASSIGN_OR_RETURN(const Json* element, Element(index));
  return ToKind(*element, PathOf(index), JsonKind::kArray);
}

Result<const Json*> Json::ObjectAt(std::size_t index) const {
  ATTUNE_ASSIGN_OR_RETURN(const Json* element, Element(index));
  return ToKind(*element, PathOf(index), JsonKind::kObject);
}

}  // namespace attune
