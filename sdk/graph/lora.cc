#include "graph/lora.h"

#include <algorithm>

#include "base/strings.h"
#include "graph/builder.h"

namespace attune {
namespace {

constexpr std::string_view kWeightSuffix = ".weight";

// "a.b.weight" -> "a.b" for a linear over a parameter, else "".
std::string ModuleOf(const Graph& graph, const Node& node) {
  if (node.op != OpKind::kLinear) return "";
  const Value& weight = graph.value(node.inputs[1]);
  const std::string_view name = weight.name;
  if (weight.leaf != Leaf::kParameter || !name.ends_with(kWeightSuffix)) return "";
  return std::string(name.substr(0, name.size() - kWeightSuffix.size()));
}

class Injector {
 public:
  Injector(Graph* graph, const LoraSpec& spec) : graph_(graph), builder_(graph), spec_(spec) {}

  Status Run(std::vector<LoraBranch>* branches) {
    for (const LoraModule& module : spec_.modules) modules_[module.module] = &module;
    ATTUNE_RETURN_IF_ERROR(CheckAllMatch());
    if (spec_.dropout > 0) seed_ = graph_->AddInput("dropout_seed", {DType::kI32, {2}});
    const std::vector<Node> before = graph_->nodes();
    graph_->set_nodes({});
    renamed_.resize(graph_->values().size());
    for (std::size_t i = 0; i < renamed_.size(); ++i) renamed_[i] = static_cast<ValueId>(i);
    for (const Node& node : before) {
      Replay(node);
      const std::string module = ModuleOf(*graph_, node);
      if (const auto it = modules_.find(module); it != modules_.end()) {
        Adapt(node, *it->second, branches);
      }
    }
    auto outputs = graph_->outputs();
    for (NamedValue& output : outputs) output.value = Renamed(output.value);
    graph_->set_outputs(std::move(outputs));
    return builder_.status();
  }

 private:
  Status CheckAllMatch() const {
    const auto linears = LinearModules(*graph_);
    std::vector<std::string> missing;
    for (const auto& [name, module] : modules_) {
      if (std::find(linears.begin(), linears.end(), name) == linears.end()) missing.push_back(name);
      if (module->rank <= 0) return InvalidArgument(StrCat(name, ": rank ", module->rank));
    }
    if (missing.empty()) return OkStatus();
    return InvalidArgument(StrCat("no such linear in the model: ", StrJoin(missing, ", ")));
  }

  ValueId Renamed(ValueId id) const {
    const auto at = static_cast<std::size_t>(id);
    return at < renamed_.size() ? renamed_[at] : id;
  }

  // Appends a node of the old program, reading the adapted values.
  void Replay(Node node) {
    for (ValueId& input : node.inputs) input = Renamed(input);
    graph_->AppendNode(std::move(node));
  }

  void Adapt(const Node& node, const LoraModule& module, std::vector<LoraBranch>* branches) {
    const Shape weight = graph_->shape(node.inputs[1]);
    const bool transposed = node.attrs<LinearAttrs>().transposed;
    const std::int64_t in = weight[transposed ? 0 : 1], out = weight[transposed ? 1 : 0];
    LoraBranch branch{module.module, kNoValue, kNoValue};
    branch.a = graph_->AddParameter(module.module + ".lora_A.weight",
                                    {DType::kF32, {module.rank, in}}, true);
    branch.b = graph_->AddParameter(module.module + ".lora_B.weight",
                                    {DType::kF32, {out, module.rank}}, true);
    ValueId x = Renamed(node.inputs[0]);
    if (spec_.dropout > 0) {
      x = builder_.Dropout(x, seed_, {spec_.dropout, static_cast<std::uint32_t>(branches->size())});
    }
    const ValueId h = builder_.Linear(x, branch.a, kNoValue, {}, module.module + ".lora_A");
    const ValueId delta =
        builder_.Linear(h, branch.b, kNoValue, {.scale = module.scale}, module.module + ".lora_B");
    const ValueId y = node.outputs[0];
    renamed_[static_cast<std::size_t>(y)] = builder_.Add(y, delta);
    branches->push_back(branch);
  }

  Graph* graph_;
  GraphBuilder builder_;
  const LoraSpec& spec_;
  std::map<std::string, const LoraModule*> modules_;
  std::vector<ValueId> renamed_;
  ValueId seed_ = kNoValue;
};

}  // namespace

Result<std::vector<LoraBranch>> InjectLora(Graph* graph, const LoraSpec& spec) {
  Graph rewritten = *graph;
  std::vector<LoraBranch> branches;
  ATTUNE_RETURN_IF_ERROR(Injector(&rewritten, spec).Run(&branches));
  ATTUNE_RETURN_IF_ERROR(Verify(rewritten));
  *graph = std::move(rewritten);
  return branches;
}

std::vector<std::string> LinearModules(const Graph& graph) {
  std::vector<std::string> modules;
  for (const Node& node : graph.nodes()) {
    std::string module = ModuleOf(graph, node);
    if (!module.empty()) modules.push_back(std::move(module));
  }
  return modules;
}

}  // namespace attune
