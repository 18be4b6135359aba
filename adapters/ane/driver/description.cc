#include "ane/driver/description.h"

#include <span>
#include <utility>

#include "ane/driver/guard.h"
#include "base/strings.h"

namespace attune::ane {

namespace {

constexpr std::string_view kWeightPath = "@model_path/weights/weight.bin";

// {path: {"offset": 0, "data": bytes}}. The data are hashed into the identity; what
// the compiler reads is the file.
objc::Owned WeightDictionary(const objc::Runtime& runtime, const ProgramImage& image) {
  objc::Owned files = objc::MakeDictionary(runtime);
  if (image.weights.empty()) return files;
  const objc::Owned entry = objc::MakeDictionary(runtime);
  const objc::Owned offset = objc::MakeNumber(runtime, 0);
  const objc::Owned data = objc::MakeData(runtime, image.weights);
  objc::Set(runtime, entry.get(), "offset", offset.get());
  objc::Set(runtime, entry.get(), "data", data.get());
  objc::Set(runtime, files.get(), kWeightPath, entry.get());
  return files;
}

}  // namespace

Result<Description> Describe(const Framework& framework, const ProgramImage& image,
                             NoWeights no_weights) {
  const objc::Runtime& runtime = framework.runtime;
  const objc::Pool pool(runtime);
  // Bytes, not a string: the framework takes one for the other and dies.
  const objc::Owned text =
      objc::MakeData(runtime, std::as_bytes(std::span(image.mil.data(), image.mil.size())));
  objc::Owned weights;
  if (!image.weights.empty() || no_weights == NoWeights::kEmpty) {
    weights = WeightDictionary(runtime, image);
  }
  const objc::Id none = nullptr;
  objc::Id descriptor = nullptr, model = nullptr, identity = nullptr;
  const bool returned = objc::Guarded([&] {
    descriptor = runtime.Send<objc::Id>(runtime.Class("_ANEInMemoryModelDescriptor"),
                                        "modelWithMILText:weights:optionsPlist:", text.get(),
                                        weights.get(), none);
    model = runtime.Send<objc::Id>(runtime.Class("_ANEInMemoryModel"),
                                   "inMemoryModelWithDescriptor:", descriptor);
    identity = runtime.Send<objc::Id>(model, "hexStringIdentifier");
  });
  if (!returned) return InvalidArgument("describe: the framework raised an exception");
  if (descriptor == nullptr || model == nullptr) {
    return InvalidArgument(StrCat("describe: the framework makes no ",
                                  descriptor == nullptr ? "descriptor" : "model",
                                  " of a program of ", image.mil.size(), " bytes of text and ",
                                  image.weights.size(), " of weights"));
  }
  Description description;
  description.identity = objc::TextOf(runtime, identity).value_or("");
  description.descriptor = objc::Owned::Retain(runtime, descriptor);
  description.model = objc::Owned::Retain(runtime, model);
  return description;
}

}  // namespace attune::ane
