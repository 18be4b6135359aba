// Invariants. ATTUNE_CHECK stays in release builds and guards memory safety;
// ATTUNE_DCHECK vanishes there. Both are for defects of the program only:
// whatever comes from outside gets a Status.

#pragma once

#include <cstdio>
#include <cstdlib>

#define ATTUNE_CHECK(condition)                                                         \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      std::fprintf(stderr, "attune: %s:%d: broken invariant: %s\n", __FILE__, __LINE__, \
                   #condition);                                                         \
      std::abort();                                                                     \
    }                                                                                   \
  } while (false)

#ifdef NDEBUG
#define ATTUNE_DCHECK(condition) \
  do {                           \
  } while (false && (condition))
#else
#define ATTUNE_DCHECK(condition) ATTUNE_CHECK(condition)
#endif
