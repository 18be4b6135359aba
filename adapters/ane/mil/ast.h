// A MIL program as its text says it: functions, statements, typed values. The
// grammar is that of the in-memory path (docs/ane-constraints.md).
//
// What Parse() promises of a program: extents are 0 .. 2^31-1 and their product is
// below 2^53, at most 16 of them; numbers fit the type they are written with.
//
// Threads: values.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace attune::ane::mil {

enum class DataType : std::uint8_t {
  kFp16,
  kFp32,
  kBf16,
  kInt4,
  kUint1,
  kUint2,
  kUint3,
  kUint4,
  kUint6,
  kInt8,
  kUint8,
  kInt16,
  kUint16,
  kInt32,
  kUint32,
  kInt64,
  kUint64,
  kBool,
  kString,
};

// "fp16"; and the other way round.
std::string_view DataTypeName(DataType dtype);
std::optional<DataType> ParseDataType(std::string_view name);
bool IsReal(DataType dtype);  // fp16, fp32, bf16.

struct Position {
  std::int32_t line = 1, column = 1;  // From 1.
};

// tensor<fp16, [1,64,1,32]>; a scalar (fp16, string, ...) has is_tensor false.
// tensor_buffer<...> has strides, in elements, and interleave factors too.
struct Type {
  DataType dtype = DataType::kFp16;
  bool is_tensor = false;
  bool is_buffer = false;
  std::vector<std::int64_t> dims;
  std::vector<std::int64_t> strides;
  std::vector<std::int64_t> interleave;
  bool operator==(const Type&) const = default;

  std::int64_t elements() const;  // Product of the extents; 1 of a scalar.
};
// "tensor<fp16, [1,64,1,32]>", "int32".
std::string ToString(const Type& type);

// BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64(64))
struct Blob {
  std::string path;
  std::uint64_t offset = 0;  // Of the record, not of the payload.
  bool operator==(const Blob&) const = default;
};

// A literal. `data` holds what its type says: text, numbers (integers are exact: at
// most 2^53; bool is 0 or 1), a blob, or several texts. Lists of lists are flat here.
struct Literal {
  Type type;
  std::variant<std::string, std::vector<double>, Blob, std::vector<std::string>> data;
  // False of a bare spelling, such as axis = -1 or transpose_x = true: `type` is then
  // the nearest one (int32, fp32, bool, string) and the hardware's compiler objects.
  bool typed = true;
  bool operator==(const Literal&) const = default;
};

// An argument: the name of a value, several names in parentheses, or a literal.
struct Argument {
  std::string key;
  std::variant<std::string, std::vector<std::string>, Literal> value;
  Position at;
};

struct Output {
  Type type;
  std::string name;
};

// <type> <name> = <op>(<arguments>)[<attributes>];
struct Statement {
  std::vector<Output> outputs;  // Usually one.
  std::string op;
  std::vector<Argument> arguments;
  std::vector<Argument> attributes;  // In brackets: name = string("..."), val = ...
  Position at;
  std::string opset;  // Of the op, where it has its own: tensor_buffer_to_tensor<ios17>.

  // nullptr when there is no such argument or attribute.
  const Argument* Find(std::string_view key) const;
  const Argument* FindAttribute(std::string_view key) const;
};

struct Function {
  std::string name;   // "main".
  std::string opset;  // "ios18".
  std::vector<Output> parameters;
  std::vector<Statement> body;
  std::vector<std::string> returns;
  Position at;
};

struct Program {
  std::string version;  // "1.3".
  std::vector<std::pair<std::string, std::string>> build_info;
  std::vector<Function> functions;
};

}  // namespace attune::ane::mil
