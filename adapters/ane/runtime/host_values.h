// Where the host keeps the values of a plan: leaves as the caller gave them, results
// of host steps in their executables, what came from the device in buffers of ours.

#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "compute/backend.h"
#include "graph/graph.h"

namespace attune::ane {

class HostValues {
 public:
  // `graph` must outlive it; frozen weights stay where they are.
  HostValues(const Graph& graph, const FrozenParameters& frozen);

  // As Executable says.
  Result<std::span<std::byte>> Input(std::string_view name);
  Result<ValueId> Bind(std::string_view name, std::span<std::byte> storage);
  Result<TensorView> Output(std::string_view name) const;
  Status CheckBound() const;

  // The buffer of a value that comes from the device, made at first.
  std::span<float> AddBuffer(ValueId id);
  // REQUIRES: AddBuffer(id) was called.
  float* buffer(ValueId id) { return buffers_[static_cast<std::size_t>(id)]; }
  // Where a host step left its result.
  void Set(ValueId id, const std::byte* data) { data_[static_cast<std::size_t>(id)] = data; }
  // Null when nobody has computed or bound it. A reshape is what it reshapes.
  const std::byte* at(ValueId id) const;
  // REQUIRES: as at(), not null, f32 or i32.
  std::span<const float> f32(ValueId id) const;
  std::span<const std::int32_t> i32(ValueId id) const;
  TensorView view(ValueId id) const;

  // What the slots of `graph` take.
  static std::int64_t SlotBytes(const Graph& graph);

 private:
  const Graph& graph_;
  std::vector<const std::byte*> data_;
  std::vector<std::byte*> slots_;       // By value; null when it is no input of ours.
  std::vector<float*> buffers_;         // By value; null when it has none.
  std::vector<ValueId> reshaped_from_;  // By value.
  std::vector<Tensor> storage_;
  std::set<ValueId> unbound_;
};

// `text` with the names "v<id>" of host steps replaced by those of the plan's values.
std::string WithValueNames(const Graph& graph, std::string_view text);

}  // namespace attune::ane
