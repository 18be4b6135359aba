#include "ane/driver/guard.h"

namespace attune::ane::objc {

bool Guarded(FunctionRef<void()> body) {
  try {
    body();
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace attune::ane::objc
