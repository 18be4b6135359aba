#include "ane/driver/private_program.h"

#include <utility>

#include "ane/driver/guard.h"
#include "ane/driver/surface.h"
#include "base/strings.h"

namespace attune::ane {

namespace {

using objc::Id;
using objc::Owned;
using objc::Runtime;

constexpr char kMakeRequest[] =
    "requestWithInputs:inputIndices:outputs:outputIndices:weightsBuffer:perfStats:procedureIndex:";

Status CheckSurfaces(const char* side, const std::vector<SymbolLayout>& layouts,
                     std::span<Surface* const> surfaces) {
  if (surfaces.size() != layouts.size()) {
    return InvalidArgument(
        StrCat(surfaces.size(), " ", side, " bound, the program has ", layouts.size()));
  }
  for (std::size_t i = 0; i < surfaces.size(); ++i) {
    if (surfaces[i]->bytes() >= layouts[i].bytes()) continue;
    return InvalidArgument(StrCat("the surface of '", layouts[i].name, "' has ",
                                  surfaces[i]->bytes(), " bytes, needs ", layouts[i].bytes()));
  }
  return OkStatus();
}

// Wrapped as the framework wants them; nil inside a wrapper is not possible.
Result<Owned> WrapSurfaces(const Runtime& runtime, std::span<Surface* const> surfaces) {
  Owned array = objc::MakeArray(runtime);
  const Id wrapper = runtime.Class("_ANEIOSurfaceObject");
  for (Surface* surface : surfaces) {
    const Id object = static_cast<IoSurface*>(surface)->object();
    Id wrapped = nullptr;
    const bool returned =
        objc::Guarded([&] { wrapped = runtime.Send<Id>(wrapper, "objectWithIOSurface:", object); });
    if (!returned || wrapped == nullptr) {
      return Internal(StrCat("map: a surface of ", surface->bytes(), " bytes is not taken"));
    }
    objc::Add(runtime, array.get(), wrapped);
  }
  return array;
}

Owned Numbers(const Runtime& runtime, const std::vector<std::int64_t>& values) {
  Owned array = objc::MakeArray(runtime);
  for (const std::int64_t value : values) {
    const Owned number = objc::MakeNumber(runtime, value);
    objc::Add(runtime, array.get(), number.get());
  }
  return array;
}

}  // namespace

PrivateProgram::PrivateProgram(std::shared_ptr<Framework> framework,
                               std::unique_ptr<ProgramRoute> route)
    : framework_(std::move(framework)), route_(std::move(route)) {
  ++framework_->counters.programs;
}

Result<std::unique_ptr<PrivateProgram>> PrivateProgram::Adopt(std::shared_ptr<Framework> framework,
                                                              std::unique_ptr<ProgramRoute> route) {
  std::unique_ptr<PrivateProgram> program(
      new PrivateProgram(std::move(framework), std::move(route)));
  ATTUNE_ASSIGN_OR_RETURN(program->layout_, ReadModelAttributes(program->framework_->runtime,
                                                                program->route_->model()));
  return program;
}

PrivateProgram::~PrivateProgram() {
  // A program that stays loaded takes one of the machine's few places from everybody.
  if (!framework_->Persist([&] { return route_->Unload(); })) {
    ++framework_->counters.unloads;
    --framework_->counters.programs;
  }
  const objc::Pool pool(framework_->runtime);
  request_.Reset();
  route_.reset();
}

Status PrivateProgram::Bind(std::span<Surface* const> inputs, std::span<Surface* const> outputs) {
  ATTUNE_RETURN_IF_ERROR(CheckSurfaces("inputs", this->inputs(), inputs));
  ATTUNE_RETURN_IF_ERROR(CheckSurfaces("outputs", this->outputs(), outputs));
  const objc::Pool pool(framework_->runtime);
  ATTUNE_ASSIGN_OR_RETURN(request_, MakeRequest(inputs, outputs));
  return OkStatus();
}

Result<Owned> PrivateProgram::MakeRequest(std::span<Surface* const> inputs,
                                          std::span<Surface* const> outputs) const {
  const Runtime& runtime = framework_->runtime;
  ATTUNE_ASSIGN_OR_RETURN(const Owned in, WrapSurfaces(runtime, inputs));
  ATTUNE_ASSIGN_OR_RETURN(const Owned out, WrapSurfaces(runtime, outputs));
  const Owned in_indices = Numbers(runtime, layout_.inputs.indices);
  const Owned out_indices = Numbers(runtime, layout_.outputs.indices);
  const Owned procedure = objc::MakeNumber(runtime, layout_.procedure);
  Owned counters;
  if (framework_->quirks.counters_are_an_array) counters = objc::MakeArray(runtime);
  const Id no_weights = nullptr;
  Id request = nullptr;
  const bool returned = objc::Guarded([&] {
    request =
        runtime.Send<Id>(runtime.Class("_ANERequest"), kMakeRequest, in.get(), in_indices.get(),
                         out.get(), out_indices.get(), no_weights, counters.get(), procedure.get());
  });
  if (!returned || request == nullptr) {
    return Internal(StrCat("map: the framework makes no request of ", inputs.size(), " inputs and ",
                           outputs.size(), " outputs"));
  }
  return Owned::Retain(runtime, request);
}

Status PrivateProgram::Evaluate() {
  if (!request_) return FailedPrecondition("evaluate: no surfaces are bound");
  if (auto error = framework_->Persist([&] { return route_->Evaluate(request_.get()); })) {
    return ToStatus(*error);
  }
  ++framework_->counters.evaluations;
  return OkStatus();
}

}  // namespace attune::ane
