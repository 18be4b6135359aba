// Random regions that verify, for properties of passes, partitions and emission:
// convolutions over shared inputs and into shared sums, heads, factors, repeated
// expressions and operations that do nothing.

#pragma once

#include "support/ane/region_builder.h"

namespace attune::ane::testing {

class RandomRegion {
 public:
  // Values stay near 1 in size: whatever may grow goes through tanh.
  static RegionBuilder Make(std::uint64_t seed, int nodes = 24) {
    RandomRegion random(seed);
    for (int i = 0; i < nodes; ++i) random.Grow();
    random.Finish();
    return std::move(random.b_);
  }

 private:
  static constexpr std::int64_t kWidth = 32;

  explicit RandomRegion(std::uint64_t seed) : b_(seed) {
    for (int i = 0; i < 2; ++i) pool_.push_back(b_.Input(kChannels[b_.Below(3)], kWidth));
    if (b_.Below(2) == 0) {
      // A second look at the first surface.
      const std::int64_t channels = b_.dims(pool_[0])[1];
      const TensorId again = b_.Read(0, {1, 2, channels / 2, kWidth});
      pool_.push_back(b_.Reshape(again, {1, channels, 1, kWidth}));
    }
  }

  static constexpr std::int64_t kChannels[] = {8, 16, 32};

  TensorId Pick() { return pool_[b_.Below(static_cast<std::uint32_t>(pool_.size()))]; }
  std::int64_t Channels(TensorId id) const { return b_.dims(id)[1]; }

  // One of the pool with these channels, made by a convolution if need be.
  TensorId PickOf(std::int64_t channels) {
    for (int i = 0; i < 4; ++i) {
      const TensorId id = Pick();
      if (Channels(id) == channels) return id;
    }
    return Conv(Pick(), channels);
  }

  TensorId Conv(TensorId x, std::int64_t channels) {
    auto matrix = std::make_shared<Tensor>(DType::kF32, Shape{channels, Channels(x)});
    for (float& number : matrix->f32()) number = static_cast<float>(b_.Random()) * 0.25f;
    return b_.Conv(x, b_.Weight(std::move(matrix), {channels, Channels(x), 1, 1}));
  }

  void Keep(TensorId id) { pool_.push_back(id); }

  void Grow() {
    switch (b_.Below(12)) {
      case 0:
        return Keep(Conv(Pick(), kChannels[b_.Below(3)]));
      case 1:
        return Shared();
      case 2:
        return Summed();
      case 3:
        return Keep(b_.Unary(Prim::kTanh, Pick()));
      case 4:
        return Scaled();
      case 5:
        return Heads();
      case 6:
        return SliceAndJoin();
      case 7:
        return Nothing();
      case 8:
        return Repeated();
      case 9:
        return Vector();
      case 10:
        return Normalized();
      default: {
        const TensorId x = Pick();
        const Prim prims[] = {Prim::kAdd, Prim::kSub, Prim::kMul, Prim::kMaximum, Prim::kMinimum};
        return Keep(b_.Binary(prims[b_.Below(5)], x, PickOf(Channels(x))));
      }
    }
  }

  void Shared() {
    const TensorId x = Pick();
    for (int i = 0; i < 3; ++i) Keep(b_.Unary(Prim::kTanh, Conv(x, kChannels[b_.Below(3)])));
  }

  void Summed() {
    TensorId sum = Conv(Pick(), 16);
    for (std::uint32_t i = b_.Below(3) + 1; i > 0; --i) {
      const TensorId term = b_.Below(4) == 0 ? PickOf(16) : Conv(Pick(), 16);
      sum = b_.Below(2) == 0 ? b_.Add(sum, term) : b_.Add(term, sum);
    }
    Keep(b_.Unary(Prim::kTanh, sum));
  }

  void Scaled() {
    static constexpr float kFactors[] = {0.5f, -0.125f, 0.3f, 1.0f, -1.0f, 0.001f, 3.0f};
    TensorId x = b_.Below(2) == 0 ? Conv(Pick(), 16) : Pick();
    for (std::uint32_t i = b_.Below(2) + 1; i > 0; --i) {
      const TensorId factor = b_.Scalar(kFactors[b_.Below(7)]);
      x = b_.Below(2) == 0 ? b_.Mul(x, factor) : b_.Mul(factor, x);
    }
    if (b_.Below(2) == 0) x = Conv(x, 8);
    Keep(x);
    if (b_.Below(3) == 0) Keep(b_.Binary(Prim::kDiv, x, b_.Scalar(4)));
  }

  void Heads() {
    const TensorId q = b_.Reshape(PickOf(16), {1, 2, 8, kWidth});
    const TensorId k = b_.Reshape(PickOf(16), {1, 2, 8, kWidth});
    const TensorId scores = b_.Mul(b_.MatMul(q, k, true), b_.Scalar(0.25f));
    const TensorId p = b_.Softmax(scores, 3);
    const TensorId context = b_.MatMul(k, p, false, true);
    Keep(b_.Reshape(context, {1, 16, 1, kWidth}));
  }

  void SliceAndJoin() {
    const TensorId x = PickOf(32);
    const TensorId a = b_.Slice(x, {0, 0, 0, 0}, {1, 8, 1, kWidth});
    const TensorId c = b_.Slice(x, {0, 8, 0, 0}, {1, 24, 1, kWidth});
    const TensorId inner = b_.Slice(c, {0, 8, 0, 0}, {1, 16, 1, kWidth});
    Keep(inner);
    Keep(b_.Below(2) == 0 ? b_.Concat({a, c}, 1) : b_.Concat({c, a}, 1));
    const TensorId joined = b_.Concat({Pick(), inner}, 1);
    Keep(b_.Slice(joined, {0, b_.dims(joined)[1] - 16, 0, 0}, {1, 16, 1, kWidth}));
  }

  void Nothing() {
    TensorId x = Pick();
    const Dims dims = b_.dims(x);
    x = b_.Unary(Prim::kIdentity, x);
    x = b_.Add(x, b_.Scalar(0));
    x = b_.Binary(Prim::kPow, x, b_.Scalar(1));
    x = b_.Reshape(b_.Reshape(x, {1, 1, dims[1], dims[3]}), dims);
    x = b_.Transpose(b_.Transpose(x, {0, 2, 1, 3}), {0, 2, 1, 3});
    Keep(b_.Reduce(Prim::kReduceSum, x, 2));
  }

  void Repeated() {
    const TensorId x = Pick(), y = PickOf(Channels(x));
    const TensorId a = b_.Unary(Prim::kTanh, b_.Mul(x, y));
    const TensorId c = b_.Unary(Prim::kTanh, b_.Mul(y, x));
    Keep(b_.Binary(Prim::kSub, a, b_.Mul(c, b_.Scalar(0.5f))));
  }

  void Vector() {
    const TensorId x = Pick();
    const TensorId v = b_.Weight(b_.Matrix(Channels(x), 1), {1, Channels(x), 1, 1});
    const TensorId factor = b_.Mul(b_.Scalar(0.5f), b_.Scalar(0.25f));
    Keep(b_.Add(b_.Mul(x, b_.Mul(v, factor)), b_.Mul(v, b_.Scalar(0.5f))));
  }

  void Normalized() {
    const TensorId x = Pick();
    const TensorId largest = b_.Reduce(Prim::kReduceMax, b_.Unary(Prim::kAbs, x), 1);
    const TensorId y = b_.Binary(Prim::kDiv, x, b_.Add(largest, b_.Scalar(1)));
    const TensorId ones = b_.Weight(b_.Matrix(1, Channels(x)), {1, Channels(x), 1, 1});
    Keep(b_.Add(y, b_.Unary(Prim::kTanh, b_.Conv(b_.Mul(y, y), ones))));
  }

  void Finish() {
    const std::uint32_t outputs = b_.Below(3) + 1;
    for (std::uint32_t i = 0; i < outputs; ++i) {
      b_.Output(i == 0 ? b_.Unary(Prim::kTanh, pool_.back()) : Pick());
    }
  }

  RegionBuilder b_;
  std::vector<TensorId> pool_;
};

}  // namespace attune::ane::testing
