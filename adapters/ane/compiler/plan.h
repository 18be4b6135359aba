// A plan says how a graph runs on a device and the host beside it: which surfaces,
// which programs with which inputs, and the steps of a run in order. How a route
// writes programs down (MIL text in memory, Core ML packages) is not its business.
//
// Values of the host are the graph's own, f32 or i32, row-major.

#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "ane/compiler/ir.h"
#include "ane/cost/cost.h"
#include "graph/graph.h"

namespace attune::ane {

// f32 [rows, columns] of the host into a surface, padding with zeros, and back.
struct Upload {
  ValueId value = kNoValue;
  SurfaceId surface = kNone;
  bool once = false;  // The value never changes: a constant, a frozen parameter.
};
struct Download {
  SurfaceId surface = kNone;
  ValueId value = kNoValue;
};

// Evaluates the regions' programs [first, first + count).
struct RunPrograms {
  std::int32_t first = 0, count = 0;
};

// Runs a part of the graph on the host. Its leaves are called "v<id>" after the
// plan's values, parameters keep their names; its outputs are "v<id>" too.
struct RunHost {
  Graph graph;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
};

// Additive attention mask [1, queries, 1, keys], both padded: 0 where query c sees key
// w, kMasked elsewhere, between sequences of a batch and in the padding too.
inline constexpr float kMasked = -2.0e4f;
struct MakeMask {
  SurfaceId surface = kNone;
  AttentionMask mask = AttentionMask::kCausal;
  std::int64_t batch = 1;
  std::int64_t rows = 0;                 // Of all sequences together; queries and keys alike.
  ValueId lo = kNoValue, hi = kNoValue;  // kBounded.
};

// cos and sin of each row's rotation, for every channel of a head:
// surfaces [1, head_dim, 1, width].
struct MakeRotation {
  SurfaceId cosine = kNone, sine = kNone;
  ValueId positions = kNoValue, table = kNoValue;
  std::int64_t head_dim = 0;
  RopeLayout layout = RopeLayout::kRotateHalf;
};

// The end of the loss, when the device computed for each row x the log-sum-exp of its
// logits and p W, p their softmax (docs/internals/ane.md, "The head"):
//   loss = sum weights * (lse - x . W[label]),  dx = dloss * weights * (p W - W[label])
struct LossTail {
  SurfaceId x = kNone, lse = kNone, expected = kNone;  // p W; kNone without gradient.
  SurfaceId dx = kNone;
  ValueId weight = kNoValue, labels = kNoValue, weights = kNoValue, dloss = kNoValue;
  ValueId loss = kNoValue;
};

// Keep-mask of dropout, 0 or 1 / (1 - p), as the host's kernels draw it.
struct MakeDropoutMask {
  SurfaceId surface = kNone;
  ValueId seed = kNoValue;
  DropoutAttrs attrs;
  std::int64_t rows = 0, columns = 0;
};

using Step = std::variant<Upload, Download, RunPrograms, RunHost, MakeMask, MakeRotation, LossTail,
                          MakeDropoutMask>;

// A program that is ready to be written down.
struct PlanProgram {
  Region region;  // Within all limits.
  Work work;
};

struct Placement {
  std::string node;  // "model.layers.0.self_attn.q_proj (linear)".
  bool on_device = false;
  std::string reason;  // "gather", "over a cache", "head: 1.1 ms here, 9.8 ms on the host".
};

struct Plan {
  // What runs: the caller's graph, with the same values, and more after them where
  // forward values are computed again.
  Graph graph;
  std::int64_t recomputed = 0, recompute_candidates = 0;

  std::vector<SurfaceSpec> surfaces;
  // Storage: surfaces whose lives do not overlap within a run share a slot.
  std::vector<std::int32_t> slots;  // By surface.
  std::vector<std::int64_t> slot_elements;
  std::vector<PlanProgram> programs;
  std::vector<Step> steps;
  std::vector<Placement> placements;

  std::int64_t uploads = 0, downloads = 0;  // Bytes of f32 a run, for the cost.
  double host_flops = 0;                    // A run.
};

}  // namespace attune::ane
