#include "ane/runtime/host_step.h"

#include <cstring>

#include "base/strings.h"

namespace attune::ane {

std::string HostName(ValueId id) { return StrCat("v", id); }

Result<std::unique_ptr<HostStep>> HostStep::Compile(const RunHost& step, Backend& host,
                                                    const FrozenParameters& frozen,
                                                    const CompileOptions& options) {
  auto compiled = std::make_unique<HostStep>();
  compiled->graph_ = step.graph;
  compiled->inputs_ = step.inputs;
  compiled->outputs_ = step.outputs;
  ATTUNE_ASSIGN_OR_RETURN(compiled->executable_, host.Compile(step.graph, frozen, options));
  return compiled;
}

Status HostStep::Bind(std::string_view parameter, std::span<std::byte> storage) {
  const auto leaf = graph_.FindLeaf(parameter);
  if (!leaf || graph_.value(*leaf).leaf != Leaf::kParameter) return OkStatus();
  return executable_->Bind(parameter, storage);
}

Status HostStep::LinkInputs(const HostValues& values) {
  copies_.clear();
  for (const ValueId id : inputs_) {
    const std::string name = HostName(id);
    const auto leaf = graph_.FindLeaf(name);
    if (!leaf) continue;
    const std::byte* from = values.at(id);
    if (from == nullptr) return Internal(StrCat(name, ": no step before has computed it"));
    const auto bytes = static_cast<std::size_t>(graph_.value(*leaf).type.bytes());
    if (reinterpret_cast<std::uintptr_t>(from) % kTensorAlignment == 0) {
      // A program writes no leaf but its caches, and those are the caller's to write.
      ATTUNE_RETURN_IF_ERROR(executable_->Bind(name, {const_cast<std::byte*>(from), bytes}));
      continue;
    }
    ATTUNE_ASSIGN_OR_RETURN(const std::span<std::byte> to, executable_->Input(name));
    copies_.push_back({to, from});
  }
  return OkStatus();
}

Status HostStep::LinkOutputs(HostValues* values) {
  for (const ValueId id : outputs_) {
    ATTUNE_ASSIGN_OR_RETURN(const TensorView view, executable_->Output(HostName(id)));
    values->Set(id, view.data);
  }
  return OkStatus();
}

void HostStep::CopyInputs() const {
  for (const Copy& copy : copies_) std::memcpy(copy.to.data(), copy.from, copy.to.size());
}

Status HostStep::Run(HostValues* values, bool link) {
  if (link) ATTUNE_RETURN_IF_ERROR(LinkInputs(*values));
  CopyInputs();
  ATTUNE_RETURN_IF_ERROR(executable_->Run());
  return link ? LinkOutputs(values) : OkStatus();
}

Result<std::optional<std::string>> HostStep::FindNonFinite(HostValues* values, bool link) {
  if (link) ATTUNE_RETURN_IF_ERROR(LinkInputs(*values));
  CopyInputs();
  ATTUNE_ASSIGN_OR_RETURN(const auto found, executable_->FindNonFinite());
  if (!found && link) ATTUNE_RETURN_IF_ERROR(LinkOutputs(values));
  return found;
}

}  // namespace attune::ane
