#include "ane/simulator/literals.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "ane/mil/blob.h"
#include "base/half.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

using mil::DataType;

// Bits [first, first + width) of a stream that fills bytes from the lowest bit on.
std::uint32_t BitsAt(std::span<const std::byte> bytes, std::uint64_t first, int width) {
  std::uint32_t value = 0;
  for (int bit = 0; bit < width; ++bit) {
    const std::uint64_t at = first + static_cast<std::uint64_t>(bit);
    const auto byte = std::to_integer<std::uint32_t>(bytes[at / 8]);
    value |= (byte >> (at % 8) & 1u) << bit;
  }
  return value;
}

template <typename T>
T Loaded(std::span<const std::byte> bytes, std::uint64_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

bool KeepsExact(DataType dtype) { return !mil::IsReal(dtype) && mil::BitsOf(dtype) >= 32; }

double ElementOf(DataType dtype, std::span<const std::byte> bytes, std::uint64_t i) {
  switch (dtype) {
    case DataType::kFp16:
      return F32FromF16(Loaded<std::uint16_t>(bytes, i));
    case DataType::kBf16:
      return F32FromBf16(Loaded<std::uint16_t>(bytes, i));
    case DataType::kFp32:
      return Loaded<float>(bytes, i);
    case DataType::kInt8:
      return Loaded<std::int8_t>(bytes, i);
    case DataType::kUint8:
    case DataType::kBool:
      return Loaded<std::uint8_t>(bytes, i);
    case DataType::kInt16:
      return Loaded<std::int16_t>(bytes, i);
    case DataType::kUint16:
      return Loaded<std::uint16_t>(bytes, i);
    case DataType::kInt32:
      return Loaded<std::int32_t>(bytes, i);
    case DataType::kUint32:
      return Loaded<std::uint32_t>(bytes, i);
    case DataType::kInt64:
      return static_cast<double>(Loaded<std::int64_t>(bytes, i));
    case DataType::kUint64:
      return static_cast<double>(Loaded<std::uint64_t>(bytes, i));
    default:
      break;
  }
  const int width = mil::BitsOf(dtype);
  const std::uint32_t bits = BitsAt(bytes, i * static_cast<std::uint64_t>(width), width);
  if (dtype == DataType::kInt4 && bits >= 8) return static_cast<double>(bits) - 16;
  return static_cast<double>(bits);
}

}  // namespace

std::int64_t RoomOf(mil::DataType dtype) { return KeepsExact(dtype) ? 3 : 1; }

float Entered(float x, const Numerics& numerics) {
  if (!numerics.half) return x;
  if (std::isnan(x) && numerics.nan_to_infinity) return std::numeric_limits<float>::infinity();
  return F32FromF16(F16FromF32(x));
}

Result<Constant> ConstantOf(const mil::Literal& literal, const Numerics& numerics) {
  Constant constant;
  if (const auto* text = std::get_if<std::string>(&literal.data)) {
    constant.text = *text;
    return constant;
  }
  const auto* numbers = std::get_if<std::vector<double>>(&literal.data);
  if (numbers == nullptr) return InvalidArgument("a list of strings is not a constant of an op");
  const auto elements = static_cast<std::size_t>(*ElementsOf(literal.type.dims));
  if (numbers->size() != elements) {
    return InvalidArgument(StrCat("literal of ", numbers->size(), " numbers, its type ",
                                  mil::ToString(literal.type), " has ", elements));
  }
  constant.numbers.reserve(elements);
  const bool real = mil::IsReal(literal.type.dtype);
  for (const double number : *numbers) {
    const auto x = static_cast<float>(number);
    constant.numbers.push_back(real ? Entered(x, numerics) : x);
  }
  if (KeepsExact(literal.type.dtype)) constant.exact = *numbers;
  return constant;
}

Result<Constant> ConstantOf(const mil::Type& type, std::span<const std::byte> file,
                            std::uint64_t offset, const Numerics& numerics) {
  ATTUNE_ASSIGN_OR_RETURN(const mil::BlobRecord record, mil::ReadRecordHeader(file, offset));
  const auto elements = static_cast<std::uint64_t>(*ElementsOf(type.dims));
  const auto bits = static_cast<std::uint64_t>(mil::BitsOf(type.dtype));
  if (bits == 0) return InvalidArgument("a weight record holds numbers, not strings");
  const std::uint64_t needed = (elements * bits + 7) / 8;
  if (record.data_offset > file.size() || file.size() - record.data_offset < needed) {
    return DataLoss(StrCat("weight record at ", offset, ": ", mil::ToString(type), " needs ",
                           needed, " bytes at ", record.data_offset, ", the file has ",
                           file.size()));
  }
  const std::span<const std::byte> bytes = file.subspan(record.data_offset, needed);
  const bool real = mil::IsReal(type.dtype);
  Constant constant;
  constant.numbers.resize(elements);
  if (KeepsExact(type.dtype)) constant.exact.resize(elements);
  for (std::uint64_t i = 0; i < elements; ++i) {
    const double number = ElementOf(type.dtype, bytes, i);
    if (!constant.exact.empty()) constant.exact[i] = number;
    const auto x = static_cast<float>(number);
    constant.numbers[i] = real ? Entered(x, numerics) : x;
  }
  return constant;
}

}  // namespace attune::ane
