/* The simulator's machine as C: what the Objective-C of the stand-in is written over.
 * Names and texts are UTF-8. */

#pragma once

#include <stddef.h>
#include <stdint.h>

#include "ane_framework/ane_standin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An error in plain data; `failed` is 0 where there is none. */
struct front_error {
  int failed;
  char domain[96];
  int64_t code;
  uint32_t status;
  char text[1024];
};

struct front_file {
  const char* path; /* "@model_path/weights/weight.bin". */
  const void* bytes;
  size_t size;
};

struct front_symbol {
  char name[256];                           /* Without "@output". */
  const char* type;                         /* As modelAttributes has it: "Float16". */
  int64_t batches, channels, height, width; /* Channels of one batch. */
  int64_t row_stride, plane_stride, batch_stride;
};

struct front_buffer {
  void* bytes;
  size_t size;
};

enum front_kind {
  FRONT_DESCRIPTOR,
  FRONT_MODEL,
  FRONT_REQUEST,
  FRONT_SURFACE,
  FRONT_SURFACE_BYTES,
  FRONT_WRAPPER,
  FRONT_LOCK,
  FRONT_LOOSE_PERMISSION,
  FRONT_KINDS
};
void front_count(enum front_kind kind, int64_t change);

/* Objects of any class that are alive: standin.m. */
int64_t front_objects(void);

int front_os(void);
const char* front_temporary_directory(void);
const char* front_processor(void);
const char* front_architecture(void);
int front_has_engine(void);
int front_empty_weights_fail(void);
int front_is_hidden(const char* selector);
/* Whether the in-memory wrapper has not yet leaked too much for one more compile. */
int front_wrapper_compiles(void);

/* What was planned for a call at this stage; kills the process if that is it. */
enum front_plan { FRONT_GO_ON, FRONT_RAISE };
enum front_plan front_enter(int stage);
/* Faults of stages that the machine has no part in. */
struct front_error front_fault(int stage);

/* Whether modelAttributes has the key; a number instead of it in `*value`, -1 for a
 * text, 0 for what belongs there. */
int front_attribute(const char* key, int64_t* value);

/* 64 hexadecimal digits and a zero. */
void front_hash(const void* bytes, size_t size, char digits[65]);

struct front_error front_compile(const char* identity, const void* mil, size_t size,
                                 const struct front_file* files, size_t count);
int front_is_compiled(const char* identity);
void front_purge(const char* identity);
struct front_error front_load(const char* identity, int64_t* handle);
struct front_error front_unload(int64_t handle);
int64_t front_procedures(int64_t handle);
/* How many there are; fills at most `capacity`. */
size_t front_symbols(int64_t handle, int64_t procedure, int outputs, struct front_symbol* symbols,
                     size_t capacity);
struct front_error front_evaluate(int64_t handle, int64_t procedure,
                                  const struct front_buffer* inputs, size_t input_count,
                                  const struct front_buffer* outputs, size_t output_count);

#ifdef __cplusplus
}
#endif
