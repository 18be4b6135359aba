// The order of a hybrid run: stretches of host nodes and of device nodes in turn, as
// few as the data allow.

#pragma once

#include <cstdint>
#include <vector>

#include "ane/compiler/lowering/placement.h"

namespace attune::ane {

// A node, or a half of a head: its logits on the device, its end on the host.
struct Item {
  std::int32_t node = 0;
  bool tail = false;
};

struct Segment {
  bool device = false;
  std::vector<Item> items;  // In the graph's order.
};

// Every node once (a head twice), each after what it reads. Nodes of the backward pass
// stay behind the loss even where they could go earlier: forward values that are
// computed again there must not be kept instead.
std::vector<Segment> ScheduleNodes(const Graph& graph, const std::vector<Place>& places);

// Moves nodes of device segments with fewer than `smallest` nodes to the host, until
// none is left; heads keep theirs.
void DissolveIslands(const Graph& graph, std::int64_t smallest, std::vector<Place>* places);

}  // namespace attune::ane
