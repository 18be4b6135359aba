// Products of two computed tensors with an extent of up to four are refused. Such
// extents come of heads of two or four channels: repeating them until there are 32 is
// cheaper than zeros, which would have to come from somewhere.

#include <utility>

#include "ane/compiler/passes.h"
#include "ane/compiler/rewriter.h"

namespace attune::ane {
namespace {

constexpr std::int64_t kRefused = 4, kWide = 32;

// How often an extent is repeated: a power of two, so that dividing by it is exact.
std::int64_t RepeatsFor(std::int64_t extent) {
  if (extent > kRefused) return 1;
  std::int64_t repeats = 1;
  while (extent * repeats < kWide) repeats *= 2;
  return repeats;
}

class Widener {
 public:
  explicit Widener(Rewriter* rewriter) : rewriter_(rewriter) {}

  void Write(IrNode product) {
    const std::size_t depth_x = product.transpose_x ? 2 : 3, depth_y = product.transpose_y ? 3 : 2;
    const Dims dims = rewriter_->dims(product.output);
    const std::int64_t rows = RepeatsFor(dims[2]), columns = RepeatsFor(dims[3]);
    const std::int64_t depth = RepeatsFor(rewriter_->dims(product.inputs[0])[depth_x]);
    TensorId& x = product.inputs[0];
    TensorId& y = product.inputs[1];
    if (depth > 1) x = Scaled(product, x, 1 / static_cast<double>(depth));
    x = Repeated(product, Repeated(product, x, depth_x, depth), 5 - depth_x, rows);
    y = Repeated(product, Repeated(product, y, depth_y, depth), 5 - depth_y, columns);
    if (rows == 1 && columns == 1) return rewriter_->Keep(std::move(product));

    IrNode first = product;
    first.prim = Prim::kSlice;
    const Dims wide = {dims[0], dims[1], dims[2] * rows, dims[3] * columns};
    product.output = rewriter_->NewTensor(rewriter_->tensor(product.output).name, wide);
    first.inputs = {product.output};
    rewriter_->Keep(std::move(product));
    rewriter_->Keep(std::move(first));
  }

  bool IsRefused(const IrNode& node) const {
    if (node.prim != Prim::kMatMul) return false;
    for (const TensorId input : node.inputs) {
      const IrTensor& tensor = rewriter_->tensor(input);
      if (tensor.origin == Origin::kWeight) return false;
    }
    const Dims &x = rewriter_->dims(node.inputs[0]), &y = rewriter_->dims(node.inputs[1]);
    return x[2] <= kRefused || x[3] <= kRefused || y[2] <= kRefused || y[3] <= kRefused;
  }

 private:
  TensorId Scaled(const IrNode& product, TensorId x, double factor) {
    IrNode mul{};
    mul.prim = Prim::kMul;
    mul.label = product.label;
    mul.inputs = {x, rewriter_->NewScalar(factor)};
    mul.output = rewriter_->NewTensor(rewriter_->tensor(x).name, rewriter_->dims(x));
    const TensorId result = mul.output;
    rewriter_->Keep(std::move(mul));
    return result;
  }

  TensorId Repeated(const IrNode& product, TensorId x, std::size_t axis, std::int64_t times) {
    if (times == 1) return x;
    Dims dims = rewriter_->dims(x);
    dims[axis] *= times;
    IrNode concat{};
    concat.prim = Prim::kConcat;
    concat.label = product.label;
    concat.axis = static_cast<int>(axis);
    concat.inputs.assign(static_cast<std::size_t>(times), x);
    concat.output = rewriter_->NewTensor(rewriter_->tensor(x).name, dims);
    const TensorId result = concat.output;
    rewriter_->Keep(std::move(concat));
    return result;
  }

  Rewriter* rewriter_;
};

}  // namespace

void WidenProducts(Region* region) {
  Rewriter rewriter(region);
  Widener widener(&rewriter);
  for (IrNode& node : rewriter.TakeNodes()) {
    rewriter.Resolve(&node);
    if (widener.IsRefused(node)) {
      widener.Write(std::move(node));
    } else {
      rewriter.Keep(std::move(node));
    }
  }
  rewriter.Finish();
}

}  // namespace attune::ane
