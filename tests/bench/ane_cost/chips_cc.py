"""Writes adapters/ane/cost/chips.cc."""
import textwrap

FIELDS = ("floor_seconds", "matrix_rate", "product_rate", "int8_factor", "elementwise_rate",
          "weight_bandwidth", "surface_bandwidth", "onchip_bytes", "compile_seconds",
          "compile_seconds_per_byte", "load_seconds", "wake_seconds", "idle_seconds",
          "contention", "active_watts", "floor_watts", "joules_per_byte", "host_rate",
          "host_bandwidth")
NAMES = {"m1": "kM1", "m2": "kM2", "m3-pro": "kM3Pro", "m3-ultra": "kM3Ultra", "m4": "kM4",
         "m4-max": "kM4Max", "m5": "kM5", "m5-max": "kM5Max", "a17-pro": "kA17Pro",
         "a18-pro": "kA18Pro"}

HEAD = """// Written by tests/bench/ane_cost/fit from published measurements; edit those.
// "Pooled" constants are those of all chips together: no measurement of this chip
// depends on them, or there are too few to tell chips apart.

#include <cstddef>

#include "ane/cost/cost.h"

namespace attune::ane {
namespace {

struct ChipRow {
  Chip chip;
  double uncertainty;
  ChipCost cost;
};

constexpr ChipRow kRows[] = {
"""
TAIL = """};
static_assert(sizeof(kRows) / sizeof(kRows[0]) == kChips);

const ChipRow& RowOf(Chip chip) { return kRows[static_cast<std::size_t>(chip)]; }

}  // namespace

const ChipCost& CostOf(Chip chip) { return RowOf(chip).cost; }

double UncertaintyOf(Chip chip) { return RowOf(chip).uncertainty; }

Spread StepUncertainty() { return {STEP}; }

}  // namespace attune::ane
"""


def number(value):
    return f"{value:g}"


def write(order, chips, borrowed, uncertainty, step):
    text = HEAD
    for chip in order:
        pooled = ", ".join(field for field in FIELDS if field in borrowed[chip])
        text += "".join(f"    // {line}\n" for line in textwrap.wrap(f"Pooled: {pooled}.", 90))
        text += f"    {{Chip::{NAMES[chip]},\n     {number(uncertainty[chip])},\n     {{\n"
        for field in FIELDS:
            text += f"         .{field} = {number(chips[chip][field])},\n"
        text += "     }},\n"
    return text + TAIL.replace("STEP", ", ".join(number(factor) for factor in step))
