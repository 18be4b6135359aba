// What the lowering of every op works with: the graph, the memory plan, and the
// program that grows. Each family of ops has a file lower_<family>.cc.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "compute/backend.h"
#include "cpu/lowering/lowering.h"
#include "cpu/product.h"
#include "cpu/program.h"
#include "graph/graph.h"

namespace attune::cpu {

class Context {
 public:
  Context(const Graph& graph, const FrozenParameters& frozen, const CompileOptions& options,
          int workers);

  // --- The graph ---

  const Graph& graph() const { return graph_; }
  const Shape& ShapeOf(ValueId id) const { return graph_.shape(id); }
  const Node& NodeAt(std::int32_t i) const { return graph_.nodes()[static_cast<std::size_t>(i)]; }
  bool HasNode(std::int32_t i) const {
    return i >= 0 && static_cast<std::size_t>(i) < graph_.nodes().size();
  }
  // Whether a node reads the value or it is an output.
  bool IsRead(ValueId id) const { return read_[static_cast<std::size_t>(id)]; }
  // Of the node being lowered.
  std::int32_t index() const { return index_; }
  void set_index(std::int32_t index) { index_ = index; }

  const CompileOptions& options() const { return options_; }
  bool bf16() const { return options_.precision == Precision::kBf16; }
  // Type of the operands of large products.
  DType compute_type() const { return bf16() ? DType::kBf16 : DType::kF32; }
  int workers() const { return workers_; }

  // --- Addresses ---

  // The value in whose storage `id` lives.
  ValueId StorageOf(ValueId id) const { return out_.plan.storage[static_cast<std::size_t>(id)]; }
  // Whether `id` lives in a leaf: no result ever takes over those bytes.
  bool InLeaf(ValueId id) const { return graph_.value(StorageOf(id)).leaf != Leaf::kNone; }
  // Bytes of a constant or a frozen parameter, else null.
  const std::byte* FrozenData(ValueId id) const;
  // Calls `set` with the address of the value, now or when it is known.
  void WithAddress(ValueId id, std::function<void(std::byte*)> set);
  template <typename T>
  void Point(T** field, ValueId id) {
    WithAddress(id, [field](std::byte* p) { *field = reinterpret_cast<T*>(p); });
  }

  // --- The program ---

  Program& program() { return out_.program; }
  template <auto kKernel, typename Args>
  Args* Emit(Args args) {
    return out_.program.Append<kKernel>(std::move(args), index_);
  }
  void NeedScratch(std::size_t bytes);  // Of each worker.
  void NeedShared(std::size_t bytes);   // Of one instruction.
  void NeedConverted(std::int64_t bytes);
  // `product` reads `weight` in packed form.
  void UsePacked(const std::byte* weight, std::shared_ptr<Product> product);
  // Elements of `ids`, if it is an input, must be in [0, limit) at every run.
  void CheckIndices(ValueId ids, std::int64_t limit);

  // The value whose bf16 copy the converted region holds, or kNoValue.
  ValueId converted() const { return converted_; }
  void set_converted(ValueId id) { converted_ = id; }

  LoweredProgram Finish() && { return std::move(out_); }

 private:
  void AssignSlots();
  void FindRead();

  const Graph& graph_;
  const FrozenParameters& frozen_;
  const CompileOptions& options_;
  int workers_;
  std::int32_t index_ = 0;
  ValueId converted_ = kNoValue;
  std::vector<bool> read_;  // By value.
  LoweredProgram out_;
};

// One family of ops each; `node` is the one at ctx.index().
Status LowerEmbeddings(Context& ctx, const Node& node);
Status LowerProducts(Context& ctx, const Node& node);
Status LowerElementwise(Context& ctx, const Node& node);
Status LowerNorms(Context& ctx, const Node& node);
Status LowerAttentions(Context& ctx, const Node& node);
Status LowerLosses(Context& ctx, const Node& node);
Status LowerLayouts(Context& ctx, const Node& node);

// Makes the output of an accumulating op hold what is added to: its accumulator,
// copied unless it lives there already, or zeros.
void BeginAccumulation(Context& ctx, const Node& node);

}  // namespace attune::cpu
