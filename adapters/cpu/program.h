// A Program is the static instruction list that a graph compiles to: kernel
// pointers and their arguments, every address resolved before the first run.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "cpu/kernels/worker.h"
#include "graph/graph.h"

namespace attune::cpu {

struct Instruction {
  void (*run)(const void* args, const Worker& worker) = nullptr;
  const void* args = nullptr;
  std::int32_t node = -1;  // Of the graph, for diagnosis.
};

// Memory that belongs to one executable; addresses are known before it exists
// (see Lowering), so pointers into it are set when it is allocated.
enum class Region : std::uint8_t {
  kArena,      // Values, where the memory plan puts them.
  kSlots,      // Inputs.
  kConverted,  // GEMM operands rounded to bf16; kept until the next conversion.
  kShared,     // Temporaries of one instruction, shared by the workers.
};

class Program {
 public:
  // Appends `kernel(args)`. The arguments keep their address, so that pointers
  // in them can be set later.
  template <auto kKernel, typename Args>
  Args* Append(Args args, std::int32_t node) {
    auto owned = std::make_shared<Args>(std::move(args));
    Args* at = owned.get();
    instructions_.push_back(
        {[](const void* a, const Worker& worker) { kKernel(*static_cast<const Args*>(a), worker); },
         at, node});
    arguments_.push_back(std::move(owned));
    return at;
  }

  const std::vector<Instruction>& instructions() const { return instructions_; }

  // --- Addresses ---

  // `set` is called with the address of `offset` once the region exists.
  void OnRegion(Region region, std::int64_t offset, std::function<void(std::byte*)> set) {
    regions_[static_cast<std::size_t>(region)].push_back({offset, std::move(set)});
  }
  // `set` is called with the storage of a leaf whenever that is bound.
  void OnLeaf(ValueId leaf, std::function<void(std::byte*)> set) {
    leaves_[leaf].push_back(std::move(set));
  }
  void SetRegion(Region region, std::byte* base) const {
    for (const auto& [offset, set] : regions_[static_cast<std::size_t>(region)]) set(base + offset);
  }
  void SetLeaf(ValueId leaf, std::byte* storage) const {
    const auto it = leaves_.find(leaf);
    if (it == leaves_.end()) return;
    for (const auto& set : it->second) set(storage);
  }

 private:
  struct Address {
    std::int64_t offset;
    std::function<void(std::byte*)> set;
  };
  std::vector<Instruction> instructions_;
  std::vector<std::shared_ptr<void>> arguments_;
  std::vector<Address> regions_[4];
  std::map<ValueId, std::vector<std::function<void(std::byte*)>>> leaves_;
};

}  // namespace attune::cpu
