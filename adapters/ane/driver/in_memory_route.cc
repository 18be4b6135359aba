#include <utility>

#include "ane/driver/guard.h"
#include "ane/driver/program_route.h"

namespace attune::ane {

namespace {

using objc::Bool;
using objc::Id;

class InMemoryRoute final : public ProgramRoute {
 public:
  InMemoryRoute(std::shared_ptr<Framework> framework, Description description)
      : framework_(std::move(framework)),
        description_(std::move(description)),
        options_(objc::MakeDictionary(framework_->runtime)) {}

  bool Compiled() override {
    if (!runtime().Responds(wrapper(), "compiledModelExists")) return false;
    return !framework_->Attempt(Stage::kCompile, [&](Id*) {
      return runtime().Send<Bool>(wrapper(), "compiledModelExists");
    });
  }

  std::optional<DeviceError> Compile() override {
    return framework_->Attempt(Stage::kCompile, [&](Id* error) {
      return runtime().Send<Bool>(wrapper(), "compileWithQoS:options:error:", kQualityOfService,
                                  options_.get(), error);
    });
  }

  std::optional<DeviceError> Load() override {
    return framework_->Attempt(Stage::kLoad, [&](Id* error) {
      return runtime().Send<Bool>(wrapper(), "loadWithQoS:options:error:", kQualityOfService,
                                  options_.get(), error);
    });
  }

  void DropSource() override {
    // The wrapper holds the descriptor, and with it a second copy of the weights.
    const objc::Pool pool(runtime());
    const Id none = nullptr;
    if (runtime().Responds(wrapper(), "setDescriptor:")) {
      runtime().Send<void>(wrapper(), "setDescriptor:", none);
    }
    description_.descriptor.Reset();
  }

  std::optional<DeviceError> Evaluate(Id request) override {
    return framework_->Attempt(Stage::kEvaluate, [&](Id* error) {
      return runtime().Send<Bool>(wrapper(),
                                  "evaluateWithQoS:options:request:error:", kQualityOfService,
                                  options_.get(), request, error);
    });
  }

  std::optional<DeviceError> Unload() override {
    return framework_->Attempt(Stage::kUnload, [&](Id* error) {
      return runtime().Send<Bool>(wrapper(), "unloadWithQoS:error:", kQualityOfService, error);
    });
  }

  // Of the model within: the wrapper's own attributes raise an exception.
  Id model() override { return runtime().Send<Id>(wrapper(), "model"); }

 private:
  const objc::Runtime& runtime() const { return framework_->runtime; }
  Id wrapper() const { return description_.model.get(); }

  std::shared_ptr<Framework> framework_;
  Description description_;
  objc::Owned options_;
};

}  // namespace

Result<std::unique_ptr<ProgramRoute>> MakeInMemoryRoute(std::shared_ptr<Framework> framework,
                                                        Description description) {
  return std::unique_ptr<ProgramRoute>(
      std::make_unique<InMemoryRoute>(std::move(framework), std::move(description)));
}

}  // namespace attune::ane
