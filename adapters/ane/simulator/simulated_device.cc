#include "ane/simulator/simulated_device.h"

#include <algorithm>
#include <cstring>

#include "ane/simulator/aligned.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

constexpr char kWeightFile[] = "@model_path/weights/weight.bin";
constexpr std::int64_t kMostSurfaceBytes = std::int64_t{16} << 30;

// What surfaces and programs share with their device.
struct Shared {
  Shared(const MachineOptions& options, Parallel* parallel) : machine(options, parallel) {}
  Machine machine;
  std::int64_t surfaces = 0, surface_bytes = 0;
};

class SimulatedSurface final : public Surface {
 public:
  SimulatedSurface(std::shared_ptr<Shared> shared, std::int64_t bytes)
      : shared_(std::move(shared)), memory_((bytes + 3) / 4), bytes_(bytes) {
    ++shared_->surfaces;
    shared_->surface_bytes += bytes_;
  }
  ~SimulatedSurface() override {
    --shared_->surfaces;
    shared_->surface_bytes -= bytes_;
  }
  SimulatedSurface(const SimulatedSurface&) = delete;
  SimulatedSurface& operator=(const SimulatedSurface&) = delete;

  std::int64_t bytes() const override { return bytes_; }
  Result<std::span<std::byte>> Lock(bool) override {
    if (locked_) return FailedPrecondition("the surface is locked already");
    locked_ = true;
    return std::span<std::byte>(reinterpret_cast<std::byte*>(memory_.data()),
                                static_cast<std::size_t>(bytes_));
  }
  void Unlock() override { locked_ = false; }

 private:
  std::shared_ptr<Shared> shared_;
  AlignedFloats memory_;
  std::int64_t bytes_;
  bool locked_ = false;
};

// Locks each surface once, however often it is bound; unlocks them at its end.
class Locks {
 public:
  ~Locks() {
    for (Surface* surface : locked_) surface->Unlock();
  }
  Locks() = default;
  Locks(const Locks&) = delete;
  Locks& operator=(const Locks&) = delete;

  Status Add(const std::vector<Surface*>& surfaces, std::vector<std::span<std::byte>>* bytes) {
    for (Surface* surface : surfaces) {
      const auto at = std::find(locked_.begin(), locked_.end(), surface);
      if (at != locked_.end()) {
        bytes->push_back(bytes_[static_cast<std::size_t>(at - locked_.begin())]);
        continue;
      }
      ATTUNE_ASSIGN_OR_RETURN(const std::span<std::byte> span, surface->Lock(false));
      locked_.push_back(surface);
      bytes_.push_back(span);
      bytes->push_back(span);
    }
    return OkStatus();
  }

 private:
  std::vector<Surface*> locked_;
  std::vector<std::span<std::byte>> bytes_;
};

class SimulatedProgram final : public DeviceProgram {
 public:
  SimulatedProgram(std::shared_ptr<Shared> shared, ProgramHandle handle)
      : shared_(std::move(shared)), handle_(handle), symbols_(shared_->machine.symbols(handle)) {}
  // A machine that refuses to unload keeps the program, as the real one does.
  ~SimulatedProgram() override { (void)shared_->machine.Unload(handle_); }
  SimulatedProgram(const SimulatedProgram&) = delete;
  SimulatedProgram& operator=(const SimulatedProgram&) = delete;

  const std::vector<SymbolLayout>& inputs() const override { return symbols_.inputs; }
  const std::vector<SymbolLayout>& outputs() const override { return symbols_.outputs; }

  Status Bind(std::span<Surface* const> inputs, std::span<Surface* const> outputs) override {
    ATTUNE_RETURN_IF_ERROR(Check("inputs", inputs, symbols_.inputs));
    ATTUNE_RETURN_IF_ERROR(Check("outputs", outputs, symbols_.outputs));
    inputs_.assign(inputs.begin(), inputs.end());
    outputs_.assign(outputs.begin(), outputs.end());
    bound_ = true;
    return OkStatus();
  }

  Status Evaluate() override {
    if (!bound_) return FailedPrecondition("evaluate: no surfaces are bound");
    Locks locks;
    std::vector<std::span<std::byte>> in, out;
    ATTUNE_RETURN_IF_ERROR(locks.Add(inputs_, &in));
    ATTUNE_RETURN_IF_ERROR(locks.Add(outputs_, &out));
    const auto error = shared_->machine.Evaluate(handle_, 0, in, out);
    return error ? ToStatus(*error) : OkStatus();
  }

 private:
  static Status Check(std::string_view what, std::span<Surface* const> surfaces,
                      const std::vector<SymbolLayout>& layouts) {
    if (surfaces.size() != layouts.size()) {
      return InvalidArgument(
          StrCat("bind: ", surfaces.size(), " ", what, " for ", layouts.size(), " symbols"));
    }
    for (std::size_t i = 0; i < layouts.size(); ++i) {
      if (surfaces[i] != nullptr && surfaces[i]->bytes() >= layouts[i].bytes()) continue;
      return InvalidArgument(
          StrCat("bind: a surface of ", surfaces[i] == nullptr ? 0 : surfaces[i]->bytes(),
                 " bytes for symbol \"", layouts[i].name, "\" of ", layouts[i].bytes()));
    }
    return OkStatus();
  }

  std::shared_ptr<Shared> shared_;
  ProgramHandle handle_;
  const Symbols symbols_;
  std::vector<Surface*> inputs_, outputs_;
  bool bound_ = false;
};

// Programs equal in all bytes are one. Two sums of different kinds, for a machine that
// is only simulated: not against malice.
std::string IdentityOf(const ProgramImage& image) {
  std::uint64_t a = 0xcbf29ce484222325u, b = 0x9e3779b97f4a7c15u;
  const auto add = [&](std::uint64_t byte) {
    a = (a ^ byte) * 0x100000001b3u;
    b = (b + byte + 1) * 0xbf58476d1ce4e5b9u;
    b ^= b >> 29;
  };
  for (const char c : image.mil) add(static_cast<unsigned char>(c));
  for (const std::byte c : image.weights) add(std::to_integer<std::uint64_t>(c));
  return StrCat(image.mil.size(), "_", image.weights.size(), "_", a, "_", b);
}

class SimulatedDevice final : public Device {
 public:
  SimulatedDevice(const MachineOptions& options, Parallel* parallel)
      : shared_(std::make_shared<Shared>(options, parallel)) {}

  std::string_view name() const override { return "ane-sim"; }
  const Target& target() const override { return shared_->machine.options().target; }
  ElementType element() const override {
    return shared_->machine.options().exact ? ElementType::kF32 : ElementType::kF16;
  }

  Result<std::unique_ptr<DeviceProgram>> Load(const ProgramImage& image) override {
    Machine& machine = shared_->machine;
    const std::string identity = IdentityOf(image);
    if (!machine.IsCompiled(identity)) {
      std::map<std::string, std::vector<std::byte>> weights;
      if (!image.weights.empty()) weights.emplace(kWeightFile, image.weights);
      if (const auto error = machine.Compile(identity, image.mil, weights)) {
        return ToStatus(*error);
      }
    }
    ProgramHandle handle = 0;
    if (const auto error = machine.Load(identity, &handle)) return ToStatus(*error);
    return std::unique_ptr<DeviceProgram>(std::make_unique<SimulatedProgram>(shared_, handle));
  }

  Result<std::unique_ptr<Surface>> Allocate(std::int64_t bytes) override {
    if (bytes <= 0 || bytes > kMostSurfaceBytes) {
      return InvalidArgument(
          StrCat("surface of ", bytes, " bytes, allowed are 1 to ", kMostSurfaceBytes));
    }
    return std::unique_ptr<Surface>(std::make_unique<SimulatedSurface>(shared_, bytes));
  }

  DeviceCounters counters() const override {
    DeviceCounters counters = shared_->machine.counters();
    counters.surfaces = shared_->surfaces;
    counters.surface_bytes = shared_->surface_bytes;
    return counters;
  }

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace

std::unique_ptr<Device> MakeSimulatedDevice(const MachineOptions& options, Parallel* parallel) {
  return std::make_unique<SimulatedDevice>(options, parallel);
}

}  // namespace attune::ane
