/* The stand-in of the private framework, for tests: what its machine is, what goes
 * wrong on purpose, and what is left over. The driver never sees this header.
 *
 * One machine a process. */

#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ane_standin_options {
  const char* chip; /* "m4", "m3-ultra"; as ParseChip(). */
  int os;           /* 15, 26, 27. */
  /* Where programs are staged: NSTemporaryDirectory(). */
  const char* temporary_directory;
  /* What the system calls the processor; null: from the chip. Empty: it does not say. */
  const char* processor;
  /* What _ANEDeviceInfo calls the architecture; null: from the chip. */
  const char* architecture;
  int no_engine;            /* hasANE is NO. */
  int empty_weights_fail;   /* A program without weights must say so by nil, not by @{}. */
  int64_t max_programs;     /* 0: 127. */
  int64_t wrapper_compiles; /* That the in-memory route does; 0: no limit. */
};

/* A new machine; what was compiled or loaded is gone, and so are counts and faults.
 * 0 when the chip is not known. REQUIRES: no object of the framework is alive. */
int ane_standin_configure(const struct ane_standin_options* options);

/* The stages of ane/device/errors.h, by their order there. */
enum ane_standin_stage {
  ANE_STANDIN_DESCRIBE,
  ANE_STANDIN_COMPILE,
  ANE_STANDIN_LOAD,
  ANE_STANDIN_MAP,
  ANE_STANDIN_EVALUATE,
  ANE_STANDIN_UNLOAD
};

/* At the call `after` from now, `times` times: this error. The status goes into the
 * text, as the framework writes it, and from macOS 27 on into userInfo as well. */
void ane_standin_inject(int stage, const char* domain, int64_t code, uint32_t status,
                        const char* text, int64_t after, int64_t times);

/* The next call at a stage raises an exception, or kills the process. */
void ane_standin_raise(int stage);
void ane_standin_kill(int stage);

/* The framework has no such class method or method from now on; null: all again. */
void ane_standin_hide(const char* selector);

/* In modelAttributes: leaves a key out, at any depth. */
void ane_standin_drop_attribute(const char* key);
/* Puts a number, or with value -1 a text, in place of what belongs there. */
void ane_standin_replace_attribute(const char* key, int64_t value);
void ane_standin_restore_attributes(void);

struct ane_standin_counts {
  /* Alive now. */
  int64_t programs, descriptors, models, requests, surfaces, surface_bytes, wrappers, locks;
  /* So far. */
  int64_t compiles, loads, unloads, evaluations;
  /* Of all classes of Foundation. */
  int64_t objects;
  /* Staged directories or files that others may read. */
  int64_t loose_permissions;
};
struct ane_standin_counts ane_standin_count(void);

#ifdef __cplusplus
}
#endif
