// Constants as the text and the weight files say them.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ane/simulator/builder.h"

namespace attune::ane {

// A literal that is written out. Reals are rounded as the numerics keep them.
Result<Constant> ConstantOf(const mil::Literal& literal, const Numerics& numerics);

// A weight record: the bytes at the record's own data offset, whether or not it is
// right, read as `type` says, whatever type the record names: so the hardware's
// compiler does.
//
//   kDataLoss  no record there, or too few bytes
Result<Constant> ConstantOf(const mil::Type& type, std::span<const std::byte> file,
                            std::uint64_t offset, const Numerics& numerics);

// f32 elements' room that one number of that type takes.
std::int64_t RoomOf(mil::DataType dtype);

// As the executor keeps a real number.
float Entered(float x, const Numerics& numerics);

}  // namespace attune::ane
