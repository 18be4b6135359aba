// JSON (RFC 8259) as an immutable tree. JsonDocument owns the tree, a Json is
// one value in it and lives as long as the document.
//
// Stricter than most readers: duplicate keys, invalid UTF-8, lone surrogates,
// comments and trailing commas are errors. Memory is about 16 bytes a value (32
// an object member) plus the strings, all in a few blocks; objects look up a
// key in O(log n).
// Parse errors are kInvalidArgument, "byte 12 of 40: what"; accessor errors are
// kInvalidArgument and begin with the path, "rope_scaling.factor: is a string,
// expected a number". Neither shows a string value of the document.
// Threads: a document is immutable; read it from any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "attune/status.h"

namespace attune {

class Json;
struct JsonMember;
class JsonBuilder;

namespace internal {
struct JsonContainer;
class JsonArena;
}  // namespace internal

// NOTE: integers beyond int64 become kDouble.
enum class JsonKind : std::uint8_t { kNull, kBool, kInt, kDouble, kString, kArray, kObject };

class Json {
 public:
  Json() = default;  // null.

  JsonKind kind() const { return kind_; }
  bool is_null() const { return kind_ == JsonKind::kNull; }
  bool is_object() const { return kind_ == JsonKind::kObject; }
  bool is_array() const { return kind_ == JsonKind::kArray; }
  bool is_string() const { return kind_ == JsonKind::kString; }
  bool is_bool() const { return kind_ == JsonKind::kBool; }
  bool is_int() const { return kind_ == JsonKind::kInt; }
  bool is_number() const { return kind_ == JsonKind::kInt || kind_ == JsonKind::kDouble; }

  // --- The value itself. REQUIRES: the kind is the one asked for. ---

  bool bool_value() const;
  std::int64_t int_value() const;
  double number_value() const;  // kInt or kDouble.
  std::string_view string_value() const;
  std::span<const Json> items() const;          // kArray.
  std::span<const JsonMember> members() const;  // kObject, in the order of the text.

  // Elements of an array, members of an object, else 0.
  std::size_t size() const;

  // --- Members of an object, checked. Any of these on another kind is an error
  // (Find: null). The "Or" forms return `otherwise` if the key is absent or its
  // value is null.

  const Json* Find(std::string_view key) const;

  static constexpr std::int64_t kIntMin = std::numeric_limits<std::int64_t>::min();
  static constexpr std::int64_t kIntMax = std::numeric_limits<std::int64_t>::max();

  Result<std::int64_t> GetInt(std::string_view key, std::int64_t min = kIntMin,
                              std::int64_t max = kIntMax) const;
  Result<std::int64_t> IntOr(std::string_view key, std::int64_t otherwise,
                             std::int64_t min = kIntMin, std::int64_t max = kIntMax) const;
  Result<double> GetNumber(std::string_view key) const;
  Result<double> NumberOr(std::string_view key, double otherwise) const;
  Result<bool> GetBool(std::string_view key) const;
  Result<bool> BoolOr(std::string_view key, bool otherwise) const;
  Result<std::string_view> GetString(std::string_view key) const;
  Result<std::string_view> StringOr(std::string_view key, std::string_view otherwise) const;
  Result<const Json*> GetObject(std::string_view key) const;
  Result<const Json*> GetArray(std::string_view key) const;

  // --- Elements of an array, checked. ---

  Result<std::int64_t> IntAt(std::size_t index, std::int64_t min = kIntMin,
                             std::int64_t max = kIntMax) const;
  Result<double> NumberAt(std::size_t index) const;
  Result<std::string_view> StringAt(std::size_t index) const;
  Result<const Json*> ArrayAt(std::size_t index) const;
  Result<const Json*> ObjectAt(std::size_t index) const;

  // Where an object or array is in its document: "model.vocab", "merges[3]";
  // "" for the root.
  std::string Path() const;
  // The same for a member or an element, present or not.
  std::string PathOf(std::string_view key) const;
  std::string PathOf(std::size_t index) const;

 private:
  friend class JsonBuilder;

  Result<const Json*> Member(std::string_view key) const;
  Result<const Json*> Element(std::size_t index) const;

  JsonKind kind_ = JsonKind::kNull;
  std::uint32_t length_ = 0;  // Bytes of a string.
  union {
    bool bool_;
    std::int64_t int_ = 0;
    double double_;
    const char* string_;
    internal::JsonContainer* container_;
  };
};

struct JsonMember {
  std::string_view key;
  Json value;
};

struct JsonLimits {
  // Longest text. Memory grows to at most about 16 times the text.
  std::uint64_t max_bytes = 64u << 20;
  // Deepest nesting of arrays and objects.
  int max_depth = 64;
};

class JsonDocument {
 public:
  //   kInvalidArgument    not JSON, or nested too deep
  //   kResourceExhausted  longer than `limits.max_bytes`
  static Result<JsonDocument> Parse(std::string_view text, const JsonLimits& limits = {});

  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;
  ~JsonDocument();

  const Json& root() const { return *root_; }

 private:
  JsonDocument(std::unique_ptr<internal::JsonArena> arena, const Json* root);

  std::unique_ptr<internal::JsonArena> arena_;
  const Json* root_;
};

// `name` made fit for a one-line message: cut at 80 bytes, anything but printable
// ASCII replaced by "?". Quoted() puts it between single quotes.
std::string Clipped(std::string_view name);
std::string Quoted(std::string_view name);

}  // namespace attune
