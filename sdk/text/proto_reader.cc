#include "text/proto_reader.h"

#include <bit>

#include "base/strings.h"

namespace attune {

namespace {

enum WireType : std::uint64_t { kVarint = 0, kFixed64 = 1, kDelimited = 2, kFixed32 = 5 };

std::uint64_t LittleEndian(std::string_view bytes) {
  std::uint64_t out = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    out = out << 8 | static_cast<unsigned char>(bytes[i]);
  return out;
}

}  // namespace

float ProtoFloat(const ProtoField& field) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(field.scalar));
}

Result<std::uint64_t> ProtoReader::Varint() {
  std::uint64_t out = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    ATTUNE_ASSIGN_OR_RETURN(const std::string_view byte, Take(1));
    const auto value = static_cast<unsigned char>(byte[0]);
    out |= std::uint64_t{value & 0x7Fu} << shift;
    if (value < 0x80) return out;
  }
  return InvalidArgument(StrCat("byte ", position(), " of ", size_, ": number of over 64 bits"));
}

Result<std::string_view> ProtoReader::Take(std::uint64_t bytes) {
  if (bytes > rest_.size()) {
    return InvalidArgument(StrCat("byte ", position(), " of ", size_, ": ", bytes,
                                  " bytes expected, ", rest_.size(), " left"));
  }
  const std::string_view out = rest_.substr(0, bytes);
  rest_.remove_prefix(bytes);
  return out;
}

Result<ProtoField> ProtoReader::Next() {
  ATTUNE_ASSIGN_OR_RETURN(const std::uint64_t tag, Varint());
  ProtoField field;
  field.number = static_cast<std::uint32_t>(tag >> 3);
  if (field.number == 0 || tag >> 3 > 0x1FFFFFFF) {
    return InvalidArgument(StrCat("byte ", position(), " of ", size_, ": field number ", tag >> 3));
  }
  const std::uint64_t type = tag & 7;
  if (type == kVarint) {
    ATTUNE_ASSIGN_OR_RETURN(field.scalar, Varint());
  } else if (type == kDelimited) {
    ATTUNE_ASSIGN_OR_RETURN(const std::uint64_t length, Varint());
    ATTUNE_ASSIGN_OR_RETURN(field.bytes, Take(length));
  } else if (type == kFixed32 || type == kFixed64) {
    ATTUNE_ASSIGN_OR_RETURN(const std::string_view bytes, Take(type == kFixed32 ? 4 : 8));
    field.scalar = LittleEndian(bytes);
  } else {
    return InvalidArgument(StrCat("byte ", position(), " of ", size_, ": wire type ", type));
  }
  return field;
}

}  // namespace attune
