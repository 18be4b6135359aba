#include "graph/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "base/checked_math.h"
#include "graph/op_schema.h"

namespace attune {
namespace {

struct Block {
  ValueId root;
  std::int64_t bytes;
  std::int32_t first;  // Node that creates it.
  std::int32_t last;   // Node that reads it last.
  std::int64_t offset = -1;
};

class Planner {
 public:
  explicit Planner(const Graph& graph) : graph_(graph), storage_(graph.values().size()) {
    std::iota(storage_.begin(), storage_.end(), 0);
  }

  MemoryPlan Run() {
    ResolveAliases();
    FindLastUses();
    TakeOverStorage();
    std::vector<Block> blocks = Blocks();
    MemoryPlan plan;
    plan.lower_bound_bytes = LowerBound(blocks);
    plan.bytes = Place(&blocks);
    plan.storage = storage_;
    plan.offsets.assign(storage_.size(), -1);
    std::vector<std::int64_t> by_root(storage_.size(), -1);
    for (const Block& block : blocks) by_root[static_cast<std::size_t>(block.root)] = block.offset;
    for (std::size_t i = 0; i < storage_.size(); ++i) {
      plan.offsets[i] = by_root[static_cast<std::size_t>(storage_[i])];
    }
    return plan;
  }

 private:
  ValueId& StorageOf(ValueId id) { return storage_[static_cast<std::size_t>(id)]; }
  std::int32_t& LastUse(ValueId id) { return last_use_[static_cast<std::size_t>(id)]; }

  void ResolveAliases() {
    for (const Node& node : graph_.nodes()) {
      if (SchemaOf(node.op).aliases_input) StorageOf(node.outputs[0]) = StorageOf(node.inputs[0]);
    }
  }

  void FindLastUses() {
    last_use_.assign(storage_.size(), -1);
    const auto count = static_cast<std::int32_t>(graph_.nodes().size());
    for (std::int32_t n = 0; n < count; ++n) {
      const Node& node = graph_.nodes()[static_cast<std::size_t>(n)];
      for (ValueId input : node.inputs) LastUse(StorageOf(input)) = n;
      for (ValueId output : node.outputs) LastUse(StorageOf(output)) = n;
    }
    for (const NamedValue& output : graph_.outputs()) LastUse(StorageOf(output.value)) = count;
  }

  bool CanTakeOver(const Node& node, std::int32_t n, int operand) {
    if (operand < 0 || static_cast<std::size_t>(operand) >= node.inputs.size()) return false;
    const ValueId input = node.inputs[static_cast<std::size_t>(operand)];
    const ValueId root = StorageOf(input);
    if (graph_.value(root).leaf != Leaf::kNone || LastUse(root) != n) return false;
    if (graph_.value(root).type.bytes() != graph_.value(node.outputs[0]).type.bytes()) return false;
    // A GEMM must not overwrite what it still reads; elementwise ops may.
    const bool elementwise = AccumulateInput(node) < 0;
    return elementwise || std::count_if(node.inputs.begin(), node.inputs.end(), [&](ValueId other) {
                            return StorageOf(other) == root;
                          }) == 1;
  }

  void TakeOverStorage() {
    for (std::int32_t n = 0; n < static_cast<std::int32_t>(graph_.nodes().size()); ++n) {
      const Node& node = graph_.nodes()[static_cast<std::size_t>(n)];
      if (SchemaOf(node.op).aliases_input) {
        StorageOf(node.outputs[0]) = StorageOf(node.inputs[0]);
        continue;
      }
      const int accumulator = AccumulateInput(node);
      const bool gemm = node.op == OpKind::kLinear || node.op == OpKind::kMatMul ||
                        node.op == OpKind::kEmbeddingGrad;
      const int first = gemm ? accumulator : SchemaOf(node.op).in_place_input;
      const bool commutes = node.op == OpKind::kAdd || node.op == OpKind::kMul;
      for (int operand : {first, commutes ? 1 : -1}) {
        if (!CanTakeOver(node, n, operand)) continue;
        const ValueId root = StorageOf(node.inputs[static_cast<std::size_t>(operand)]);
        LastUse(root) = std::max(LastUse(root), LastUse(node.outputs[0]));
        StorageOf(node.outputs[0]) = root;
        break;
      }
    }
  }

  std::vector<Block> Blocks() {
    std::vector<Block> blocks;
    for (std::int32_t n = 0; n < static_cast<std::int32_t>(graph_.nodes().size()); ++n) {
      for (ValueId output : graph_.nodes()[static_cast<std::size_t>(n)].outputs) {
        if (StorageOf(output) != output) continue;
        const std::int64_t bytes =
            RoundUp(std::max<std::int64_t>(graph_.value(output).type.bytes(), 1),
                    static_cast<std::int64_t>(kTensorAlignment));
        blocks.push_back({output, bytes, n, std::max(LastUse(output), n)});
      }
    }
    return blocks;
  }

  std::int64_t LowerBound(const std::vector<Block>& blocks) const {
    std::vector<std::int64_t> change(graph_.nodes().size() + 2);
    for (const Block& block : blocks) {
      change[static_cast<std::size_t>(block.first)] += block.bytes;
      change[static_cast<std::size_t>(block.last) + 1] -= block.bytes;
    }
    std::int64_t live = 0, peak = 0;
    for (std::int64_t delta : change) peak = std::max(peak, live += delta);
    return peak;
  }

  // Largest first, each at the lowest offset free over its whole life.
  static std::int64_t Place(std::vector<Block>* blocks) {
    std::vector<Block*> order;
    for (Block& block : *blocks) order.push_back(&block);
    std::stable_sort(order.begin(), order.end(), [](const Block* a, const Block* b) {
      return a->bytes != b->bytes ? a->bytes > b->bytes : a->first < b->first;
    });
    std::vector<Block*> placed;  // By offset.
    std::int64_t peak = 0;
    for (Block* block : order) {
      std::int64_t offset = 0;
      for (const Block* other : placed) {
        if (other->last < block->first || block->last < other->first) continue;
        if (offset + block->bytes <= other->offset) break;
        offset = std::max(offset, other->offset + other->bytes);
      }
      block->offset = offset;
      peak = std::max(peak, offset + block->bytes);
      const auto at =
          std::upper_bound(placed.begin(), placed.end(), block,
                           [](const Block* a, const Block* b) { return a->offset < b->offset; });
      placed.insert(at, block);
    }
    return peak;
  }

  const Graph& graph_;
  std::vector<ValueId> storage_;
  std::vector<std::int32_t> last_use_;
};

}  // namespace

MemoryPlan PlanMemory(const Graph& graph) { return Planner(graph).Run(); }

}  // namespace attune
