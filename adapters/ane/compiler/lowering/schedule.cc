#include "ane/compiler/lowering/schedule.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

class Scheduler {
 public:
  Scheduler(const Graph& graph, const std::vector<Place>& places)
      : graph_(graph), places_(places), done_(graph.values().size(), false) {
    for (std::size_t i = 0; i < done_.size(); ++i) {
      done_[i] = graph.values()[i].leaf != Leaf::kNone;
    }
    for (std::int32_t n = 0; n < static_cast<std::int32_t>(graph.nodes().size()); ++n) {
      waiting_.push_back({n, false});
      if (places[static_cast<std::size_t>(n)].where == Where::kHead) {
        waiting_.push_back({n, true});
      }
      const OpKind op = NodeOf({n, false}).op;
      if (op == OpKind::kLinearCrossEntropy || op == OpKind::kLinearCrossEntropyJoint) loss_ = n;
    }
  }

  std::vector<Segment> Run() {
    std::vector<Segment> segments;
    for (bool device = false; !waiting_.empty(); device = !device) {
      Segment segment = Take(device);
      if (!segment.items.empty()) segments.push_back(std::move(segment));
      // Each turn takes at least what is first and of its kind.
      ATTUNE_CHECK(segments.size() <= 2 * graph_.nodes().size() + 2);
    }
    return segments;
  }

 private:
  const Node& NodeOf(const Item& item) const {
    return graph_.nodes()[static_cast<std::size_t>(item.node)];
  }
  bool OnDevice(const Item& item) const {
    return places_[static_cast<std::size_t>(item.node)].where != Where::kHost && !item.tail;
  }

  bool Ready(const Item& item) const {
    if (item.node > loss_ && loss_ >= 0 && !loss_done_) return false;
    const auto done = [&](ValueId id) { return done_[static_cast<std::size_t>(id)]; };
    const auto all = [&](const std::vector<ValueId>& ids) {
      return std::ranges::all_of(ids, done);
    };
    if (item.tail) return heads_.contains(item.node) && all(ReadsOf(NodeOf(item)).host);
    if (!OnDevice(item)) return all(NodeOf(item).inputs);
    const Reads reads = ReadsOf(NodeOf(item));
    // A head's host operands are its tail's: they may be computed beside its logits.
    const bool head = places_[static_cast<std::size_t>(item.node)].where == Where::kHead;
    return all(reads.surfaces) && (head || all(reads.host));
  }

  void Finish(const Item& item) {
    if (places_[static_cast<std::size_t>(item.node)].where == Where::kHead && !item.tail) {
      heads_.insert(item.node);
      return;
    }
    for (const ValueId id : NodeOf(item).outputs) done_[static_cast<std::size_t>(id)] = true;
    if (item.node == loss_) loss_done_ = true;
  }

  // All that can run now without changing sides; operands come before their readers,
  // so one pass finds them.
  Segment Take(bool device) {
    Segment segment{device, {}};
    std::vector<Item> rest;
    for (const Item& item : waiting_) {
      if (OnDevice(item) != device || !Ready(item)) {
        rest.push_back(item);
        continue;
      }
      segment.items.push_back(item);
      Finish(item);
    }
    waiting_ = std::move(rest);
    return segment;
  }

  const Graph& graph_;
  const std::vector<Place>& places_;
  std::vector<bool> done_;
  std::vector<Item> waiting_;
  std::set<std::int32_t> heads_;  // Whose logits are computed.
  std::int32_t loss_ = -1;
  bool loss_done_ = false;
};

}  // namespace

std::vector<Segment> ScheduleNodes(const Graph& graph, const std::vector<Place>& places) {
  return Scheduler(graph, places).Run();
}

void DissolveIslands(const Graph& graph, std::int64_t smallest, std::vector<Place>* places) {
  for (bool changed = true; changed;) {
    changed = false;
    for (const Segment& segment : ScheduleNodes(graph, *places)) {
      const auto size = static_cast<std::int64_t>(segment.items.size());
      const bool head =
          std::any_of(segment.items.begin(), segment.items.end(), [&](const Item& item) {
            return (*places)[static_cast<std::size_t>(item.node)].where == Where::kHead;
          });
      if (!segment.device || head || size >= smallest) continue;
      for (const Item& item : segment.items) {
        (*places)[static_cast<std::size_t>(item.node)] = {
            Where::kHost, StrCat("an island of ", size, " nodes, at least ", smallest, " pay")};
      }
      changed = true;
      break;  // What was beside it has moved.
    }
  }
}

}  // namespace attune::ane
