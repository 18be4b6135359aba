#include "cpu/cpu_backend.h"

#include <cmath>
#include <cstring>
#include <new>
#include <set>

#include "base/checked_math.h"
#include "base/strings.h"
#include "cpu/gemm/gemm.h"
#include "cpu/lowering/lowering.h"
#include "cpu/packed_weights.h"

namespace attune {
namespace {

using cpu::LoweredProgram;
using cpu::PackedWeights;
using cpu::Region;
using cpu::Worker;

struct FreeAligned {
  void operator()(std::byte* p) const { ::operator delete (p, std::align_val_t{kTensorAlignment}); }
};
using Block = std::unique_ptr<std::byte[], FreeAligned>;

// All that one executable needs besides weights. Not filled, but for the inputs:
// pages that no run touches cost nothing.
struct Blocks {
  Block arena, slots, converted, shared, scratch;

  // kResourceExhausted names the bytes that the system refused.
  static Result<Blocks> Allocate(const LoweredProgram& lowered, int workers) {
    Blocks blocks;
    for (auto [block, bytes] : {std::pair{&blocks.arena, lowered.plan.bytes},
                                {&blocks.slots, lowered.slot_bytes},
                                {&blocks.converted, lowered.converted_bytes},
                                {&blocks.shared, lowered.shared_bytes},
                                {&blocks.scratch, lowered.scratch_bytes * workers}}) {
      const auto size = static_cast<std::size_t>(std::max<std::int64_t>(bytes, 64));
      block->reset(static_cast<std::byte*>(
          ::operator new (size, std::align_val_t{kTensorAlignment}, std::nothrow)));
      if (*block == nullptr) {
        return ResourceExhausted(StrCat("the system refused ", size, " bytes of the ",
                                        lowered.plan.bytes, " that the activations take"));
      }
    }
    std::memset(blocks.slots.get(), 0, static_cast<std::size_t>(lowered.slot_bytes));
    return blocks;
  }
};

class CpuExecutable final : public Executable {
 public:
  CpuExecutable(const Graph& graph, LoweredProgram lowered, Blocks blocks, Parallel& parallel,
                const MemoryReport& memory)
      : graph_(graph),
        lowered_(std::move(lowered)),
        blocks_(std::move(blocks)),
        parallel_(parallel),
        memory_(memory) {
    lowered_.program.SetRegion(Region::kArena, blocks_.arena.get());
    lowered_.program.SetRegion(Region::kSlots, blocks_.slots.get());
    lowered_.program.SetRegion(Region::kConverted, blocks_.converted.get());
    lowered_.program.SetRegion(Region::kShared, blocks_.shared.get());
    bound_.resize(graph_.values().size(), nullptr);
    FindUnbound();
    for (std::size_t i = 0; i < bound_.size(); ++i) {
      if (lowered_.slots[i] >= 0) bound_[i] = blocks_.slots.get() + lowered_.slots[i];
    }
  }

  Status KeepPacked(PackedWeights* cache) {
    for (const cpu::PackedUse& use : lowered_.packed) {
      ATTUNE_ASSIGN_OR_RETURN(auto packed, cache->Get(use.weight, *use.product));
      use.product->set_b(packed->data());
      packed_.push_back(std::move(packed));
    }
    return OkStatus();
  }

  Result<std::span<std::byte>> Input(std::string_view name) override {
    const auto leaf = graph_.FindLeaf(name);
    if (!leaf || graph_.value(*leaf).leaf != Leaf::kInput) {
      return NotFound(StrCat("no input called ", name));
    }
    std::byte* at = bound_[static_cast<std::size_t>(*leaf)];
    if (at == nullptr) return FailedPrecondition(StrCat(name, " is a cache: bind storage to it"));
    return std::span(at, static_cast<std::size_t>(graph_.value(*leaf).type.bytes()));
  }

  Status Bind(std::string_view name, std::span<std::byte> storage) override {
    const auto leaf = graph_.FindLeaf(name);
    if (!leaf) return NotFound(StrCat("no leaf called ", name));
    const Value& value = graph_.value(*leaf);
    if (value.leaf == Leaf::kConstant || (value.leaf == Leaf::kParameter && !value.trainable)) {
      return InvalidArgument(StrCat(name, " is frozen: its bytes were bound when compiled"));
    }
    const auto bytes = static_cast<std::size_t>(value.type.bytes());
    if (storage.size() != bytes) {
      return InvalidArgument(StrCat(name, ": ", storage.size(), " bytes bound, has ", bytes));
    }
    if (reinterpret_cast<std::uintptr_t>(storage.data()) % kTensorAlignment != 0) {
      return InvalidArgument(
          StrCat(name, ": storage must be aligned to ", kTensorAlignment, " bytes"));
    }
    lowered_.program.SetLeaf(*leaf, storage.data());
    bound_[static_cast<std::size_t>(*leaf)] = storage.data();
    unbound_.erase(*leaf);
    return OkStatus();
  }

  Result<TensorView> Output(std::string_view name) override {
    const auto id = graph_.FindOutput(name);
    if (!id) return NotFound(StrCat("no output called ", name));
    const ValueType& type = graph_.value(*id).type;
    const std::byte* at = AddressOf(*id);
    if (at == nullptr)
      return FailedPrecondition(StrCat("output ", name, " is a leaf nobody bound"));
    return TensorView{type.dtype, type.shape, at};
  }

  Status Run() override {
    ATTUNE_RETURN_IF_ERROR(CheckReady());
    const auto& instructions = lowered_.program.instructions();
    parallel_.Run([&](int index) {
      const cpu::SingleThreaded scope;
      const Worker worker = MakeWorker(index);
      for (const cpu::Instruction& instruction : instructions) {
        instruction.run(instruction.args, worker);
        parallel_.Barrier();
      }
    });
    return OkStatus();
  }

  Result<std::optional<std::string>> FindNonFinite() override {
    ATTUNE_RETURN_IF_ERROR(CheckReady());
    const auto& instructions = lowered_.program.instructions();
    std::int32_t unchecked = 0;
    for (std::size_t i = 0; i < instructions.size(); ++i) {
      parallel_.Run([&](int index) {
        const cpu::SingleThreaded scope;
        instructions[i].run(instructions[i].args, MakeWorker(index));
      });
      const bool last_of_node =
          i + 1 == instructions.size() || instructions[i + 1].node != instructions[i].node;
      if (!last_of_node) continue;
      // Nodes before it that it was joined with have no instruction of their own.
      for (; unchecked <= instructions[i].node; ++unchecked) {
        auto found = NonFiniteResult(graph_.nodes()[static_cast<std::size_t>(unchecked)]);
        if (found) return found;
      }
    }
    return std::optional<std::string>();
  }

  const MemoryReport& memory() const override { return memory_; }

 private:
  Worker MakeWorker(int index) const {
    return {index,
            parallel_.workers(),
            {blocks_.scratch.get() + index * lowered_.scratch_bytes,
             static_cast<std::size_t>(lowered_.scratch_bytes)},
            &parallel_};
  }

  // Leaves the program reads that have no storage of ours.
  void FindUnbound() {
    std::set<ValueId> read;
    for (const Node& node : graph_.nodes()) read.insert(node.inputs.begin(), node.inputs.end());
    for (ValueId id : read) {
      const Value& value = graph_.value(id);
      const bool trainable = value.leaf == Leaf::kParameter && value.trainable;
      const bool cache =
          value.leaf == Leaf::kInput && lowered_.slots[static_cast<std::size_t>(id)] < 0;
      if (trainable || cache) unbound_.insert(id);
    }
  }

  Status CheckReady() const {
    if (!unbound_.empty()) {
      return FailedPrecondition(
          StrCat("nothing is bound to ", graph_.value(*unbound_.begin()).name,
                 unbound_.size() > 1 ? StrCat(" and ", unbound_.size() - 1, " more") : ""));
    }
    for (const cpu::IndexUse& use : lowered_.indices) {
      const auto* index =
          reinterpret_cast<const std::int32_t*>(bound_[static_cast<std::size_t>(use.leaf)]);
      const std::int64_t n = graph_.shape(use.leaf).elements();
      for (std::int64_t i = 0; i < n; ++i) {
        if (index[i] < 0 || index[i] >= use.limit) {
          return InvalidArgument(StrCat(graph_.value(use.leaf).name, "[", i, "] is ", index[i],
                                        ", must be in [0, ", use.limit, ")"));
        }
      }
    }
    return OkStatus();
  }

  const std::byte* AddressOf(ValueId id) const {
    const auto at = static_cast<std::size_t>(id);
    if (lowered_.plan.offsets[at] >= 0) return blocks_.arena.get() + lowered_.plan.offsets[at];
    const ValueId root = lowered_.plan.storage[at];
    if (const auto& literal = graph_.value(root).literal) return literal->data();
    return bound_[static_cast<std::size_t>(root)];
  }

  std::optional<std::string> NonFiniteResult(const Node& node) const {
    // A view holds what was looked at already, or what a later node put there.
    if (node.op == OpKind::kReshape) return std::nullopt;
    for (ValueId output : node.outputs) {
      if (!IsFiniteValue(output)) return Describe(node, output);
    }
    return std::nullopt;
  }

  bool IsFiniteValue(ValueId id) const {
    const ValueType& type = graph_.value(id).type;
    if (type.dtype != DType::kF32) return true;
    const auto* data = reinterpret_cast<const float*>(AddressOf(id));
    const std::int64_t n = type.shape.elements();
    for (std::int64_t i = 0; i < n; ++i) {
      if (!std::isfinite(data[i])) return false;
    }
    return true;
  }

  // "linear model.layers.0.mlp.up_proj": ops without a name of their own are
  // told by the parameter they read.
  std::string Describe(const Node& node, ValueId output) const {
    std::string name = graph_.value(output).name;
    for (std::size_t i = 0; name.empty() && i < node.inputs.size(); ++i) {
      name = graph_.value(node.inputs[i]).name;
    }
    return StrCat(OpName(node.op), name.empty() ? StrCat(" %", output) : " " + name);
  }

  Graph graph_;
  LoweredProgram lowered_;
  Blocks blocks_;
  Parallel& parallel_;
  MemoryReport memory_;
  std::vector<std::byte*> bound_;  // Storage of leaves that are not frozen.
  std::set<ValueId> unbound_;
  std::vector<std::shared_ptr<Tensor>> packed_;
};

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(Parallel& parallel) : parallel_(parallel) {}

  std::string_view name() const override { return "cpu"; }

  Result<std::unique_ptr<Executable>> Compile(const Graph& graph, const FrozenParameters& frozen,
                                              const CompileOptions& options) override {
    ATTUNE_ASSIGN_OR_RETURN(LoweredProgram lowered, LowerChecked(graph, frozen, options));
    const MemoryReport memory = Report(lowered);
    ATTUNE_ASSIGN_OR_RETURN(Blocks blocks, Blocks::Allocate(lowered, parallel_.workers()));
    auto executable = std::make_unique<CpuExecutable>(graph, std::move(lowered), std::move(blocks),
                                                      parallel_, memory);
    ATTUNE_RETURN_IF_ERROR(executable->KeepPacked(&packed_));
    return std::unique_ptr<Executable>(std::move(executable));
  }

  Result<MemoryReport> PredictMemory(const Graph& graph, const FrozenParameters& frozen,
                                     const CompileOptions& options) override {
    ATTUNE_ASSIGN_OR_RETURN(const LoweredProgram lowered, LowerChecked(graph, frozen, options));
    return Report(lowered);
  }

 private:
  Result<LoweredProgram> LowerChecked(const Graph& graph, const FrozenParameters& frozen,
                                      const CompileOptions& options) {
    ATTUNE_RETURN_IF_ERROR(Verify(graph));
    ATTUNE_RETURN_IF_ERROR(CheckFrozen(graph, frozen));
    if (options.precision == Precision::kBf16 && !cpu::GemmHasBf16()) {
      return Unsupported(StrCat("precision bf16: ", cpu::GemmProvider(), " has f32 only; use f32"));
    }
    return cpu::Lower(graph, frozen, options, parallel_.workers());
  }

  MemoryReport Report(const LoweredProgram& lowered) const {
    MemoryReport report;
    report.arena_bytes = lowered.plan.bytes;
    report.scratch_bytes = lowered.scratch_bytes * parallel_.workers() + lowered.shared_bytes +
                           lowered.converted_bytes;
    report.slot_bytes = lowered.slot_bytes;
    std::set<std::pair<const std::byte*, std::uint64_t>> counted;
    for (const cpu::PackedUse& use : lowered.packed) {
      if (packed_.Has(use.weight, *use.product)) continue;
      if (!counted.insert({use.weight, use.product->packed_layout()}).second) continue;
      report.packed_bytes += static_cast<std::int64_t>(use.product->packed_bytes());
    }
    return report;
  }

  Parallel& parallel_;
  PackedWeights packed_;
};

}  // namespace

std::unique_ptr<Backend> MakeCpuBackend(Parallel& parallel) {
  return std::make_unique<CpuBackend>(parallel);
}

const char* CpuGemmProvider() { return cpu::GemmProvider(); }

}  // namespace attune
