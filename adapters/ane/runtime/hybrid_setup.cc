// What a hybrid executable makes once, and what that takes.

#include <utility>

#include "ane/compiler/emit.h"
#include "ane/compiler/work.h"
#include "ane/runtime/hybrid_executable.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

void AddHost(const MemoryReport& host, MemoryReport* total) {
  total->arena_bytes += host.arena_bytes;
  total->scratch_bytes += host.scratch_bytes;
  total->packed_bytes += host.packed_bytes;
  total->slot_bytes += host.slot_bytes;
}

// All but the host's executables. Equal programs are counted each: which are equal is
// known when they are written.
MemoryReport ReportOf(const Plan& plan, ElementType element) {
  MemoryReport report;
  report.arena_bytes = SurfaceSet::Bytes(plan, element);
  report.slot_bytes = HostValues::SlotBytes(plan.graph);
  for (const PlanProgram& program : plan.programs) {
    for (const Weight& weight : program.region.weights) {
      report.packed_bytes += BytesOf(weight, element);
    }
  }
  for (const Step& step : plan.steps) {
    if (const auto* download = std::get_if<Download>(&step)) {
      report.arena_bytes += plan.graph.value(download->value).type.bytes();
    } else if (const auto* tail = std::get_if<LossTail>(&step)) {
      report.arena_bytes += LossTailStep::Bytes(*tail, plan.graph);
    }
  }
  return report;
}

bool IsStateful(const Graph& graph) {
  for (const Node& node : graph.nodes()) {
    if (node.op == OpKind::kCacheAppend) return true;
  }
  return false;
}

}  // namespace

Result<MemoryReport> HybridExecutable::PredictMemory(const Shared& shared, const Graph& graph,
                                                     const Plan& plan,
                                                     const FrozenParameters& frozen,
                                                     const CompileOptions& options) {
  MemoryReport report = ReportOf(plan, shared.device.element());
  for (const Step& step : plan.steps) {
    const auto* host = std::get_if<RunHost>(&step);
    if (host == nullptr) continue;
    ATTUNE_ASSIGN_OR_RETURN(const MemoryReport part,
                            shared.host.PredictMemory(host->graph, frozen, options));
    AddHost(part, &report);
  }
  if (shared.check_every > 0 && !IsStateful(graph)) {
    ATTUNE_ASSIGN_OR_RETURN(const MemoryReport whole,
                            shared.host.PredictMemory(graph, frozen, options));
    AddHost(whole, &report);
  }
  return report;
}

HybridExecutable::HybridExecutable(std::shared_ptr<Shared> shared, Plan plan,
                                   const FrozenParameters& frozen)
    : shared_(std::move(shared)), plan_(std::move(plan)), values_(plan_.graph, frozen) {}

HybridExecutable::~HybridExecutable() { ReleaseDevice(); }

void HybridExecutable::ReleaseDevice() {
  const std::lock_guard<std::mutex> turn(shared_->mutex);
  for (const ProgramUse& use : programs_) shared_->cache.Release(use.cached);
  programs_.clear();
  surfaces_.reset();
  hosts_.clear();
  tails_.clear();
  parity_.reset();
}

Result<std::unique_ptr<HybridExecutable>> HybridExecutable::Create(std::shared_ptr<Shared> shared,
                                                                   const Graph& graph, Plan plan,
                                                                   const FrozenParameters& frozen,
                                                                   const CompileOptions& options) {
  std::unique_ptr<HybridExecutable> made(
      new HybridExecutable(std::move(shared), std::move(plan), frozen));
  Shared& with = *made->shared_;
  // After `made`: when this fails, that is destroyed, which takes a turn of its own.
  const std::lock_guard<std::mutex> turn(with.mutex);
  made->memory_ = ReportOf(made->plan_, with.device.element());
  ATTUNE_ASSIGN_OR_RETURN(made->surfaces_, SurfaceSet::Allocate(with.device, made->plan_));
  ATTUNE_RETURN_IF_ERROR(made->PrepareSteps(frozen, options));
  for (std::size_t i = 0; i < made->plan_.programs.size(); ++i) {
    ATTUNE_RETURN_IF_ERROR(
        made->PrepareProgram(i).WithContext(ProgramText(made->plan_.programs[i].region)));
  }
  ATTUNE_RETURN_IF_ERROR(made->UploadConstants());
  if (with.check_every > 0) {
    ATTUNE_ASSIGN_OR_RETURN(
        made->parity_, ParityCheck::Compile(graph, with.host, frozen, options, &made->values_));
    if (made->parity_ != nullptr) AddHost(made->parity_->memory(), &made->memory_);
  }
  return made;
}

Status HybridExecutable::PrepareSteps(const FrozenParameters& frozen,
                                      const CompileOptions& options) {
  hosts_.resize(plan_.steps.size());
  tails_.resize(plan_.steps.size());
  for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
    if (const auto* host = std::get_if<RunHost>(&plan_.steps[i])) {
      ATTUNE_ASSIGN_OR_RETURN(hosts_[i], HostStep::Compile(*host, shared_->host, frozen, options));
      AddHost(hosts_[i]->memory(), &memory_);
    } else if (const auto* download = std::get_if<Download>(&plan_.steps[i])) {
      values_.AddBuffer(download->value);
    } else if (const auto* tail = std::get_if<LossTail>(&plan_.steps[i])) {
      tails_[i] = std::make_unique<LossTailStep>(*tail, plan_.graph, &values_);
    }
  }
  return OkStatus();
}

Status HybridExecutable::PrepareProgram(std::size_t index) {
  const Region& region = plan_.programs[index].region;
  const ElementType element = shared_->device.element();
  ProgramUse use;
  use.surfaces = surfaces_;
  use.image = [this, &region, element] { return shared_->emit(region, plan_.surfaces, element); };
  {
    ATTUNE_ASSIGN_OR_RETURN(const ProgramImage image, use.image());
    ATTUNE_ASSIGN_OR_RETURN(use.cached, shared_->cache.Acquire(image));
  }
  programs_.push_back(std::move(use));
  std::map<std::string, SurfaceId> known;
  for (const IrTensor& tensor : region.tensors) {
    if (tensor.origin == Origin::kSurface) known[SymbolOf(tensor.surface)] = tensor.surface;
  }
  for (const RegionOutput& output : region.outputs) {
    known[SymbolOf(output.surface)] = output.surface;
  }
  const DeviceProgram& program = *programs_.back().cached->program;
  ATTUNE_ASSIGN_OR_RETURN(programs_.back().inputs, SurfacesOf(program.inputs(), known));
  ATTUNE_ASSIGN_OR_RETURN(programs_.back().outputs, SurfacesOf(program.outputs(), known));
  return OkStatus();
}

Result<std::vector<Surface*>> HybridExecutable::SurfacesOf(
    const std::vector<SymbolLayout>& symbols, const std::map<std::string, SurfaceId>& known) {
  std::vector<Surface*> surfaces;
  for (const SymbolLayout& symbol : symbols) {
    const auto it = known.find(symbol.name);
    if (it == known.end()) {
      return Internal(StrCat("the loaded program has a symbol ", symbol.name,
                             " that was not in what it was compiled from"));
    }
    const SurfaceId id = it->second;
    ATTUNE_ASSIGN_OR_RETURN(const PlaneLayout layout,
                            LayoutOf(symbol, plan_.surfaces[static_cast<std::size_t>(id)]));
    ATTUNE_RETURN_IF_ERROR(surfaces_->SetLayout(id, layout));
    surfaces.push_back(surfaces_->slot(id));
  }
  return surfaces;
}

Status HybridExecutable::UploadConstants() {
  for (const Step& step : plan_.steps) {
    const auto* upload = std::get_if<Upload>(&step);
    if (upload != nullptr && upload->once) ATTUNE_RETURN_IF_ERROR(UploadValue(*upload));
  }
  return OkStatus();
}

}  // namespace attune::ane
