// A model with its adapter, run on the simulated Neural Engine and on the CPU: the same
// graph, the same leaves, every output side by side.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ane/runtime/ane_backend.h"
#include "ane/simulator/simulated_device.h"
#include "base/philox.h"
#include "base/strings.h"
#include "cpu/cpu_backend.h"
#include "formats/peft.h"
#include "graph/differentiate.h"
#include "graph/lora.h"
#include "graph/passes/passes.h"
#include "models/decoder.h"
#include "models/weights.h"
#include "posix/posix_file_system.h"
#include "posix/thread_pool.h"
#include "support/status_matchers.h"

namespace attune::ane::testing {

// How close two tensors are.
struct Closeness {
  double cosine = 1;
  double relative = 0;  // |a - b| / |b|, Euclidean.
};

inline Closeness Compare(std::span<const float> a, std::span<const float> b) {
  double dot = 0, aa = 0, bb = 0, difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = double{a[i]}, y = double{b[i]};
    dot += x * y;
    aa += x * x;
    bb += y * y;
    difference += (x - y) * (x - y);
  }
  if (aa == 0 && bb == 0) return {};
  return {dot / std::sqrt(aa * bb), std::sqrt(difference / bb)};
}

// One simulated machine and the CPU beside it.
class Machines {
 public:
  explicit Machines(bool exact, AneBackendOptions options = {})
      : pool(2), cpu(MakeCpuBackend(pool)) {
    MachineOptions machine;
    machine.target.chip = Chip::kM4;
    machine.exact = exact;
    device = MakeSimulatedDevice(machine, &pool);
    options.parallel = &pool;
    auto made = MakeAneBackend(*device, *cpu, options);
    EXPECT_OK(made);
    if (made.ok()) ane = *std::move(made);
  }

  ThreadPool pool;
  std::unique_ptr<Backend> cpu;
  std::unique_ptr<Device> device;
  std::unique_ptr<AneBackend> ane;
};

// Trainable parameters and caches, and what inputs are fed; for both backends alike.
class Leaves {
 public:
  explicit Leaves(std::uint64_t seed) : random_(seed, 77) {}

  // Uniform in +-range.
  Tensor& Random(const std::string& name, const Shape& shape, float range) {
    Tensor& tensor = bound_[name] = Tensor(DType::kF32, shape);
    for (float& value : tensor.f32()) {
      value = (static_cast<float>(random_.NextBelow(20001)) / 10000.0f - 1.0f) * range;
    }
    return tensor;
  }
  Tensor& Set(const std::string& name, const TensorView& view) {
    return bound_[name] = ToF32(view);
  }
  template <typename T>
  void Feed(const std::string& name, const std::vector<T>& values) {
    auto& bytes = fed_[name];
    bytes.resize(values.size() * sizeof(T));
    std::memcpy(bytes.data(), values.data(), bytes.size());
  }
  void Drop(const std::string& name) { fed_.erase(name); }
  Tensor& at(const std::string& name) { return bound_.at(name); }

  // Each executable gets copies of its own of what it may write.
  Status Bind(const Graph& graph, Executable& executable, std::map<std::string, Tensor>* own) {
    for (const auto& [name, tensor] : bound_) {
      if (!graph.FindLeaf(name)) continue;
      Tensor& copy = (*own)[name] = ToF32(tensor.view());
      ATTUNE_RETURN_IF_ERROR(
          executable.Bind(name, std::span(copy.data(), static_cast<std::size_t>(copy.bytes()))));
    }
    for (const auto& [name, bytes] : fed_) {
      ATTUNE_ASSIGN_OR_RETURN(const auto slot, executable.Input(name));
      if (slot.size() != bytes.size()) {
        return Internal(StrCat(name, ": fed ", bytes.size(), " bytes, has ", slot.size()));
      }
      std::memcpy(slot.data(), bytes.data(), bytes.size());
    }
    return OkStatus();
  }

 private:
  Philox random_;
  std::map<std::string, Tensor> bound_;
  std::map<std::string, std::vector<std::byte>> fed_;
};

// The same graph on both, and how close each output is.
class SideBySide {
 public:
  Status Compile(Machines& machines, const Graph& graph, const FrozenParameters& frozen) {
    graph_ = graph;
    ATTUNE_ASSIGN_OR_RETURN(ane, machines.ane->Compile(graph, frozen, {}));
    ATTUNE_ASSIGN_OR_RETURN(cpu, machines.cpu->Compile(graph, frozen, {}));
    return OkStatus();
  }
  Status Run(Leaves& leaves) {
    ATTUNE_RETURN_IF_ERROR(leaves.Bind(graph_, *ane, &ane_storage));
    ATTUNE_RETURN_IF_ERROR(leaves.Bind(graph_, *cpu, &cpu_storage));
    ATTUNE_RETURN_IF_ERROR(ane->Run());
    return cpu->Run();
  }
  Result<std::map<std::string, Closeness>> Outputs() {
    std::map<std::string, Closeness> all;
    for (const NamedValue& output : graph_.outputs()) {
      ATTUNE_ASSIGN_OR_RETURN(const TensorView got, ane->Output(output.name));
      ATTUNE_ASSIGN_OR_RETURN(const TensorView want, cpu->Output(output.name));
      all[output.name] = Compare(got.f32(), want.f32());
    }
    return all;
  }

  std::unique_ptr<Executable> ane, cpu;
  std::map<std::string, Tensor> ane_storage, cpu_storage;

 private:
  Graph graph_;
};

}  // namespace attune::ane::testing
