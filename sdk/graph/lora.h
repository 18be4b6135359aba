// Low-rank adaptation (Hu et al., 2021) as a graph rewrite: a matching linear
// y = x W^T becomes y = x W^T + s (x A^T) B^T with trainable A [r,in], B [out,r].
// Names, shapes and scaling are PEFT's.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "attune/status.h"
#include "graph/graph.h"

namespace attune {

struct LoraModule {
  std::string module;  // Path of the linear, e.g. "model.layers.0.self_attn.q_proj".
  std::int64_t rank = 8;
  float scale = 1.0f;  // alpha / r, or alpha / sqrt(r) for rsLoRA.
};

struct LoraSpec {
  std::vector<LoraModule> modules;
  // Applied to the input of A while training.
  float dropout = 0;
};

// A trainable pair, as InjectLora leaves it in the graph.
struct LoraBranch {
  std::string module;
  ValueId a = kNoValue;  // Parameter "<module>.lora_A.weight" [r, in].
  ValueId b = kNoValue;  // Parameter "<module>.lora_B.weight" [out, r].
};

// Rewrites `graph`: each linear whose weight parameter is "<module>.weight"
// gains its low-rank branch. With dropout, an input "dropout_seed" i32 [2] is
// added. Every module must match exactly one weight; the ones that do not are
// named in one error, and the graph is unchanged.
Result<std::vector<LoraBranch>> InjectLora(Graph* graph, const LoraSpec& spec);

// The paths of all linears over a parameter, in graph order: what a spec may
// name ("all-linear" leaves out the output head, which is not a linear here).
std::vector<std::string> LinearModules(const Graph& graph);

}  // namespace attune
