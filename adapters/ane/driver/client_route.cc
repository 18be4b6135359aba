#include <utility>

#include "ane/driver/guard.h"
#include "ane/driver/program_route.h"

namespace attune::ane {

namespace {

using objc::Bool;
using objc::Id;

class ClientRoute final : public ProgramRoute {
 public:
  ClientRoute(std::shared_ptr<Framework> framework, objc::Owned client, objc::Owned model)
      : framework_(std::move(framework)),
        client_(std::move(client)),
        model_(std::move(model)),
        options_(objc::MakeDictionary(framework_->runtime)),
        no_options_(objc::MakeDictionary(framework_->runtime)) {
    // What lies in the directory: text, under the name that staging gives it.
    for (const auto& [key, value] : {std::pair("kANEFModelType", "kANEFModelMIL"),
                                     std::pair("kANEFNetPlistFilenameKey", "model.mil")}) {
      const objc::Owned text = objc::MakeString(runtime(), value);
      objc::Set(runtime(), options_.get(), key, text.get());
    }
  }

  bool Compiled() override {
    if (!runtime().Responds(client_.get(), "compiledModelExistsFor:")) return false;
    return !framework_->Attempt(Stage::kCompile, [&](Id*) {
      return runtime().Send<Bool>(client_.get(), "compiledModelExistsFor:", model_.get());
    });
  }

  std::optional<DeviceError> Compile() override {
    return framework_->Attempt(Stage::kCompile, [&](Id* error) {
      return runtime().Send<Bool>(client_.get(), "compileModel:options:qos:error:", model_.get(),
                                  options_.get(), kQualityOfService, error);
    });
  }

  std::optional<DeviceError> Load() override {
    return framework_->Attempt(Stage::kLoad, [&](Id* error) {
      return runtime().Send<Bool>(client_.get(), "loadModel:options:qos:error:", model_.get(),
                                  options_.get(), kQualityOfService, error);
    });
  }

  void DropSource() override {}  // A model of a directory holds none.

  std::optional<DeviceError> Evaluate(Id request) override {
    return framework_->Attempt(Stage::kEvaluate, [&](Id* error) {
      return runtime().Send<Bool>(client_.get(),
                                  "evaluateWithModel:options:request:qos:error:", model_.get(),
                                  no_options_.get(), request, kQualityOfService, error);
    });
  }

  std::optional<DeviceError> Unload() override {
    return framework_->Attempt(Stage::kUnload, [&](Id* error) {
      return runtime().Send<Bool>(client_.get(), "unloadModel:options:qos:error:", model_.get(),
                                  no_options_.get(), kQualityOfService, error);
    });
  }

  Id model() override { return model_.get(); }

 private:
  const objc::Runtime& runtime() const { return framework_->runtime; }

  std::shared_ptr<Framework> framework_;
  objc::Owned client_, model_;
  objc::Owned options_;     // For compiling and loading.
  objc::Owned no_options_;  // For the rest.
};

}  // namespace

Result<std::unique_ptr<ProgramRoute>> MakeClientRoute(std::shared_ptr<Framework> framework,
                                                      const Description& description,
                                                      const std::string& directory) {
  const objc::Runtime& runtime = framework->runtime;
  const objc::Pool pool(runtime);
  const objc::Owned path = objc::MakeString(runtime, directory);
  const objc::Owned key = objc::MakeString(runtime, description.identity);
  Id client = nullptr, model = nullptr;
  const bool returned = objc::Guarded([&] {
    const Id url = runtime.Send<Id>(
        runtime.Class("NSURL"), "fileURLWithPath:isDirectory:", path.get(), static_cast<Bool>(1));
    client = runtime.Send<Id>(runtime.Class("_ANEClient"), "sharedConnection");
    model = runtime.Send<Id>(runtime.Class("_ANEModel"), "modelAtURL:key:", url, key.get());
  });
  if (!returned || client == nullptr) {
    return Unavailable("describe: no connection to the Neural Engine's daemon");
  }
  if (model == nullptr) return Unavailable("describe: the framework makes no model of a directory");
  objc::Owned connection = objc::Owned::Retain(runtime, client);
  objc::Owned program = objc::Owned::Retain(runtime, model);
  return std::unique_ptr<ProgramRoute>(std::make_unique<ClientRoute>(
      std::move(framework), std::move(connection), std::move(program)));
}

}  // namespace attune::ane
