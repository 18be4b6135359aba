#include "ane/compiler/weight_data.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/half.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// Where a piece lies in the weight's matrix, of `stride` columns.
struct Place {
  const WeightPiece* piece;
  std::int64_t first = 0;  // Element of its upper left corner.
  std::int64_t stride = 0;
};

std::vector<Place> PlacesOf(const Weight& weight) {
  const std::int64_t stride = ColumnsOf(weight);
  std::vector<Place> places;
  std::int64_t first = 0;
  for (const WeightPiece& piece : weight.pieces) {
    places.push_back({&piece, first, stride});
    first += weight.side_by_side ? piece.columns : piece.rows * stride;
  }
  return places;
}

// Calls move(element of the matrix, element of the source) for each of a piece's
// numbers, in blocks so that a transposed piece is not written down its columns.
template <typename Move>
void Walk(const Place& place, Move move) {
  constexpr std::int64_t kBlock = 32;
  const WeightPiece& piece = *place.piece;
  const std::int64_t a = piece.source.shape[0];
  const std::int64_t b = piece.source.shape.rank() == 2 ? piece.source.shape[1] : 1;
  const std::int64_t down = piece.transposed ? 1 : place.stride;
  const std::int64_t right = piece.transposed ? place.stride : 1;
  const std::int64_t block = piece.transposed ? kBlock : std::max<std::int64_t>(b, 1);
  for (std::int64_t j0 = 0; j0 < b; j0 += block) {
    const std::int64_t j1 = std::min(j0 + block, b);
    for (std::int64_t i = 0; i < a; ++i) {
      for (std::int64_t j = j0; j < j1; ++j) {
        move(place.first + i * down + j * right, i * b + j);
      }
    }
  }
}

template <typename T>
T ReadAs(const std::byte* data, std::int64_t i) {
  T value;
  std::memcpy(&value, data + i * static_cast<std::int64_t>(sizeof(T)), sizeof(T));
  return value;
}

template <typename T>
void WriteAs(std::byte* data, std::int64_t i, T value) {
  std::memcpy(data + i * static_cast<std::int64_t>(sizeof(T)), &value, sizeof(T));
}

// Calls store(element of the matrix, number) for each of a piece's numbers.
template <typename Store>
void WalkNumbers(const Place& place, Store store) {
  const TensorView& source = place.piece->source;
  const std::byte* data = source.data;
  const float scale = place.piece->scale;
  const auto walk = [&](auto load) {
    Walk(place, [&](std::int64_t at, std::int64_t from) { store(at, load(from) * scale); });
  };
  switch (source.dtype) {
    case DType::kF32:
      return walk([data](std::int64_t i) { return ReadAs<float>(data, i); });
    case DType::kF16:
      return walk([data](std::int64_t i) { return F32FromF16(ReadAs<std::uint16_t>(data, i)); });
    case DType::kBf16:
      return walk([data](std::int64_t i) { return F32FromBf16(ReadAs<std::uint16_t>(data, i)); });
    default:
      return walk([&source](std::int64_t i) { return ElementAsF32(source, i); });
  }
}

// Most numbers are normal in fp16 and need no more than this; there are hundreds of
// millions of them.
inline std::uint16_t HalfOf(float number) {
  const auto bits = std::bit_cast<std::uint32_t>(number);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude - 0x38800000u >= 0x477ff000u - 0x38800000u) return F16FromF32(number);
  const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>((bits >> 16 & 0x8000u) | ((rounded - 0x38000000u) >> 13));
}

Status Beyond(const Weight& weight, float number) {
  return InvalidArgument(
      StrCat("weight ", weight.name, ": ", number, " is beyond fp16, which ends at 65504"));
}

bool SamePiece(const WeightPiece& a, const WeightPiece& b) {
  if (a.source.dtype != b.source.dtype || !(a.source.shape == b.source.shape) ||
      a.transposed != b.transposed || a.scale != b.scale || a.rows != b.rows ||
      a.columns != b.columns) {
    return false;
  }
  if (a.source.data == b.source.data) return true;
  if (a.literal == nullptr || b.literal == nullptr) return false;
  return std::memcmp(a.source.data, b.source.data, static_cast<std::size_t>(a.source.bytes())) == 0;
}

}  // namespace

Status FillElements(const Weight& weight, ElementType element, std::span<std::byte> out) {
  std::byte* to = out.data();
  for (const Place& place : PlacesOf(weight)) {
    const TensorView& source = place.piece->source;
    if (element == ElementType::kF32) {
      WalkNumbers(place, [to](std::int64_t at, float number) { WriteAs(to, at, number); });
      continue;
    }
    if (source.dtype == DType::kF16 && place.piece->scale == 1.0f) {
      const std::byte* data = source.data;
      Walk(place, [to, data](std::int64_t at, std::int64_t from) {
        WriteAs(to, at, ReadAs<std::uint16_t>(data, from));
      });
      continue;
    }
    float beyond = 0;
    WalkNumbers(place, [to, &beyond](std::int64_t at, float number) {
      const std::uint16_t half = HalfOf(number);
      if ((half & 0x7fffu) == 0x7c00u && std::isfinite(number)) beyond = number;
      WriteAs(to, at, half);
    });
    if (beyond != 0) return Beyond(weight, beyond);
  }
  return OkStatus();
}

bool SameNumbers(const Weight& a, const Weight& b) {
  return a.dims == b.dims && a.storage == b.storage &&
         (a.side_by_side == b.side_by_side || a.pieces.size() == 1) &&
         std::ranges::equal(a.pieces, b.pieces, SamePiece);
}

}  // namespace attune::ane
