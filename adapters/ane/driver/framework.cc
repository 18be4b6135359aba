#include "ane/driver/framework.h"

#include <cstdlib>
#include <span>
#include <utility>

#include "ane/driver/guard.h"
#include "base/strings.h"

namespace attune::ane {

namespace {

#ifdef __APPLE__
constexpr char kFramework[] =
    "/System/Library/PrivateFrameworks/AppleNeuralEngine.framework/AppleNeuralEngine";
constexpr char kSurfaceLibrary[] = "/System/Library/Frameworks/IOSurface.framework/IOSurface";
constexpr char kFoundation[] = "/System/Library/Frameworks/Foundation.framework/Foundation";
#else
// Elsewhere there is only the stand-in, which brings the other two with it.
constexpr char kFramework[] = "";
constexpr char kSurfaceLibrary[] = "";
constexpr char kFoundation[] = "";
#endif

// A message that the driver sends without asking again whether it is understood.
struct Requirement {
  const char* class_name;
  const char* selector;
  bool of_instances;
};

constexpr Requirement kBoth[] = {
    {"_ANEInMemoryModelDescriptor", "modelWithMILText:weights:optionsPlist:", false},
    {"_ANEInMemoryModel", "inMemoryModelWithDescriptor:", false},
    {"_ANEInMemoryModel", "hexStringIdentifier", true},
    {"_ANEIOSurfaceObject", "objectWithIOSurface:", false},
    {"_ANEModel", "modelAttributes", true},
};
constexpr Requirement kInMemoryRoute[] = {
    {"_ANEInMemoryModel", "compileWithQoS:options:error:", true},
    {"_ANEInMemoryModel", "loadWithQoS:options:error:", true},
    {"_ANEInMemoryModel", "evaluateWithQoS:options:request:error:", true},
    {"_ANEInMemoryModel", "unloadWithQoS:error:", true},
    {"_ANEInMemoryModel", "model", true},
};
constexpr Requirement kClientRoute[] = {
    {"_ANEModel", "modelAtURL:key:", false},
    {"_ANEClient", "sharedConnection", false},
    {"_ANEClient", "compileModel:options:qos:error:", true},
    {"_ANEClient", "loadModel:options:qos:error:", true},
    {"_ANEClient", "evaluateWithModel:options:request:qos:error:", true},
    {"_ANEClient", "unloadModel:options:qos:error:", true},
};
constexpr char kRequest[] =
    "requestWithInputs:inputIndices:outputs:outputIndices:weightsBuffer:perfStats:procedureIndex:";

Status Check(const objc::Runtime& runtime, std::span<const Requirement> requirements) {
  for (const Requirement& required : requirements) {
    const objc::Id found = runtime.Class(required.class_name);
    if (found == nullptr) {
      return Unsupported(StrCat("the framework has no class ", required.class_name));
    }
    const bool understood = required.of_instances
                                ? runtime.InstancesRespond(found, required.selector)
                                : runtime.Responds(found, required.selector);
    if (!understood) {
      return Unsupported(StrCat("the framework has no ", required.of_instances ? "-[" : "+[",
                                required.class_name, " ", required.selector, "]"));
    }
  }
  return OkStatus();
}

Status CheckAll(const objc::Runtime& runtime, Route route) {
  ATTUNE_RETURN_IF_ERROR(Check(runtime, kBoth));
  const Requirement request[] = {{"_ANERequest", kRequest, false}};
  ATTUNE_RETURN_IF_ERROR(Check(runtime, request));
  if (route == Route::kClient) return Check(runtime, kClientRoute);
  return Check(runtime, kInMemoryRoute);
}

// The paths of the libraries, in the order in which symbols are looked for.
Status OpenAll(const PrivateDeviceOptions& options, Libraries* libraries) {
  std::string framework = options.framework.empty() ? kFramework : options.framework;
#ifndef __APPLE__
  if (framework.empty()) {
    const char* stand_in = std::getenv("ATTUNE_ANE_FRAMEWORK");
    if (stand_in != nullptr) framework = stand_in;
  }
#endif
  if (framework.empty()) return Unavailable("this system has no Neural Engine framework");
  const std::string others[] = {
      options.foundation_library.empty() ? kFoundation : options.foundation_library,
      options.surface_library.empty() ? kSurfaceLibrary : options.surface_library};
  ATTUNE_RETURN_IF_ERROR(libraries->Open(framework));
  for (const std::string& path : others) {
    if (!path.empty()) ATTUNE_RETURN_IF_ERROR(libraries->Open(path));
  }
  return OkStatus();
}

// The status inside an NSError: said outright, of the error beneath, or in the text.
std::uint32_t StatusOf(const objc::Runtime& runtime, objc::Id error, std::string_view text) {
  const objc::Id information = runtime.Send<objc::Id>(error, "userInfo");
  if (auto status =
          objc::NumberOf(runtime, objc::Get(runtime, information, "_ANEErrorUnderlyingStatus"))) {
    return static_cast<std::uint32_t>(*status);
  }
  if (const std::uint32_t status = StatusIn(text); status != 0) return status;
  const objc::Id beneath = objc::Get(runtime, information, "NSUnderlyingError");
  return static_cast<std::uint32_t>(runtime.Send<objc::Integer>(beneath, "code"));
}

DeviceError Decode(const objc::Runtime& runtime, Stage stage, objc::Id error) {
  DeviceError decoded{.stage = stage, .domain = "", .code = 0, .status = 0, .text = ""};
  if (error == nullptr) {
    decoded.text = "refused without saying why";
    return decoded;
  }
  decoded.domain = objc::TextOf(runtime, runtime.Send<objc::Id>(error, "domain")).value_or("");
  decoded.code = runtime.Send<objc::Integer>(error, "code");
  decoded.text =
      objc::TextOf(runtime, runtime.Send<objc::Id>(error, "localizedDescription")).value_or("");
  decoded.status = StatusOf(runtime, error, decoded.text);
  return decoded;
}

}  // namespace

Result<std::shared_ptr<Framework>> Framework::Open(const PrivateDeviceOptions& options,
                                                   Clock* clock) {
  auto framework = std::make_shared<Framework>();
  ATTUNE_RETURN_IF_ERROR(OpenAll(options, &framework->libraries));
  ATTUNE_ASSIGN_OR_RETURN(framework->runtime, objc::Runtime::Find(framework->libraries));
  if (framework->runtime.Class("NSAutoreleasePool") == nullptr) {
    return Unavailable("the Foundation library is missing");
  }
  const objc::Pool pool(framework->runtime);
  ATTUNE_ASSIGN_OR_RETURN(framework->target,
                          DetectTarget(framework->runtime, framework->libraries));
  ATTUNE_RETURN_IF_ERROR(CheckAll(framework->runtime, options.route));
  framework->quirks = QuirksOf(framework->target);
  framework->retries = options.retries;
  framework->clock = clock;
  return framework;
}

std::optional<DeviceError> Framework::Attempt(Stage stage,
                                              FunctionRef<objc::Bool(objc::Id* error)> send) const {
  const objc::Pool pool(runtime);
  objc::Id error = nullptr;
  objc::Bool done = 0;
  if (!objc::Guarded([&] { done = send(&error); })) {
    return DeviceError{.stage = stage,
                       .domain = "",
                       .code = 0,
                       .status = 0,
                       .text = "the framework raised an exception"};
  }
  // An error object beside YES means nothing: the answer counts.
  if (done != 0) return std::nullopt;
  return Decode(runtime, stage, error);
}

std::optional<DeviceError> Framework::Persist(FunctionRef<std::optional<DeviceError>()> attempt) {
  double pause = quirks.first_pause_seconds;
  for (std::int64_t left = retries;; --left) {
    std::optional<DeviceError> error = attempt();
    if (!error || left <= 0 || RemedyOf(*error) != Remedy::kRetry) return error;
    ++counters.retries;
    clock->Sleep(pause);
    pause *= 2;
  }
}

}  // namespace attune::ane
