// y = keep(i) ? x / (1 - p) : 0, where element i is kept unless lane i % 4 of
// Philox4x32(counter (i / 4, salt, 0, 0), key seed) is below p 2^32.

#pragma once

#include <cstdint>

#include "base/philox.h"
#include "cpu/kernels/worker.h"

namespace attune::cpu {

struct DropoutArgs {
  const float* x = nullptr;
  const std::int32_t* seed = nullptr;  // [2]
  float* y = nullptr;                  // May be x.
  std::int64_t n = 0;
  float probability = 0;
  std::uint32_t salt = 0;
};

inline void Dropout(const DropoutArgs& args, const Worker& worker) {
  const auto threshold = static_cast<std::uint32_t>(static_cast<double>(args.probability) * 0x1p32);
  const float scale = 1.0f / (1.0f - args.probability);
  const std::array key = {static_cast<std::uint32_t>(args.seed[0]),
                          static_cast<std::uint32_t>(args.seed[1])};
  const WorkRange share = worker.Range(args.n, 4);
  for (std::int64_t i = share.begin; i < share.end; i += 4) {
    const auto draws = Philox4x32({static_cast<std::uint32_t>(i / 4), args.salt, 0, 0}, key);
    for (std::int64_t lane = 0; lane < 4 && i + lane < share.end; ++lane) {
      args.y[i + lane] =
          draws[static_cast<std::size_t>(lane)] < threshold ? 0.0f : args.x[i + lane] * scale;
    }
  }
}

}  // namespace attune::cpu
