#include "ane/cost/cost.h"

#include <algorithm>
#include <array>

namespace attune::ane {
namespace {

// The first evaluations after a load against a settled one: 7.6, 4.6 and 2.4 ms
// before 2.15 ms on an M1. Other chips are taken to be alike.
constexpr std::array<double, 3> kFirstEvaluations = {3.5, 2.1, 1.1};

// The part of the working set that does not fit on the chip.
double Outside(const ChipCost& chip, const Work& work) {
  if (work.largest_live_bytes <= chip.onchip_bytes) return 0;
  return 1 - chip.onchip_bytes / work.largest_live_bytes;
}

// Products whose operands stay on the chip run as fast as convolutions; published
// rates of large ones are a third of that.
double ArithmeticSeconds(const ChipCost& chip, const Work& work) {
  const double slow = std::min(work.product_flops, work.matrix_flops) * Outside(chip, work);
  return (work.matrix_flops - slow) / chip.matrix_rate + slow / chip.product_rate +
         work.elementwise_flops / chip.elementwise_rate;
}

}  // namespace

Work& Work::operator+=(const Work& other) {
  matrix_flops += other.matrix_flops;
  product_flops += other.product_flops;
  elementwise_flops += other.elementwise_flops;
  weight_bytes += other.weight_bytes;
  surface_bytes += other.surface_bytes;
  internal_bytes += other.internal_bytes;
  largest_live_bytes = std::max(largest_live_bytes, other.largest_live_bytes);
  ops += other.ops;
  return *this;
}

Prediction PredictEvaluation(const ChipCost& chip, const Work& work) {
  const double arithmetic = ArithmeticSeconds(chip, work);
  // Intermediate results that do not fit go through memory as weights do.
  const double streamed = work.weight_bytes + work.internal_bytes * Outside(chip, work);
  const double moving =
      streamed / chip.weight_bandwidth + work.surface_bytes / chip.surface_bandwidth;
  Prediction out;
  out.seconds = chip.floor_seconds + std::max(arithmetic, moving);
  out.joules = chip.floor_seconds * chip.floor_watts + arithmetic * chip.active_watts +
               (streamed + work.surface_bytes) * chip.joules_per_byte;
  return out;
}

Prediction PredictEvaluation(const ChipCost& chip, const Work& work, std::int64_t evaluation,
                             double idle_seconds) {
  Prediction out = PredictEvaluation(chip, work);
  if (evaluation >= 0 && evaluation < static_cast<std::int64_t>(kFirstEvaluations.size())) {
    out.seconds *= kFirstEvaluations[static_cast<std::size_t>(evaluation)];
  }
  if (idle_seconds >= chip.idle_seconds) {
    out.seconds += chip.wake_seconds;
    out.joules += chip.wake_seconds * chip.floor_watts;
  }
  return out;
}

double PredictCompile(const ChipCost& chip, const Work& work) {
  return chip.compile_seconds + work.weight_bytes * chip.compile_seconds_per_byte;
}

double PredictHost(const ChipCost& chip, double flops, double bytes) {
  return std::max(flops / chip.host_rate, bytes / chip.host_bandwidth);
}

}  // namespace attune::ane
