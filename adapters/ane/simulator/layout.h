// How the inputs and outputs of a function lie in surfaces, and in which order the
// compiled program has them.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ane/device/device.h"
#include "ane/mil/ast.h"
#include "ane/simulator/machine.h"
#include "ports/parallel.h"

namespace attune::ane {

struct SurfaceOrder {
  Symbols symbols;
  // By symbol: which parameter or result of the text.
  std::vector<std::size_t> inputs, outputs;
};

// Sorted by name, outputs as "name@output", byte by byte.
//
//   kInvalidArgument  a type that no surface holds
Result<SurfaceOrder> OrderOf(const std::vector<mil::Output>& parameters,
                             const std::vector<mil::Output>& results, const Target& target);

// Between a surface and an array in row-major order: the share of one worker.
void ReadSurface(const SymbolLayout& layout, std::span<const std::byte> surface,
                 std::span<float> values, const WorkRange& rows);
void WriteSurface(const SymbolLayout& layout, std::span<const float> values,
                  std::span<std::byte> surface, const WorkRange& rows);

}  // namespace attune::ane
