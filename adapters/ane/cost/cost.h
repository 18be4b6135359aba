// What a program costs in time and energy, from what it computes and moves:
//
//   seconds = floor + max(flops / rate, bytes / bandwidth)
//
// with a rate for each kind of arithmetic and a bandwidth for each kind of bytes:
// arithmetic overlaps with moving, one kind of arithmetic not with another. Rates are
// fitted to a part of the published measurements and checked on the rest;
// docs/internals/ane.md has the table.

#pragma once

#include <cstdint>
#include <span>

#include "ane/device/target.h"

namespace attune::ane {

// What one evaluation of a program does.
struct Work {
  double matrix_flops = 0;        // Of convolutions and matrix products, 2 per MAC.
  double product_flops = 0;       // Of those, the ones of matmul.
  double elementwise_flops = 0;   // Everything else, one per element and op; softmax is five.
  double weight_bytes = 0;        // Constants streamed in.
  double surface_bytes = 0;       // Inputs and outputs.
  double internal_bytes = 0;      // Intermediate results, written and read.
  double largest_live_bytes = 0;  // Working set: the most alive between two ops.
  std::int64_t ops = 0;
  // What both do one after the other: sums, and the larger working set.
  Work& operator+=(const Work& other);
};

struct ChipCost {
  double floor_seconds = 0;     // Of one evaluation, the driver's part included.
  double matrix_rate = 0;       // FLOP/s in fp16, convolutions.
  double product_rate = 0;      // Of matmul with operands that do not fit on the chip.
  double int8_factor = 1;       // Of that rate with int8 weights and activations.
  double elementwise_rate = 0;  // Elements a second.
  double weight_bandwidth = 0;  // Bytes a second.
  double surface_bandwidth = 0;
  double onchip_bytes = 0;     // Operands up to here stay on the chip.
  double compile_seconds = 0;  // Of a program.
  double compile_seconds_per_byte = 0;
  double load_seconds = 0;  // Of a compiled one.
  double wake_seconds = 0;  // First evaluation after `idle_seconds` without one.
  double idle_seconds = 0;
  double contention = 1;    // Factor on an evaluation while something compiles.
  double active_watts = 0;  // While computing.
  double floor_watts = 0;   // While dispatching.
  double joules_per_byte = 0;
  // Of the host beside it: single-precision matrix products, and bytes moved.
  double host_rate = 0;
  double host_bandwidth = 0;
};

const ChipCost& CostOf(Chip chip);

struct Prediction {
  double seconds = 0;
  double joules = 0;
};

Prediction PredictEvaluation(const ChipCost& chip, const Work& work);
// The k-th evaluation after loading (from 0) and after `idle` seconds without one:
// the first few are slower.
Prediction PredictEvaluation(const ChipCost& chip, const Work& work, std::int64_t evaluation,
                             double idle_seconds);
double PredictCompile(const ChipCost& chip, const Work& work);
// Work of the host: floating-point operations and bytes moved.
double PredictHost(const ChipCost& chip, double flops, double bytes);

// How far predictions for a chip lay from the measurements kept back, as a factor:
// 1.3 says that half of them were within 30 %. From the validation table.
double UncertaintyOf(Chip chip);

// The same for many programs together, a training step say, over all chips: the factors
// within which half and nine tenths of the predictions lay.
struct Spread {
  double half = 1;
  double most = 1;
};
Spread StepUncertainty();

}  // namespace attune::ane
