// A Product is C = scale * A op(B) (+ C) over all workers: each computes its
// own columns (or rows, when there are few columns) with its own Gemm. A B whose
// type is not the type of computation is expanded panel by panel.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "attune/status.h"
#include "cpu/gemm/gemm.h"
#include "cpu/kernels/worker.h"

namespace attune::cpu {

struct ProductSpec {
  std::int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false;      // A is stored [k,m].
  bool transpose_b = false;      // B is stored [n,k].
  std::int64_t ldc = 0;          // 0: n.
  DType compute = DType::kF32;   // Type of A, and of the arithmetic's operands.
  DType b_stored = DType::kF32;  // f32, bf16 or f16.
  float scale = 1.0f;
  bool accumulate = false;
  bool packed_b = false;
};

class Product {
 public:
  static Result<std::shared_ptr<Product>> Create(const ProductSpec& spec, int workers);

  // Of one worker.
  std::size_t scratch_bytes() const { return scratch_bytes_; }

  // --- Packed B: one piece a worker ---
  std::size_t packed_bytes() const;
  // Equal for products that can share the packed form of one B.
  std::uint64_t packed_layout() const;
  // Packs the whole of B; `packed` is 64-byte aligned.
  Status Pack(const void* b, std::byte* packed) const;

  // What Run() reads and writes. `b` is packed when the spec says so.
  void set_a(const void* a) { a_ = a; }
  void set_b(const void* b) { b_ = b; }
  void set_c(float* c) { c_ = c; }

  // This worker's share.
  void Run(const Worker& worker) const;

 private:
  // Columns and rows of C that one worker computes.
  struct Share {
    WorkRange rows, columns;
    std::int64_t panel = 0;      // Columns a Gemm computes at a time.
    std::unique_ptr<Gemm> body;  // For full panels.
    std::unique_ptr<Gemm> tail;  // For the last, narrower one.
    std::size_t packed_offset = 0;
  };

  explicit Product(const ProductSpec& spec) : spec_(spec) {}
  Status Init(int workers);
  Status InitShare(Share* share);
  Result<std::unique_ptr<Gemm>> MakeGemm(const Share& share, std::int64_t columns) const;
  bool expands() const { return spec_.b_stored != spec_.compute && !spec_.packed_b; }
  const std::byte* BAt(std::int64_t column) const;
  void ExpandPanel(std::int64_t column, std::int64_t columns, std::byte* out) const;

  ProductSpec spec_;
  std::vector<Share> shares_;
  std::size_t scratch_bytes_ = 0;
  const void* a_ = nullptr;
  const void* b_ = nullptr;
  float* c_ = nullptr;
};

// As an instruction.
struct ProductArgs {
  std::shared_ptr<Product> product;
};
inline void RunProduct(const ProductArgs& args, const Worker& worker) { args.product->Run(worker); }

}  // namespace attune::cpu
