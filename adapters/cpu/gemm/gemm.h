// One matrix product of fixed shape, by the platform's library, on the calling
// thread: C[m,n] = scale * op(A)[m,k] op(B)[k,n] (+ C). The provider is chosen
// when the build is configured.
//
// Threads: one Gemm from one thread at a time, inside a SingleThreaded scope.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "attune/status.h"
#include "tensor/dtype.h"

namespace attune::cpu {

struct GemmSpec {
  std::int64_t m = 0, n = 0, k = 0;
  // Stored [k,m] and [n,k] when transposed. Strides are from one stored row to
  // the next, in elements.
  bool transpose_a = false;
  bool transpose_b = false;
  std::int64_t lda = 0, ldb = 0, ldc = 0;
  DType dtype = DType::kF32;  // Of A and B: f32 or bf16. C is f32.
  float scale = 1.0f;
  bool accumulate = false;
  // B arrives in the provider's own layout, made by PackB().
  bool packed_b = false;
};

class Gemm {
 public:
  virtual ~Gemm() = default;

  // kUnsupported: the provider has no bf16.
  static Result<std::unique_ptr<Gemm>> Create(const GemmSpec& spec);

  virtual std::size_t scratch_bytes() const = 0;

  // The packed form of B: what packed_b makes Run() read. Two Gemms with equal
  // layout ids read the same packed bytes of the same B.
  virtual std::size_t packed_b_bytes() const = 0;
  virtual std::uint64_t packed_b_layout() const = 0;
  virtual Status PackB(const void* b, void* packed) = 0;

  // `scratch` is 64-byte aligned, scratch_bytes() long.
  virtual void Run(const void* a, const void* b, float* c, std::byte* scratch) = 0;
};

// "onednn 2.6", "accelerate", "cblas".
const char* GemmProvider();
bool GemmHasBf16();

// While it lives, the library runs on the calling thread only.
class SingleThreaded {
 public:
  SingleThreaded();
  ~SingleThreaded();
  SingleThreaded(const SingleThreaded&) = delete;
  SingleThreaded& operator=(const SingleThreaded&) = delete;

 private:
  int before_ = 1;
};

}  // namespace attune::cpu
