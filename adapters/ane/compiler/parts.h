// A region as a sequence that may be cut, and the regions between the cuts.

#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "ane/compiler/ir.h"
#include "attune/status.h"

namespace attune::ane {

inline constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

// When a tensor is computed and read, in positions of Order::nodes.
struct Lifetime {
  std::size_t defined = kNever;  // Leaves, and what is derived from them: never.
  std::size_t last_read = 0;     // 0 when nothing reads it.
  bool is_output = false;
};

// A node, together with the looks at leaves that it reads through: reshapes, slices
// and the like of one surface are done again in each program instead of crossing.
struct OrderedNode {
  std::vector<std::int32_t> nodes;  // Of the region; the last is its own.
  TensorId result = kNone;
  std::vector<TensorId> reads;  // Results of others, each once.
  std::vector<WeightId> weights;
  std::vector<SurfaceId> surfaces;
};

struct Order {
  std::vector<OrderedNode> nodes;
  std::vector<Lifetime> lifetimes;  // By tensor.
  // By position, the end included: whether every value that crosses can be a surface.
  std::vector<bool> may_cut;
};

Order OrderOf(const Region& region);

// Every extent is one that all chips take: 65536 for the first two axes, 16384 for
// the others.
//
//   kUnsupported  which tensor, both numbers
Status CheckExtents(const Region& region);

// The regions of the ordered nodes [cuts[i], cuts[i + 1]). Values that cross are written to
// the surface they have as an output, or to a new one.
std::vector<Region> Cut(const Region& region, const Order& order, std::span<const std::size_t> cuts,
                        std::vector<SurfaceSpec>* surfaces);

}  // namespace attune::ane
