#include "train/bucket_graph.h"

#include "base/strings.h"
#include "graph/differentiate.h"
#include "graph/passes/passes.h"

namespace attune {

std::string GradientOutput(const std::string& parameter) { return StrCat("grad.", parameter); }

std::vector<Trainable> TrainablesOf(const Graph& graph) {
  std::vector<Trainable> trainables;
  for (const Value& value : graph.values()) {
    if (value.leaf != Leaf::kParameter || !value.trainable) continue;
    Trainable trainable;
    trainable.name = value.name;
    trainable.shape = value.type.shape;
    trainables.push_back(std::move(trainable));
  }
  return trainables;
}

Status MakeTrainingGraph(Graph* graph) {
  const auto loss = graph->FindOutput(kLossOutput);
  if (!loss) return InvalidArgument("the loss graph has no output called loss");
  std::vector<ValueId> parameters;
  for (std::size_t id = 0; id < graph->values().size(); ++id) {
    const Value& value = graph->values()[id];
    if (value.leaf != Leaf::kParameter || !value.trainable) continue;
    if (value.type.dtype != DType::kF32) {
      return InvalidArgument(
          StrCat(value.name, ": trainable as ", DTypeName(value.type.dtype), ", must be f32"));
    }
    parameters.push_back(static_cast<ValueId>(id));
  }
  if (parameters.empty()) return InvalidArgument("the loss graph has no trainable parameter");
  const ValueId seed = graph->AddInput(kLossSeedInput, {DType::kF32, {1}});
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<ValueId> gradients,
                          Differentiate(graph, *loss, seed, parameters));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    graph->AddOutput(GradientOutput(graph->value(parameters[i]).name), gradients[i]);
  }
  Optimize(graph);
  return Verify(*graph);
}

}  // namespace attune
