// What becomes of the result of an elementwise operation.

#pragma once

namespace attune::ane {

struct Rounding {
  bool half = true;    // To fp16, nearest even.
  bool no_nan = true;  // NaN becomes 0 and -0 too.
};

}  // namespace attune::ane
