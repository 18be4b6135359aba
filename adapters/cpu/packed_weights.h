// Frozen weights in the GEMM library's own layout, shared by the executables of
// a backend: one copy per weight and layout, dropped with its last user.
//
// Threads: one call at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "attune/status.h"
#include "cpu/product.h"
#include "tensor/tensor.h"

namespace attune::cpu {

class PackedWeights {
 public:
  // The packed form of `weight` that `product` reads.
  Result<std::shared_ptr<Tensor>> Get(const std::byte* weight, const Product& product) {
    std::weak_ptr<Tensor>& known = packed_[{weight, product.packed_layout()}];
    if (auto alive = known.lock()) return alive;
    auto made = std::make_shared<Tensor>(
        DType::kF32, Shape{static_cast<std::int64_t>(product.packed_bytes() + 3) / 4});
    ATTUNE_RETURN_IF_ERROR(product.Pack(weight, made->data()));
    known = made;
    return made;
  }

  // Whether Get() would find it.
  bool Has(const std::byte* weight, const Product& product) const {
    const auto it = packed_.find({weight, product.packed_layout()});
    return it != packed_.end() && !it->second.expired();
  }

 private:
  std::map<std::pair<const std::byte*, std::uint64_t>, std::weak_ptr<Tensor>> packed_;
};

}  // namespace attune::cpu
