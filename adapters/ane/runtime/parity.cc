#include "ane/runtime/parity.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"

namespace attune::ane {

double RelativeDistance(std::span<const float> a, std::span<const float> b) {
  double difference = 0, length = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = double{a[i]} - double{b[i]};
    difference += d * d;
    length += double{b[i]} * double{b[i]};
  }
  return length > 0 ? std::sqrt(difference / length) : std::sqrt(difference);
}

Result<std::unique_ptr<ParityCheck>> ParityCheck::Compile(const Graph& graph, Backend& host,
                                                          const FrozenParameters& frozen,
                                                          const CompileOptions& options,
                                                          HostValues* values) {
  const bool stateful = std::any_of(graph.nodes().begin(), graph.nodes().end(),
                                    [](const Node& n) { return n.op == OpKind::kCacheAppend; });
  if (stateful) return std::unique_ptr<ParityCheck>();
  auto check = std::make_unique<ParityCheck>();
  ATTUNE_ASSIGN_OR_RETURN(check->executable_, host.Compile(graph, frozen, options));
  for (const Value& value : graph.values()) {
    if (value.leaf != Leaf::kInput) continue;
    ATTUNE_ASSIGN_OR_RETURN(const std::span<std::byte> slot, values->Input(value.name));
    ATTUNE_RETURN_IF_ERROR(check->executable_->Bind(value.name, slot));
  }
  for (const NamedValue& output : graph.outputs()) {
    if (graph.value(output.value).type.dtype == DType::kF32) check->outputs_.push_back(output.name);
  }
  if (std::find(check->outputs_.begin(), check->outputs_.end(), "loss") != check->outputs_.end()) {
    check->outputs_ = {"loss"};
  }
  return check;
}

Result<double> ParityCheck::Difference(const HostValues& values) {
  ATTUNE_RETURN_IF_ERROR(executable_->Run());
  double worst = 0;
  for (const std::string& name : outputs_) {
    ATTUNE_ASSIGN_OR_RETURN(const TensorView here, values.Output(name));
    ATTUNE_ASSIGN_OR_RETURN(const TensorView there, executable_->Output(name));
    const double distance = RelativeDistance(here.f32(), there.f32());
    // A distance that is no number is the worst of all.
    worst = distance <= worst ? worst : distance;
  }
  return worst;
}

}  // namespace attune::ane
