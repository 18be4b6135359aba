#include "ane/mil/value.h"

#include <cstdint>
#include <limits>
#include <utility>

#include "ane/mil/number.h"
#include "base/checked_math.h"
#include "base/strings.h"

namespace attune::ane::mil {
namespace {

constexpr std::size_t kMaxRank = 16;
constexpr int kMaxNesting = 16;
constexpr std::int64_t kMaxExtent = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kMaxElements = std::int64_t{1} << 53;

Result<std::vector<std::int64_t>> ReadExtents(TokenReader* in) {
  std::vector<std::int64_t> extents;
  ATTUNE_RETURN_IF_ERROR(in->Expect('['));
  while (!in->token().Is(']')) {
    const auto extent =
        in->token().kind == TokenKind::kNumber ? ReadUnsigned(in->token().spelling) : std::nullopt;
    if (!extent || *extent > static_cast<std::uint64_t>(kMaxExtent)) {
      return in->Unexpected("an extent: a whole number below 2^31, known when it compiles");
    }
    if (extents.size() == kMaxRank) {
      return ErrorAt(in->token().at, StrCat("more than ", kMaxRank, " extents"));
    }
    extents.push_back(static_cast<std::int64_t>(*extent));
    ATTUNE_RETURN_IF_ERROR(in->Advance());
    if (!in->token().Is(']')) ATTUNE_RETURN_IF_ERROR(in->Expect(','));
  }
  ATTUNE_RETURN_IF_ERROR(in->Advance());
  return extents;
}

Status CheckElements(const Type& type, Position at) {
  std::int64_t product = 1;
  for (const std::int64_t extent : type.dims) {
    const auto next = CheckedMul(product, extent);
    if (!next || *next >= kMaxElements) {
      return ErrorAt(at, StrCat(ToString(type), " has 2^53 elements or more"));
    }
    product = *next;
  }
  return OkStatus();
}

Result<DataType> ReadDataType(TokenReader* in) {
  const auto dtype =
      in->token().kind == TokenKind::kName ? ParseDataType(in->token().spelling) : std::nullopt;
  if (!dtype) return in->Unexpected("a type such as fp16, int32 or tensor<fp16, [1,64,1,32]>");
  ATTUNE_RETURN_IF_ERROR(in->Advance());
  return *dtype;
}

// The keys of a tensor_buffer after its element type, in any order.
Status ReadBufferKeys(TokenReader* in, Type* type) {
  while (in->token().Is(',')) {
    ATTUNE_RETURN_IF_ERROR(in->Advance());
    const Token key = in->token();
    ATTUNE_RETURN_IF_ERROR(in->Name("shape, strides or interleave_factors").status());
    ATTUNE_RETURN_IF_ERROR(in->Expect('='));
    ATTUNE_ASSIGN_OR_RETURN(std::vector<std::int64_t> extents, ReadExtents(in));
    if (key.spelling == "shape") {
      type->dims = std::move(extents);
    } else if (key.spelling == "strides") {
      type->strides = std::move(extents);
    } else if (key.spelling == "interleave_factors") {
      type->interleave = std::move(extents);
    } else {
      return ErrorAt(
          key.at,
          StrCat("a tensor_buffer has shape, strides and interleave_factors, not ", Describe(key)));
    }
  }
  return OkStatus();
}

// The spelling of one number or truth value, with its sign, as the tokens have it.
struct Scalar {
  Token token;
  bool negative = false;
};

Result<Scalar> ReadScalar(TokenReader* in) {
  Scalar scalar;
  if (in->token().Is('-') || in->token().Is('+')) {
    scalar.negative = in->token().Is('-');
    ATTUNE_RETURN_IF_ERROR(in->Advance());
  }
  scalar.token = in->token();
  if (scalar.token.kind != TokenKind::kNumber && scalar.token.kind != TokenKind::kName) {
    return in->Unexpected("a number");
  }
  ATTUNE_RETURN_IF_ERROR(in->Advance());
  return scalar;
}

// What stands in the parentheses of a literal or in the brackets of a list. With a
// type every element is read as that; without one (a bare list) the nearest is found.
class ElementReader {
 public:
  ElementReader(TokenReader* in, std::optional<DataType> dtype) : in_(in), dtype_(dtype) {}

  Status Read(int depth);
  Result<Literal> Finish(Type type) &&;

 private:
  Status ReadList(int depth);
  Status ReadTyped(int depth);
  Status ReadNumberOf(const Scalar& scalar);
  bool WantsText() const {
    return dtype_ ? *dtype_ == DataType::kString : in_->token().kind == TokenKind::kText;
  }
  DataType Nearest() const;

  TokenReader* in_;
  std::optional<DataType> dtype_;
  std::vector<double> numbers_;
  std::vector<std::string> texts_;
  bool all_whole_ = true, all_truth_ = true;
};

Status ElementReader::ReadList(int depth) {
  if (depth == kMaxNesting) {
    return ErrorAt(in_->token().at, StrCat("more than ", kMaxNesting, " lists in one another"));
  }
  ATTUNE_RETURN_IF_ERROR(in_->Expect('['));
  while (!in_->token().Is(']')) {
    ATTUNE_RETURN_IF_ERROR(Read(depth + 1));
    if (!in_->token().Is(']')) ATTUNE_RETURN_IF_ERROR(in_->Expect(','));
  }
  return in_->Advance();
}

// fp16(1), as some writers repeat the type of each element of a list.
Status ElementReader::ReadTyped(int depth) {
  const Token type = in_->token();
  ATTUNE_RETURN_IF_ERROR(in_->Advance());
  ATTUNE_RETURN_IF_ERROR(in_->Expect('('));
  if (dtype_ && ParseDataType(type.spelling) != dtype_) {
    return ErrorAt(type.at, StrCat(Describe(type), " among elements of ", DataTypeName(*dtype_)));
  }
  if (depth == kMaxNesting || in_->token().Is('[')) return in_->Unexpected("one element");
  ATTUNE_RETURN_IF_ERROR(Read(depth + 1));
  return in_->Expect(')');
}

Status ElementReader::Read(int depth) {
  if (in_->token().Is('[')) return ReadList(depth);
  if (in_->token().kind == TokenKind::kName && ParseDataType(in_->token().spelling)) {
    return ReadTyped(depth);
  }
  ATTUNE_RETURN_IF_ERROR(in_->CountElement());
  if (WantsText()) {
    if (in_->token().kind != TokenKind::kText) return in_->Unexpected("a string in quotes");
    texts_.push_back(in_->token().text);
    return in_->Advance();
  }
  ATTUNE_ASSIGN_OR_RETURN(const Scalar scalar, ReadScalar(in_));
  return ReadNumberOf(scalar);
}

Status ElementReader::ReadNumberOf(const Scalar& scalar) {
  const std::string_view spelling = scalar.token.spelling;
  const bool truth = spelling == "true" || spelling == "false";
  all_truth_ = all_truth_ && truth;
  all_whole_ = all_whole_ && ReadNumber(spelling, scalar.negative, DataType::kInt32).ok();
  const DataType as = dtype_.value_or(truth ? DataType::kBool : DataType::kFp32);
  const Result<double> number = ReadNumber(spelling, scalar.negative, as);
  if (!number.ok()) {
    return ErrorAt(scalar.token.at,
                   StrCat(Describe(scalar.token), ": ", number.status().message()));
  }
  numbers_.push_back(*number);
  return OkStatus();
}

DataType ElementReader::Nearest() const {
  if (dtype_) return *dtype_;
  if (!texts_.empty()) return DataType::kString;
  if (!numbers_.empty() && all_truth_) return DataType::kBool;
  return all_whole_ ? DataType::kInt32 : DataType::kFp32;
}

Result<Literal> ElementReader::Finish(Type type) && {
  type.dtype = Nearest();
  if (!texts_.empty() && !numbers_.empty()) return in_->Unexpected("elements of one type");
  const std::size_t count = numbers_.size() + texts_.size();
  // A bare list has as many as it has.
  if (!dtype_ && type.is_tensor) type.dims = {static_cast<std::int64_t>(count)};
  Literal literal;
  literal.typed = dtype_.has_value();
  literal.type = std::move(type);
  if (count != static_cast<std::size_t>(literal.type.elements())) {
    return in_->Unexpected(StrCat(literal.type.elements(), " elements for ", ToString(literal.type),
                                  " and not ", count, " before this"));
  }
  if (literal.type.dtype != DataType::kString) {
    literal.data = std::move(numbers_);
  } else if (literal.type.dims.empty()) {
    literal.data = std::move(texts_.front());
  } else {
    literal.data = std::move(texts_);
  }
  return literal;
}

// A scalar literal whose type must be `dtype`, or bare: then *typed turns false.
Result<std::string> ReadBlobText(TokenReader* in, bool* typed) {
  if (in->token().kind == TokenKind::kText) *typed = false;
  return ReadString(in);
}

Result<std::uint64_t> ReadBlobOffset(TokenReader* in, bool* typed) {
  const bool bare = in->token().kind == TokenKind::kNumber;
  if (bare) {
    *typed = false;
  } else {
    ATTUNE_RETURN_IF_ERROR(ReadType(in).status());
    ATTUNE_RETURN_IF_ERROR(in->Expect('('));
  }
  const auto offset =
      in->token().kind == TokenKind::kNumber ? ReadUnsigned(in->token().spelling) : std::nullopt;
  if (!offset) return in->Unexpected("an offset");
  ATTUNE_RETURN_IF_ERROR(in->Advance());
  if (!bare) ATTUNE_RETURN_IF_ERROR(in->Expect(')'));
  return *offset;
}

// BLOBFILE(path = ..., offset = ...), in either order; the name is read already.
Result<Literal> ReadBlob(TokenReader* in, Type type) {
  Literal literal;
  literal.type = std::move(type);
  Blob blob;
  bool has_path = false, has_offset = false;
  ATTUNE_RETURN_IF_ERROR(in->Expect('('));
  while (true) {
    const Token key = in->token();
    ATTUNE_RETURN_IF_ERROR(in->Name("path or offset").status());
    ATTUNE_RETURN_IF_ERROR(in->Expect('='));
    if (key.spelling == "path" && !has_path) {
      ATTUNE_ASSIGN_OR_RETURN(blob.path, ReadBlobText(in, &literal.typed));
      has_path = true;
    } else if (key.spelling == "offset" && !has_offset) {
      ATTUNE_ASSIGN_OR_RETURN(blob.offset, ReadBlobOffset(in, &literal.typed));
      has_offset = true;
    } else {
      return ErrorAt(key.at, StrCat("a BLOBFILE has one path and one offset, not ", Describe(key)));
    }
    if (!in->token().Is(',')) break;
    ATTUNE_RETURN_IF_ERROR(in->Advance());
  }
  if (!has_path || !has_offset) return in->Unexpected("path and offset of the BLOBFILE");
  ATTUNE_RETURN_IF_ERROR(in->Expect(')'));
  literal.data = std::move(blob);
  return literal;
}

// What stands behind a type: (v), ([v, ...]), (BLOBFILE(...)).
Result<Literal> ReadTypedLiteral(TokenReader* in, Type type) {
  ATTUNE_RETURN_IF_ERROR(in->Expect('('));
  if (in->token().IsName("BLOBFILE")) {
    ATTUNE_RETURN_IF_ERROR(in->Advance());
    ATTUNE_ASSIGN_OR_RETURN(Literal literal, ReadBlob(in, std::move(type)));
    ATTUNE_RETURN_IF_ERROR(in->Expect(')'));
    return literal;
  }
  if (type.is_buffer) return in->Unexpected("a tensor; a tensor_buffer has no literal");
  ElementReader elements(in, type.dtype);
  ATTUNE_RETURN_IF_ERROR(elements.Read(0));
  ATTUNE_ASSIGN_OR_RETURN(Literal literal, std::move(elements).Finish(std::move(type)));
  ATTUNE_RETURN_IF_ERROR(in->Expect(')'));
  return literal;
}

Result<Literal> ReadBareLiteral(TokenReader* in) {
  if (in->token().IsName("BLOBFILE")) {
    ATTUNE_RETURN_IF_ERROR(in->Advance());
    ATTUNE_ASSIGN_OR_RETURN(Literal literal, ReadBlob(in, {}));
    literal.typed = false;
    return literal;
  }
  Type type;
  type.is_tensor = in->token().Is('[');
  ElementReader elements(in, std::nullopt);
  ATTUNE_RETURN_IF_ERROR(elements.Read(0));
  return std::move(elements).Finish(std::move(type));
}

Result<std::vector<std::string>> ReadNames(TokenReader* in) {
  std::vector<std::string> names;
  ATTUNE_RETURN_IF_ERROR(in->Expect('('));
  do {
    if (!names.empty()) ATTUNE_RETURN_IF_ERROR(in->Expect(','));
    ATTUNE_RETURN_IF_ERROR(in->CountArgument());
    ATTUNE_ASSIGN_OR_RETURN(std::string name, in->Name("the name of a value"));
    names.push_back(std::move(name));
  } while (in->token().Is(','));
  ATTUNE_RETURN_IF_ERROR(in->Expect(')'));
  return names;
}

bool BeginsType(const Token& token) {
  return token.kind == TokenKind::kName &&
         (token.spelling == "tensor" || token.spelling == "tensor_buffer" ||
          ParseDataType(token.spelling).has_value());
}

// A name stands for itself, unless what follows makes it the type of a literal: values
// may well be called "string" or "bool".
Status ReadNamedValue(TokenReader* in, Argument* argument) {
  const Token name = in->token();
  const bool tensor = name.spelling == "tensor" || name.spelling == "tensor_buffer";
  if (tensor) {
    ATTUNE_ASSIGN_OR_RETURN(Type type, ReadType(in));
    ATTUNE_ASSIGN_OR_RETURN(argument->value, ReadTypedLiteral(in, std::move(type)));
    return OkStatus();
  }
  if (name.spelling == "true" || name.spelling == "false" || name.spelling == "BLOBFILE") {
    ATTUNE_ASSIGN_OR_RETURN(argument->value, ReadBareLiteral(in));
    return OkStatus();
  }
  ATTUNE_RETURN_IF_ERROR(in->Advance());
  if (BeginsType(name) && in->token().Is('(')) {
    Type type;
    type.dtype = *ParseDataType(name.spelling);
    ATTUNE_ASSIGN_OR_RETURN(argument->value, ReadTypedLiteral(in, std::move(type)));
    return OkStatus();
  }
  argument->value = std::string(name.spelling);
  return OkStatus();
}

}  // namespace

Result<Type> ReadType(TokenReader* in) {
  Type type;
  const Position at = in->token().at;
  type.is_buffer = in->token().IsName("tensor_buffer");
  type.is_tensor = type.is_buffer || in->token().IsName("tensor");
  if (!type.is_tensor) {
    ATTUNE_ASSIGN_OR_RETURN(type.dtype, ReadDataType(in));
    return type;
  }
  ATTUNE_RETURN_IF_ERROR(in->Advance());
  ATTUNE_RETURN_IF_ERROR(in->Expect('<'));
  ATTUNE_ASSIGN_OR_RETURN(type.dtype, ReadDataType(in));
  if (type.is_buffer) {
    ATTUNE_RETURN_IF_ERROR(ReadBufferKeys(in, &type));
  } else {
    ATTUNE_RETURN_IF_ERROR(in->Expect(','));
    ATTUNE_ASSIGN_OR_RETURN(type.dims, ReadExtents(in));
  }
  ATTUNE_RETURN_IF_ERROR(in->Expect('>'));
  ATTUNE_RETURN_IF_ERROR(CheckElements(type, at));
  return type;
}

Result<std::string> ReadString(TokenReader* in) {
  const bool bare = in->token().kind == TokenKind::kText;
  if (!bare) {
    ATTUNE_ASSIGN_OR_RETURN(const Type type, ReadType(in));
    if (type.dtype != DataType::kString) return in->Unexpected("a string");
    ATTUNE_RETURN_IF_ERROR(in->Expect('('));
  }
  if (in->token().kind != TokenKind::kText) return in->Unexpected("a string in quotes");
  std::string text = in->token().text;
  ATTUNE_RETURN_IF_ERROR(in->Advance());
  if (!bare) ATTUNE_RETURN_IF_ERROR(in->Expect(')'));
  return text;
}

Result<Argument> ReadArgument(TokenReader* in) {
  Argument argument;
  argument.at = in->token().at;
  ATTUNE_RETURN_IF_ERROR(in->CountArgument());
  ATTUNE_ASSIGN_OR_RETURN(argument.key, in->Name("the name of an argument"));
  ATTUNE_RETURN_IF_ERROR(in->Expect('='));
  if (in->token().Is('(')) {
    ATTUNE_ASSIGN_OR_RETURN(argument.value, ReadNames(in));
  } else if (in->token().kind == TokenKind::kName) {
    ATTUNE_RETURN_IF_ERROR(ReadNamedValue(in, &argument));
  } else if (in->token().kind == TokenKind::kEnd || in->token().Is(',') || in->token().Is(')') ||
             in->token().Is(']')) {
    return in->Unexpected("a name or a literal");
  } else {
    ATTUNE_ASSIGN_OR_RETURN(argument.value, ReadBareLiteral(in));
  }
  return argument;
}

}  // namespace attune::ane::mil
