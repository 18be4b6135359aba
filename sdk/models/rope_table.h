// The rotation table of RoPE: row p holds cos(p f_i), then sin(p f_i), for the
// frequencies f_i of half a head.

#pragma once

#include <cstdint>
#include <vector>

#include "formats/decoder_config.h"
#include "tensor/tensor.h"

namespace attune {

// f_i = theta^(-2i / head_dim), stretched as the scaling says.
std::vector<double> RopeFrequencies(const RopeConfig& rope, std::int64_t head_dim);

// f32 [positions, head_dim].
Tensor RopeTable(const RopeConfig& rope, std::int64_t positions, std::int64_t head_dim);

}  // namespace attune
