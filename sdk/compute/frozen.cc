#include "base/strings.h"
#include "compute/backend.h"

namespace attune {

Status CheckFrozen(const Graph& graph, const FrozenParameters& frozen) {
  std::string problems;
  const auto add = [&](std::string problem) {
    problems += (problems.empty() ? "" : "; ") + problem;
  };
  for (const Value& value : graph.values()) {
    if (value.leaf != Leaf::kParameter || value.trainable) continue;
    const auto it = frozen.find(value.name);
    if (it == frozen.end()) {
      add(StrCat(value.name, " is missing"));
    } else if (it->second.shape != value.type.shape || it->second.dtype != value.type.dtype) {
      add(StrCat(value.name, " is ", DTypeName(it->second.dtype), it->second.shape.ToString(),
                 ", the graph has ", DTypeName(value.type.dtype), value.type.shape.ToString()));
    }
  }
  return problems.empty() ? OkStatus() : InvalidArgument("frozen parameters: " + problems);
}

}  // namespace attune
