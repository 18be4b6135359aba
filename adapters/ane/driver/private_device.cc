#include "ane/driver/private_device.h"

#include <optional>
#include <string>
#include <utility>

#include "ane/driver/description.h"
#include "ane/driver/framework.h"
#include "ane/driver/private_program.h"
#include "ane/driver/program_route.h"
#include "ane/driver/staging.h"
#include "ane/driver/surface.h"
#include "base/strings.h"

namespace attune::ane {

namespace {

// NSTemporaryDirectory(), which is also where the framework looks.
Result<std::string> TemporaryDirectory(const Framework& framework) {
  const objc::Pool pool(framework.runtime);
  const auto find =
      reinterpret_cast<objc::Id (*)()>(framework.libraries.Find("NSTemporaryDirectory"));
  if (find == nullptr) return Unavailable("the Foundation library has no NSTemporaryDirectory");
  const auto path = objc::TextOf(framework.runtime, find());
  if (!path || path->empty()) return Unavailable("the system names no temporary directory");
  return *path;
}

// Whether the compiler may have refused what it was told, with a reason or without.
bool IsRefusal(const Status& status) {
  return status.code() == StatusCode::kInvalidArgument || status.code() == StatusCode::kInternal;
}

class PrivateDevice final : public Device {
 public:
  PrivateDevice(std::shared_ptr<Framework> framework, const SurfaceLibrary& surfaces,
                StagingArea staging, Route route)
      : framework_(std::move(framework)),
        surfaces_(surfaces),
        staging_(std::move(staging)),
        route_(route) {}

  std::string_view name() const override { return "ane"; }
  const Target& target() const override { return framework_->target; }
  ElementType element() const override { return ElementType::kF16; }
  DeviceCounters counters() const override { return framework_->counters; }

  Result<std::unique_ptr<DeviceProgram>> Load(const ProgramImage& image) override;
  Result<std::unique_ptr<Surface>> Allocate(std::int64_t bytes) override;

 private:
  Result<std::unique_ptr<DeviceProgram>> LoadAs(const ProgramImage& image, NoWeights no_weights);
  Status Bring(ProgramRoute* program);
  std::optional<DeviceError> Compile(ProgramRoute* program);

  std::shared_ptr<Framework> framework_;
  SurfaceLibrary surfaces_;
  StagingArea staging_;
  Route route_;
};

Result<std::unique_ptr<DeviceProgram>> PrivateDevice::Load(const ProgramImage& image) {
  if (image.mil.empty()) return InvalidArgument("a program without text");
  const objc::Pool pool(framework_->runtime);
  const bool nil_first = framework_->quirks.weights_may_be_nil;
  auto program = LoadAs(image, nil_first ? NoWeights::kNil : NoWeights::kEmpty);
  if (program.ok() || !image.weights.empty() || !IsRefusal(program.status())) return program;
  // Systems disagree on how a program says that it has no weights.
  auto otherwise = LoadAs(image, nil_first ? NoWeights::kEmpty : NoWeights::kNil);
  return otherwise.ok() ? std::move(otherwise) : std::move(program);
}

Result<std::unique_ptr<DeviceProgram>> PrivateDevice::LoadAs(const ProgramImage& image,
                                                             NoWeights no_weights) {
  ATTUNE_ASSIGN_OR_RETURN(Description description, Describe(*framework_, image, no_weights));
  ATTUNE_ASSIGN_OR_RETURN(const Staged staged,
                          staging_.Stage(description.identity, image.mil, image.weights));
  auto made = route_ == Route::kClient
                  ? MakeClientRoute(framework_, description, staged.directory())
                  : MakeInMemoryRoute(framework_, std::move(description));
  ATTUNE_ASSIGN_OR_RETURN(std::unique_ptr<ProgramRoute> route, std::move(made));
  ATTUNE_RETURN_IF_ERROR(Bring(route.get()));
  route->DropSource();
  ATTUNE_ASSIGN_OR_RETURN(std::unique_ptr<PrivateProgram> program,
                          PrivateProgram::Adopt(framework_, std::move(route)));
  return std::unique_ptr<DeviceProgram>(std::move(program));
}

// Compiles, unless the system has kept the result, and loads.
Status PrivateDevice::Bring(ProgramRoute* program) {
  const bool kept = program->Compiled();
  if (!kept) {
    if (auto error = Compile(program)) return ToStatus(*error);
  }
  auto error = framework_->Persist([&] { return program->Load(); });
  // What was kept may be of another version of the system, or gone meanwhile. Where
  // there is no room, compiling does not help.
  if (error && kept && RemedyOf(*error) != Remedy::kEvict) {
    if (auto refused = Compile(program)) return ToStatus(*refused);
    error = framework_->Persist([&] { return program->Load(); });
  }
  if (error) return ToStatus(*error);
  ++framework_->counters.loads;
  return OkStatus();
}

std::optional<DeviceError> PrivateDevice::Compile(ProgramRoute* program) {
  auto error = framework_->Persist([&] { return program->Compile(); });
  if (!error) ++framework_->counters.compiles;
  return error;
}

Result<std::unique_ptr<Surface>> PrivateDevice::Allocate(std::int64_t bytes) {
  ATTUNE_ASSIGN_OR_RETURN(std::unique_ptr<IoSurface> surface,
                          IoSurface::Create(framework_, surfaces_, bytes));
  return std::unique_ptr<Surface>(std::move(surface));
}

}  // namespace

Result<std::unique_ptr<Device>> OpenPrivateDevice(const PrivateDeviceOptions& options,
                                                  Clock* clock) {
  ATTUNE_ASSIGN_OR_RETURN(std::shared_ptr<Framework> framework, Framework::Open(options, clock));
  ATTUNE_ASSIGN_OR_RETURN(const SurfaceLibrary surfaces,
                          SurfaceLibrary::Find(framework->libraries));
  // The framework of the in-memory route looks in one place only.
  std::string root = options.route == Route::kClient ? options.staging_directory : "";
  if (root.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(root, TemporaryDirectory(*framework));
  }
  ATTUNE_ASSIGN_OR_RETURN(StagingArea staging, StagingArea::Open(std::move(root), clock));
  return std::unique_ptr<Device>(std::make_unique<PrivateDevice>(
      std::move(framework), surfaces, std::move(staging), options.route));
}

}  // namespace attune::ane
