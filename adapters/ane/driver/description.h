// A program as the framework is told of it, and the identity that it gets from that:
// hashes of the text, of the weights and of the options. Nothing is checked here; that
// is the compiler's part.

#pragma once

#include <string>

#include "ane/device/device.h"
#include "ane/driver/foundation.h"
#include "ane/driver/framework.h"
#include "attune/status.h"

namespace attune::ane {

struct Description {
  objc::Owned descriptor;  // _ANEInMemoryModelDescriptor.
  objc::Owned model;       // _ANEInMemoryModel.
  std::string identity;
};

// How a program without weights says so; systems disagree on which one they take.
enum class NoWeights { kEmpty, kNil };

//   kInvalidArgument  the framework makes no object of the program
Result<Description> Describe(const Framework& framework, const ProgramImage& image,
                             NoWeights no_weights);

}  // namespace attune::ane
