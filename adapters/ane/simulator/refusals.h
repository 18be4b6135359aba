// The framework's errors as a machine of some generation words them.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ane/device/errors.h"

namespace attune::ane {

// The compiler refuses; `reason` is ours and says which rule was broken.
DeviceError CompilerRefuses(std::string_view reason);
// The compiler's service dies over the program.
DeviceError CompilerDies(std::string_view reason);
// The in-memory wrapper has leaked all it can.
DeviceError WrapperIsExhausted(std::int64_t compiles);
DeviceError HashesDiffer(int files);
DeviceError NotCompiled();
DeviceError NotLoaded(Stage stage);
DeviceError TooManyPrograms(int os, std::int64_t loaded, std::int64_t most);
DeviceError WindowIsFull(std::int64_t needed, std::int64_t most);
DeviceError NoSuchProcedure(std::int64_t procedure, std::int64_t count);
// Surfaces do not fit the symbols in number, or a width is one the hardware refuses.
DeviceError SurfacesDoNotFit(std::string_view reason);
DeviceError SurfaceIsSmall(int os, std::string_view symbol, std::int64_t bytes,
                           std::int64_t needed);

}  // namespace attune::ane
