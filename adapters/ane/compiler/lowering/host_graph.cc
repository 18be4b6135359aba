#include "ane/compiler/lowering/host_graph.h"

#include <map>
#include <set>
#include <string>

#include "base/strings.h"

namespace attune::ane {
namespace {

std::string NameOf(ValueId id) { return StrCat("v", id); }

class Extractor {
 public:
  Extractor(const Graph& graph, const std::vector<std::int32_t>& nodes)
      : graph_(graph), nodes_(nodes.begin(), nodes.end()) {}

  Result<RunHost> Run() {
    for (const std::int32_t index : nodes_) ATTUNE_RETURN_IF_ERROR(Copy(At(index)));
    for (const ValueId id : Results()) {
      step_.outputs.push_back(id);
      step_.graph.AddOutput(NameOf(id), copies_.at(id));
    }
    return std::move(step_);
  }

 private:
  const Node& At(std::int32_t index) const {
    return graph_.nodes()[static_cast<std::size_t>(index)];
  }

  Status Copy(const Node& node) {
    std::vector<ValueId> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(Operand(id));
    ATTUNE_ASSIGN_OR_RETURN(
        const std::vector<ValueId> outputs,
        step_.graph.AddNode(node.op, node.attributes, inputs, graph_.value(node.outputs[0]).name));
    for (std::size_t i = 0; i < outputs.size(); ++i) copies_[node.outputs[i]] = outputs[i];
    return OkStatus();
  }

  ValueId Operand(ValueId id) {
    const auto found = copies_.find(id);
    if (found != copies_.end()) return found->second;
    const Value& value = graph_.value(id);
    ValueId copy = kNoValue;
    if (value.leaf == Leaf::kParameter) {
      copy = step_.graph.AddParameter(value.name, value.type, value.trainable);
    } else if (value.leaf == Leaf::kConstant) {
      Value constant = value;  // Shares the literal.
      constant.name = NameOf(id);
      copy = step_.graph.AddValue(std::move(constant));
    } else {
      copy = step_.graph.AddInput(NameOf(id), value.type);
      step_.inputs.push_back(id);
    }
    return copies_[id] = copy;
  }

  std::set<ValueId> Results() const {
    std::set<ValueId> made, results;
    for (const std::int32_t index : nodes_) {
      made.insert(At(index).outputs.begin(), At(index).outputs.end());
    }
    for (std::size_t n = 0; n < graph_.nodes().size(); ++n) {
      if (nodes_.contains(static_cast<std::int32_t>(n))) continue;
      for (const ValueId id : graph_.nodes()[n].inputs) {
        if (made.contains(id)) results.insert(id);
      }
    }
    for (const NamedValue& output : graph_.outputs()) {
      if (made.contains(output.value)) results.insert(output.value);
    }
    return results;
  }

  const Graph& graph_;
  const std::set<std::int32_t> nodes_;
  RunHost step_;
  std::map<ValueId, ValueId> copies_;
};

}  // namespace

Result<RunHost> MakeHostStep(const Graph& graph, const std::vector<std::int32_t>& nodes) {
  return Extractor(graph, nodes).Run();
}

}  // namespace attune::ane
