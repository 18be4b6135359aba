#include "compute/reference_backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/strings.h"
#include "graph/reference.h"

namespace attune {
namespace {

class ReferenceExecutable final : public Executable {
 public:
  ReferenceExecutable(const Graph& graph, const FrozenParameters& frozen) : graph_(graph) {
    for (const Value& value : graph_.values()) {
      if (value.leaf == Leaf::kInput) {
        inputs_[value.name] = Tensor(value.type.dtype, value.type.shape);
      } else if (value.leaf == Leaf::kParameter && !value.trainable) {
        frozen_[value.name] = frozen.find(value.name)->second;
      }
    }
  }

  Result<std::span<std::byte>> Input(std::string_view name) override {
    const auto it = inputs_.find(name);
    if (it == inputs_.end()) return NotFound(StrCat("no input called ", name));
    return std::span(it->second.data(), static_cast<std::size_t>(it->second.bytes()));
  }

  Status Bind(std::string_view name, std::span<std::byte> storage) override {
    const auto leaf = graph_.FindLeaf(name);
    if (!leaf) return NotFound(StrCat("no leaf called ", name));
    if (frozen_.contains(name) || graph_.value(*leaf).leaf == Leaf::kConstant) {
      return InvalidArgument(StrCat(name, " is frozen: its bytes were bound when compiled"));
    }
    const auto bytes = static_cast<std::size_t>(graph_.value(*leaf).type.bytes());
    if (storage.size() != bytes) {
      return InvalidArgument(StrCat(name, ": ", storage.size(), " bytes bound, has ", bytes));
    }
    bound_[std::string(name)] = storage;
    return OkStatus();
  }

  Result<TensorView> Output(std::string_view name) override {
    const auto it = outputs_.find(name);
    if (it == outputs_.end())
      return NotFound(StrCat("no output called ", name, ", or not run yet"));
    return it->second.view();
  }

  Status Run() override {
    ReferenceFeeds feeds;
    ATTUNE_RETURN_IF_ERROR(CollectFeeds(&feeds));
    ATTUNE_ASSIGN_OR_RETURN(auto results, EvaluateReference(graph_, feeds));
    for (const auto& [name, result] : results) {
      Tensor& output = outputs_[name];
      if (output.shape() != result.type.shape) output = Tensor(DType::kF32, result.type.shape);
      auto data = output.f32();
      for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(result.data[i]);
    }
    WriteBackCaches(results);
    return OkStatus();
  }

  Result<std::optional<std::string>> FindNonFinite() override {
    ReferenceFeeds feeds;
    ATTUNE_RETURN_IF_ERROR(CollectFeeds(&feeds));
    std::optional<std::string> found;
    const auto look = [&](const Node& node, std::span<const ReferenceTensor> results) {
      for (std::size_t i = 0; i < results.size() && !found; ++i) {
        if (FitsF32(results[i])) continue;
        found = StrCat(OpName(node.op), " ", graph_.value(node.outputs[i]).name);
      }
    };
    ATTUNE_RETURN_IF_ERROR(EvaluateReference(graph_, feeds, look).status());
    return found;
  }

  const MemoryReport& memory() const override { return memory_; }

 private:
  // What is finite in double but no f32 is a fault of the program all the same.
  static bool FitsF32(const ReferenceTensor& tensor) {
    return std::all_of(tensor.data.begin(), tensor.data.end(),
                       [](double x) { return std::isfinite(static_cast<float>(x)); });
  }

  static std::vector<double> Widen(const TensorView& view) {
    std::vector<double> out(static_cast<std::size_t>(view.shape.elements()));
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (view.dtype == DType::kI32) {
        std::int32_t element;
        std::memcpy(&element, view.data + i * 4, 4);
        out[i] = element;
      } else {
        out[i] = ElementAsF32(view, static_cast<std::int64_t>(i));
      }
    }
    return out;
  }

  Status CollectFeeds(ReferenceFeeds* feeds) {
    for (const Value& value : graph_.values()) {
      if (value.leaf != Leaf::kInput && value.leaf != Leaf::kParameter) continue;
      if (const auto it = bound_.find(value.name); it != bound_.end()) {
        (*feeds)[value.name] = Widen({value.type.dtype, value.type.shape, it->second.data()});
      } else if (value.leaf == Leaf::kInput) {
        (*feeds)[value.name] = Widen(inputs_.find(value.name)->second.view());
      } else if (!value.trainable) {
        (*feeds)[value.name] = Widen(frozen_.find(value.name)->second);
      } else {
        return FailedPrecondition(StrCat("nothing is bound to ", value.name));
      }
    }
    return OkStatus();
  }

  // cache_append writes its operand's storage; outputs stand in for it here.
  void WriteBackCaches(const std::map<std::string, ReferenceTensor>& results) {
    const auto producers = graph_.Producers();
    for (const NamedValue& output : graph_.outputs()) {
      const std::int32_t producer = producers[static_cast<std::size_t>(output.value)];
      if (producer < 0) continue;
      const Node& node = graph_.nodes()[static_cast<std::size_t>(producer)];
      if (node.op != OpKind::kCacheAppend) continue;
      const auto it = bound_.find(graph_.value(node.inputs[0]).name);
      if (it == bound_.end()) continue;
      const auto& data = results.at(output.name).data;
      auto cache = AsF32(it->second);
      for (std::size_t i = 0; i < data.size(); ++i) cache[i] = static_cast<float>(data[i]);
    }
  }

  Graph graph_;
  std::map<std::string, Tensor, std::less<>> inputs_;
  std::map<std::string, TensorView, std::less<>> frozen_;
  std::map<std::string, std::span<std::byte>, std::less<>> bound_;
  std::map<std::string, Tensor, std::less<>> outputs_;
  MemoryReport memory_;
};

class ReferenceBackend final : public Backend {
 public:
  std::string_view name() const override { return "reference"; }

  Result<std::unique_ptr<Executable>> Compile(const Graph& graph, const FrozenParameters& frozen,
                                              const CompileOptions&) override {
    ATTUNE_RETURN_IF_ERROR(Verify(graph));
    ATTUNE_RETURN_IF_ERROR(CheckFrozen(graph, frozen));
    return std::unique_ptr<Executable>(std::make_unique<ReferenceExecutable>(graph, frozen));
  }

  Result<MemoryReport> PredictMemory(const Graph&, const FrozenParameters&,
                                     const CompileOptions&) override {
    return Unsupported("the reference backend does not plan memory");
  }
};

}  // namespace

std::unique_ptr<Backend> MakeReferenceBackend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace attune
