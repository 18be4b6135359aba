// The loss over the vocabulary and its gradient, without ever holding all
// logits: rows that carry a label are gathered, a chunk of them at a time gets
// its logits, its loss and its gradient, and the next chunk reuses the memory.
//
//   logits = x W^T [rows,V]; loss = sum_i weight_i (lse_i - logit_i[label_i])
//   dx = dloss weight (softmax - onehot) W; dW = (...)^T x

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cpu/product.h"

namespace attune::cpu {

struct HeadLossSpec {
  std::int64_t rows = 0, width = 0, vocabulary = 0;
  DType stored = DType::kF32;    // Of W.
  DType compute = DType::kF32;   // Of the products' operands.
  bool loss = true;              // Computes loss and lse; else lse is given.
  bool gradient = false;         // Computes dx.
  bool weight_gradient = false;  // And dW.
  bool packed = false;
};

class HeadLoss {
 public:
  static Result<std::shared_ptr<HeadLoss>> Create(const HeadLossSpec& spec, int workers);

  std::size_t scratch_bytes() const;  // Of one worker.
  std::size_t shared_bytes() const { return shared_bytes_; }
  // Products over W, one of each kind per chunk size; all of a kind can share
  // one packed form.
  std::shared_ptr<Product> logits_product(std::size_t i) const { return sizes_[i].logits; }
  std::shared_ptr<Product> dx_product(std::size_t i) const { return sizes_[i].dx; }
  std::size_t sizes() const { return sizes_.size(); }
  void set_weight(const void* w);

  const float* x = nullptr;
  const std::int32_t* labels = nullptr;
  const float* weights = nullptr;
  const float* dloss = nullptr;
  float* loss = nullptr;
  float* lse = nullptr;
  float* dx = nullptr;
  float* dw = nullptr;
  std::byte* shared = nullptr;

  void Run(const Worker& worker) const;

 private:
  // Products for chunks of up to `rows` rows.
  struct Size {
    std::int64_t rows = 0;
    std::shared_ptr<Product> logits, dx, dw;
  };
  // Where things lie in the shared memory.
  struct Layout {
    std::int64_t indices, logits, dlogits, x, dx, labels, weights, loss, lse, count;
  };

  explicit HeadLoss(const HeadLossSpec& spec) : spec_(spec) {}
  Status Init(int workers);
  Status MakeSize(std::int64_t rows, int workers);
  void LayOut(std::int64_t chunk);
  template <typename T>
  T* At(std::int64_t offset) const {
    return reinterpret_cast<T*>(shared + offset);
  }
  bool converts() const { return spec_.compute != DType::kF32; }

  void FindLabelledRows(const Worker& worker) const;
  void ClearOutputs(const Worker& worker) const;
  void RunChunk(const Worker& worker, std::int64_t first, std::int64_t rows,
                const Size& size) const;
  void Gather(const Worker& worker, std::int64_t first, std::int64_t rows, const Size& size) const;
  void LossOfChunk(const Worker& worker, std::int64_t first, std::int64_t rows) const;
  void GradientOfChunk(const Worker& worker, const Size& size) const;
  void Scatter(const Worker& worker, std::int64_t first, std::int64_t rows) const;

  HeadLossSpec spec_;
  Layout at_{};
  std::vector<Size> sizes_;  // Largest first.
  std::size_t shared_bytes_ = 0;
};

struct HeadLossArgs {
  std::shared_ptr<HeadLoss> head;
};
inline void RunHeadLoss(const HeadLossArgs& args, const Worker& worker) { args.head->Run(worker); }

}  // namespace attune::cpu
