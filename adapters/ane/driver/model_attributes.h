// What a compiled program says about itself: which symbol is at which index, and how
// its data lie in a surface. Order and strides come from here and from nowhere else.

#pragma once

#include <cstdint>
#include <vector>

#include "ane/device/device.h"
#include "ane/driver/objc_runtime.h"
#include "attune/status.h"

namespace attune::ane {

// One side of a procedure: layouts, and what a request calls each of them.
struct Binding {
  std::vector<SymbolLayout> layouts;
  std::vector<std::int64_t> indices;
};

struct ProcedureLayout {
  std::int64_t procedure = 0;  // What a request calls it.
  Binding inputs, outputs;
};

// The first procedure of a loaded _ANEModel. What the framework answers is checked:
//
//   kUnsupported  a table, a symbol or a number is missing, out of range, or
//                 contradicts another; named
Result<ProcedureLayout> ReadModelAttributes(const objc::Runtime& runtime, objc::Id model);

}  // namespace attune::ane
