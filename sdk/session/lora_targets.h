// Which linear layers get an adapter.

#pragma once

#include <string>
#include <vector>

#include "attune/status.h"
#include "formats/peft.h"
#include "graph/lora.h"

namespace attune {

// The modules of `linears` that `config` targets, with their ranks and scales,
// in the order of `linears`.
//
//   kInvalidArgument  a name that matches no module, a pattern that is none, or
//                     nothing targeted at all
Result<std::vector<LoraModule>> SelectModules(const PeftConfig& config,
                                              const std::vector<std::string>& linears);

}  // namespace attune
