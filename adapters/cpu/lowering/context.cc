#include "cpu/lowering/context.h"

#include <algorithm>
#include <set>

#include "base/checked_math.h"

namespace attune::cpu {

Context::Context(const Graph& graph, const FrozenParameters& frozen, const CompileOptions& options,
                 int workers)
    : graph_(graph), frozen_(frozen), options_(options), workers_(workers) {
  out_.plan = PlanMemory(graph);
  AssignSlots();
  FindRead();
}

void Context::AssignSlots() {
  std::set<ValueId> caches;
  for (const Node& node : graph_.nodes()) {
    if (node.op == OpKind::kCacheAppend) caches.insert(StorageOf(node.inputs[0]));
  }
  out_.slots.assign(graph_.values().size(), -1);
  for (std::size_t i = 0; i < graph_.values().size(); ++i) {
    const Value& value = graph_.values()[i];
    // Caches are the caller's; they have no slot.
    if (value.leaf != Leaf::kInput || caches.contains(static_cast<ValueId>(i))) continue;
    out_.slots[i] = out_.slot_bytes;
    out_.slot_bytes = RoundUp(out_.slot_bytes + value.type.bytes(), 64);
  }
}

void Context::FindRead() {
  read_.assign(graph_.values().size(), false);
  for (const Node& node : graph_.nodes()) {
    for (ValueId input : node.inputs) read_[static_cast<std::size_t>(input)] = true;
  }
  for (const NamedValue& output : graph_.outputs()) {
    read_[static_cast<std::size_t>(output.value)] = true;
  }
}

const std::byte* Context::FrozenData(ValueId id) const {
  const Value& value = graph_.value(id);
  if (value.leaf == Leaf::kConstant) return value.literal->data();
  if (value.leaf == Leaf::kParameter && !value.trainable) {
    return frozen_.find(value.name)->second.data;
  }
  return nullptr;
}

void Context::WithAddress(ValueId id, std::function<void(std::byte*)> set) {
  const std::int64_t offset = out_.plan.offsets[static_cast<std::size_t>(id)];
  if (offset >= 0) {
    out_.program.OnRegion(Region::kArena, offset, std::move(set));
    return;
  }
  const ValueId root = StorageOf(id);
  if (const std::byte* data = FrozenData(root)) {
    set(const_cast<std::byte*>(data));
    return;
  }
  const std::int64_t slot = out_.slots[static_cast<std::size_t>(root)];
  if (slot >= 0) out_.program.OnRegion(Region::kSlots, slot, set);
  out_.program.OnLeaf(root, std::move(set));
}

void Context::NeedScratch(std::size_t bytes) {
  out_.scratch_bytes = std::max(out_.scratch_bytes, RoundUp(static_cast<std::int64_t>(bytes), 64));
}
void Context::NeedShared(std::size_t bytes) {
  out_.shared_bytes = std::max(out_.shared_bytes, RoundUp(static_cast<std::int64_t>(bytes), 64));
}
void Context::NeedConverted(std::int64_t bytes) {
  out_.converted_bytes = std::max(out_.converted_bytes, RoundUp(bytes, 64));
}

void Context::UsePacked(const std::byte* weight, std::shared_ptr<Product> product) {
  out_.packed.push_back({weight, std::move(product)});
}

void Context::CheckIndices(ValueId ids, std::int64_t limit) {
  const ValueId root = StorageOf(ids);
  if (graph_.value(root).leaf == Leaf::kInput) out_.indices.push_back({root, limit});
}

}  // namespace attune::cpu
