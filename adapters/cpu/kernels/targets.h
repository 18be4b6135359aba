// Which instruction sets the kernels are compiled for, and the wrapper that
// picks one at run time. Include before any Highway header.

#pragma once

// Two x86 generations plus a scalar fallback; NEON alone on Arm, where the
// scalable SVE types could not be kept in the arrays that hold our tiles.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)

// Defines Name(args, worker) to call the best compiled NameImpl. Use where
// HWY_ONCE.
#define ATTUNE_DISPATCH_KERNEL(Name, Args)            \
  HWY_EXPORT(Name##Impl);                             \
  void Name(const Args& args, const Worker& worker) { \
    HWY_DYNAMIC_DISPATCH(Name##Impl)(args, worker);   \
  }                                                   \
  static_assert(true, "takes the semicolon at the call")
