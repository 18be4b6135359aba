#include "cpu/lowering.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/checked_math.h"
#include "base/strings.h"
#include "cpu/dropout.h"
#include "cpu/kernels/activation.h"
#include "cpu/kernels/attention.h"
#include "cpu/kernels/convert.h"
#include "cpu/kernels/elementwise.h"
#include "cpu/kernels/embedding.h"
#include "cpu/kernels/gemv.h"
#include "cpu/kernels/lora.h"
#include "cpu/kernels/norm.h"
#include "cpu/kernels/rope.h"
#include "cpu/kernels/softmax.h"
#include "graph/op_schema.h"

namespace attune::cpu {
namespace {

// A group of matrix-vector products over one x.
struct GemvGroup {
  std::array<GemvMatrix, 4> matrices;
  GemvArgs args;
};
void RunGemvGroup(const GemvGroup& group, const Worker& worker) { Gemv(group.args, worker); }

// Rows of x into the cache at a position read at run time.
struct CacheAppendArgs {
  const float* x = nullptr;
  float* cache = nullptr;
  const std::int32_t* position = nullptr;
  std::int64_t rows = 0, columns = 0;
};
void RunCacheAppend(const CacheAppendArgs& args, const Worker& worker) {
  Copy({.x = args.x,
        .z = args.cache + args.position[0] * args.columns,
        .rows = args.rows,
        .columns = args.columns,
        .x_stride = args.columns,
        .z_stride = args.columns},
       worker);
}

class Lowering {
 public:
  Lowering(const Graph& graph, const FrozenParameters& frozen, const CompileOptions& options,
           int workers)
      : graph_(graph), frozen_(frozen), options_(options), workers_(workers) {}

  Result<LoweredProgram> Run() {
    out_.plan = PlanMemory(graph_);
    AssignSlots();
    const auto count = static_cast<std::int32_t>(graph_.nodes().size());
    for (node_index_ = 0; node_index_ < count; ++node_index_) {
      const Node& node = graph_.nodes()[static_cast<std::size_t>(node_index_)];
      ATTUNE_RETURN_IF_ERROR(LowerNode(node).WithContext(
          StrCat(OpName(node.op), " ", graph_.value(node.outputs[0]).name)));
    }
    return std::move(out_);
  }

 private:
  // --- Addresses ---

  const Shape& ShapeOf(ValueId id) const { return graph_.shape(id); }
  const Node& NodeAt(std::int32_t i) const { return graph_.nodes()[static_cast<std::size_t>(i)]; }
  bool HasNode(std::int32_t i) const {
    return i >= 0 && static_cast<std::size_t>(i) < graph_.nodes().size();
  }

  void AssignSlots() {
    out_.slots.assign(graph_.values().size(), -1);
    for (std::size_t i = 0; i < graph_.values().size(); ++i) {
      const Value& value = graph_.values()[i];
      // Caches are the caller's; they have no slot.
      if (value.leaf != Leaf::kInput || IsCache(static_cast<ValueId>(i))) continue;
      out_.slots[i] = out_.slot_bytes;
      out_.slot_bytes = RoundUp(out_.slot_bytes + value.type.bytes(), 64);
    }
  }

  bool IsCache(ValueId id) const {
    return std::any_of(graph_.nodes().begin(), graph_.nodes().end(), [&](const Node& node) {
      return node.op == OpKind::kCacheAppend && node.inputs[0] == id;
    });
  }

  const std::byte* FrozenData(ValueId id) const {
    const Value& value = graph_.value(id);
    if (value.leaf == Leaf::kConstant) return value.literal->data();
    if (value.leaf == Leaf::kParameter && !value.trainable) {
      return frozen_.find(value.name)->second.data;
    }
    return nullptr;
  }

  // Calls `set` with the address of the value, now or when it is known.
  void WithAddress(ValueId id, std::function<void(std::byte*)> set) {
    const auto at = static_cast<std::size_t>(id);
    if (out_.plan.offsets[at] >= 0) {
      out_.program.OnRegion(Region::kArena, out_.plan.offsets[at], std::move(set));
      return;
    }
    const ValueId root = out_.plan.storage[at];
    if (const std::byte* data = FrozenData(root)) {
      set(const_cast<std::byte*>(data));
      return;
    }
    const std::int64_t slot = out_.slots[static_cast<std::size_t>(root)];
    if (slot >= 0) out_.program.OnRegion(Region::kSlots, slot, set);
    out_.program.OnLeaf(root, std::move(set));
  }

  template <typename T>
  void Point(T** field, ValueId id) {
    WithAddress(id, [field](std::byte* p) { *field = reinterpret_cast<T*>(p); });
  }

  template <auto kKernel, typename Args>
  Args* Emit(Args args) {
    return out_.program.Append<kKernel>(std::move(args), node_index_);
  }
  void NeedScratch(std::size_t bytes) {
    out_.scratch_bytes =
        std::max(out_.scratch_bytes, RoundUp(static_cast<std::int64_t>(bytes), 64));
  }
  void NeedShared(std::size_t bytes) {
    out_.shared_bytes = std::max(out_.shared_bytes, RoundUp(static_cast<std::int64_t>(bytes), 64));
  }

  bool bf16() const { return options_.precision == Precision::kBf16; }

  Status LowerNode(const Node& node) {
    switch (node.op) {
      case OpKind::kEmbedding:
        return LowerEmbedding(node);
      case OpKind::kEmbeddingGrad:
        return LowerEmbeddingGrad(node);
      case OpKind::kLinear:
        return LowerLinear(node);
      case OpKind::kMatMul:
        return LowerMatMul(node);
      case OpKind::kAdd:
        return LowerBinary<Add>(node);
      case OpKind::kMul:
        return LowerBinary<Mul>(node);
      case OpKind::kScale:
        return LowerScale(node);
      case OpKind::kUnary:
        return LowerUnary(node);
      case OpKind::kUnaryGrad:
        return LowerUnaryGrad(node);
      case OpKind::kSwiGlu:
        return LowerSwiGlu(node);
      case OpKind::kSwiGluGrad:
        return LowerSwiGluGrad(node);
      case OpKind::kRmsNorm:
        return LowerRmsNorm(node);
      case OpKind::kRmsNormGrad:
        return LowerRmsNormGrad(node);
      case OpKind::kRmsNormWeightGrad:
        return LowerRmsNormWeightGrad(node);
      case OpKind::kLayerNorm:
        return LowerLayerNorm(node);
      case OpKind::kLayerNormGrad:
        return LowerLayerNormGrad(node);
      case OpKind::kLayerNormWeightGrad:
        return LowerLayerNormWeightGrad(node);
      case OpKind::kRope:
        return LowerRope(node);
      case OpKind::kAttention:
        return LowerAttention(node);
      case OpKind::kAttentionGrad:
        return LowerAttentionGrad(node);
      case OpKind::kSoftmax:
        return LowerSoftmax(node);
      case OpKind::kSoftmaxGrad:
        return LowerSoftmaxGrad(node);
      case OpKind::kLinearCrossEntropy:
      case OpKind::kLinearCrossEntropyGrad:
      case OpKind::kLinearCrossEntropyJoint:
        return LowerHeadLoss(node);
      case OpKind::kReshape:
        return OkStatus();
      case OpKind::kTranspose:
        return LowerTranspose(node);
      case OpKind::kSlice:
        return LowerSlice(node);
      case OpKind::kPad:
        return LowerPad(node);
      case OpKind::kSplit:
        return LowerSplit(node);
      case OpKind::kConcat:
        return LowerConcat(node);
      case OpKind::kReduceSum:
        return LowerReduceSum(node);
      case OpKind::kCast:
        return LowerCast(node);
      case OpKind::kDropout:
        return LowerDropout(node);
      case OpKind::kCacheAppend:
        return LowerCacheAppend(node);
    }
    return Unsupported("no kernel");
  }

  // --- Tables ---

  void CheckIndices(ValueId ids, std::int64_t limit) {
    const ValueId root = out_.plan.storage[static_cast<std::size_t>(ids)];
    if (graph_.value(root).leaf == Leaf::kInput) out_.indices.push_back({root, limit});
  }

  Status LowerEmbedding(const Node& node) {
    const Shape& table = ShapeOf(node.inputs[0]);
    auto* args =
        Emit<EmbeddingForward>(EmbeddingArgs{.dtype = graph_.value(node.inputs[0]).type.dtype,
                                             .tokens = ShapeOf(node.inputs[1])[0],
                                             .dim = table[1]});
    Point(&args->table, node.inputs[0]);
    Point(&args->ids, node.inputs[1]);
    Point(&args->y, node.outputs[0]);
    CheckIndices(node.inputs[1], table[0]);
    return OkStatus();
  }

  Status LowerEmbeddingGrad(const Node& node) {
    const Shape& out = ShapeOf(node.outputs[0]);
    if (AccumulateInput(node) >= 0) {
      CopyIfElsewhere(node.inputs[2], node.outputs[0]);
    } else {
      auto* fill = Emit<Fill>(FillArgs{.n = out.elements()});
      Point(&fill->z, node.outputs[0]);
    }
    auto* args = Emit<EmbeddingBackward>(
        EmbeddingBackwardArgs{.tokens = ShapeOf(node.inputs[0])[0], .dim = out[1]});
    Point(&args->ids, node.inputs[0]);
    Point(&args->dy, node.inputs[1]);
    Point(&args->dtable, node.outputs[0]);
    CheckIndices(node.inputs[0], out[0]);
    return OkStatus();
  }

  // --- Products ---

  void EmitCopy(ValueId from, ValueId to) {
    auto* args = Emit<Copy>(CopyArgs{.rows = ShapeOf(to).rows(),
                                     .columns = ShapeOf(to).back(),
                                     .x_stride = ShapeOf(to).back(),
                                     .z_stride = ShapeOf(to).back()});
    Point(&args->x, from);
    Point(&args->z, to);
  }

  // Accumulators that do not share the output's storage are copied there first.
  void CopyIfElsewhere(ValueId from, ValueId to) {
    const auto storage = [&](ValueId id) {
      return out_.plan.storage[static_cast<std::size_t>(id)];
    };
    if (storage(from) != storage(to)) EmitCopy(from, to);
  }

  // The address of `x` as a GEMM operand: itself in f32; in bf16 a rounded copy
  // at `offset` of the converted region, reused when it is there already.
  void PointOperand(const std::shared_ptr<Product>& product, bool is_a, ValueId x,
                    std::int64_t offset) {
    const auto set = [product, is_a](std::byte* p) {
      if (is_a) {
        product->set_a(p);
      } else {
        product->set_b(p);
      }
    };
    if (!bf16()) {
      WithAddress(x, set);
      return;
    }
    const std::int64_t n = ShapeOf(x).elements();
    out_.converted_bytes = std::max(out_.converted_bytes, offset + RoundUp(2 * n, 64));
    if (converted_ != x || offset != 0) {
      auto* args = Emit<Convert>(ConvertArgs{.target_dtype = DType::kBf16,
                                             .rows = ShapeOf(x).rows(),
                                             .columns = ShapeOf(x).back(),
                                             .source_stride = ShapeOf(x).back(),
                                             .target_stride = ShapeOf(x).back()});
      WithAddress(x, [args](std::byte* p) { args->source = p; });
      out_.program.OnRegion(Region::kConverted, offset, [args](std::byte* p) { args->target = p; });
      if (offset == 0) converted_ = x;
    }
    out_.program.OnRegion(Region::kConverted, offset, set);
  }

  DType ComputeType() const { return bf16() ? DType::kBf16 : DType::kF32; }

  Status EmitProduct(const std::shared_ptr<Product>& product, ValueId c) {
    NeedScratch(product->scratch_bytes());
    WithAddress(c, [product](std::byte* p) { product->set_c(reinterpret_cast<float*>(p)); });
    Emit<RunProduct>(ProductArgs{product});
    return OkStatus();
  }

  void UsePacked(const std::byte* weight, std::vector<std::shared_ptr<Product>> products) {
    out_.packed.push_back({weight, std::move(products)});
  }

  Status LowerLinear(const Node& node) {
    const auto& attrs = node.attrs<LinearAttrs>();
    const ValueId x = node.inputs[0], w = node.inputs[1], y = node.outputs[0];
    const std::int64_t tokens = ShapeOf(x)[0], in = ShapeOf(x)[1], out = ShapeOf(y)[1];
    const DType stored = graph_.value(w).type.dtype;
    const bool small_f32 = stored == DType::kF32;
    if (LowersWithNext(node)) return OkStatus();
    if (!attrs.transposed && !attrs.bias && in <= kLoraMaxRank && small_f32 && tokens > 0) {
      return LowerLoraUp(node);
    }
    if (!attrs.transposed && !attrs.bias && !attrs.accumulate && attrs.scale == 1.0f &&
        out <= kLoraMaxRank && small_f32) {
      return LowerLoraDown(node);
    }
    if (attrs.transposed && !attrs.bias && in <= kLoraMaxRank && attrs.scale == 1.0f && small_f32) {
      return LowerLoraDownInputGrad(node);
    }
    if (tokens <= kGemvMaxRows && attrs.scale == 1.0f) return LowerGemv(node);

    if (attrs.accumulate) CopyIfElsewhere(node.inputs.back(), y);
    const std::byte* frozen = FrozenData(w);
    const bool packed = options_.pack_weights && frozen != nullptr;
    ProductSpec spec{.m = tokens,
                     .n = out,
                     .k = in,
                     .transpose_b = !attrs.transposed,
                     .compute = ComputeType(),
                     .b_stored = stored,
                     .scale = attrs.scale,
                     .accumulate = attrs.accumulate,
                     .packed_b = packed};
    ATTUNE_ASSIGN_OR_RETURN(auto product, Product::Create(spec, workers_));
    PointOperand(product, true, x, 0);
    if (packed) {
      UsePacked(frozen, {product});
    } else {
      WithAddress(w, [product](std::byte* p) { product->set_b(p); });
    }
    ATTUNE_RETURN_IF_ERROR(EmitProduct(product, y));
    if (attrs.bias) EmitBias(node.inputs[2], y);
    return OkStatus();
  }

  void EmitBias(ValueId bias, ValueId y) {
    auto* args = Emit<AddBias>(AddBiasArgs{.rows = ShapeOf(y)[0], .columns = ShapeOf(y)[1]});
    Point(&args->x, y);
    Point(&args->bias, bias);
    Point(&args->z, y);
  }

  // y (+)= scale h B^T, with few features in.
  Status LowerLoraUp(const Node& node) {
    const auto& attrs = node.attrs<LinearAttrs>();
    const ValueId y = node.outputs[0];
    if (attrs.accumulate) {
      CopyIfElsewhere(node.inputs.back(), y);
    } else {
      auto* fill = Emit<Fill>(FillArgs{.n = ShapeOf(y).elements()});
      Point(&fill->z, y);
    }
    LoraUpArgs up{.y_stride = ShapeOf(y)[1],
                  .scale = attrs.scale,
                  .tokens = ShapeOf(y)[0],
                  .out = ShapeOf(y)[1],
                  .rank = ShapeOf(node.inputs[0])[1]};
    NeedScratch(LoraUpScratchBytes(up));
    auto* args = Emit<LoraUp>(up);
    Point(&args->h, node.inputs[0]);
    Point(&args->b, node.inputs[1]);
    Point(&args->y, y);
    return OkStatus();
  }

  // h = x A^T, with few features out.
  Status LowerLoraDown(const Node& node) {
    const Shape& x = ShapeOf(node.inputs[0]);
    LoraDownArgs down{
        .x_stride = x[1], .tokens = x[0], .in = x[1], .rank = ShapeOf(node.outputs[0])[1]};
    NeedScratch(LoraDownScratchBytes(down));
    auto* args = Emit<LoraDown>(down);
    Point(&args->x, node.inputs[0]);
    Point(&args->a, node.inputs[1]);
    Point(&args->h, node.outputs[0]);
    return OkStatus();
  }

  // dx (+)= dh A, A stored [r,in].
  Status LowerLoraDownInputGrad(const Node& node) {
    const ValueId dx = node.outputs[0];
    if (node.attrs<LinearAttrs>().accumulate) {
      CopyIfElsewhere(node.inputs.back(), dx);
    } else {
      auto* fill = Emit<Fill>(FillArgs{.n = ShapeOf(dx).elements()});
      Point(&fill->z, dx);
    }
    LoraDownBackwardArgs backward{.dx_stride = ShapeOf(dx)[1],
                                  .tokens = ShapeOf(dx)[0],
                                  .in = ShapeOf(dx)[1],
                                  .rank = ShapeOf(node.inputs[0])[1]};
    NeedScratch(LoraDownBackwardScratchBytes(backward));
    auto* args = Emit<LoraDownBackward>(backward);
    Point(&args->dh, node.inputs[0]);
    Point(&args->a, node.inputs[1]);
    Point(&args->dx, dx);
    return OkStatus();
  }

  // Matrices that read one x, in adjacent nodes, are emitted by the last.
  static constexpr std::size_t kMaxGemvGroup = 4;

  bool IsGemv(std::int32_t index) const {
    if (!HasNode(index) || NodeAt(index).op != OpKind::kLinear) return false;
    const Node& node = NodeAt(index);
    const auto& attrs = node.attrs<LinearAttrs>();
    const std::int64_t in = ShapeOf(node.inputs[0])[1], out = ShapeOf(node.outputs[0])[1];
    return ShapeOf(node.inputs[0])[0] <= kGemvMaxRows && attrs.scale == 1.0f && !attrs.accumulate &&
           std::min(in, out) > kLoraMaxRank;
  }

  // Where the group that ends or passes through `index` begins.
  std::int32_t GemvGroupBegin(std::int32_t index) const {
    std::int32_t begin = index;
    while (IsGemv(begin - 1) && NodeAt(begin - 1).inputs[0] == NodeAt(index).inputs[0]) --begin;
    // Full groups count from the first node.
    return begin + (index - begin) / static_cast<std::int32_t>(kMaxGemvGroup) *
                       static_cast<std::int32_t>(kMaxGemvGroup);
  }

  // dh = s dy B right before dB = s dy^T h: one kernel, emitted by the latter.
  bool IsLoraUpBackward(std::int32_t index) const {
    if (!HasNode(index) || !HasNode(index + 1)) return false;
    const Node &dh = NodeAt(index), &db = NodeAt(index + 1);
    if (dh.op != OpKind::kLinear || db.op != OpKind::kMatMul) return false;
    const auto& linear = dh.attrs<LinearAttrs>();
    const auto& matmul = db.attrs<MatMulAttrs>();
    const Shape& b = ShapeOf(dh.inputs[1]);
    return linear.transposed && !linear.bias && !linear.accumulate && b[1] <= kLoraMaxRank &&
           graph_.value(dh.inputs[1]).type.dtype == DType::kF32 && matmul.transpose_a &&
           !matmul.transpose_b && !matmul.accumulate && matmul.scale == linear.scale &&
           dh.inputs[0] == db.inputs[0] && ShapeOf(db.outputs[0]) == b;
  }

  bool LowersWithNext(const Node& node) const {
    if (IsLoraUpBackward(node_index_)) return true;
    if (!IsGemv(node_index_) || !IsGemv(node_index_ + 1)) return false;
    return NodeAt(node_index_ + 1).inputs[0] == node.inputs[0] &&
           GemvGroupBegin(node_index_ + 1) == GemvGroupBegin(node_index_);
  }

  Status LowerGemv(const Node& node) {
    const bool grouped = IsGemv(node_index_);
    const std::int32_t begin = grouped ? GemvGroupBegin(node_index_) : node_index_;
    const Shape& x = ShapeOf(node.inputs[0]);
    const auto& last = node.attrs<LinearAttrs>();
    if (last.accumulate) CopyIfElsewhere(node.inputs.back(), node.outputs[0]);
    auto* group = Emit<RunGemvGroup>(GemvGroup{});
    std::size_t count = 0;
    for (std::int32_t i = begin; i <= node_index_; ++i) {
      const Node& member = NodeAt(i);
      const auto& attrs = member.attrs<LinearAttrs>();
      const Shape& w = ShapeOf(member.inputs[1]);
      GemvMatrix& matrix = group->matrices[count++];
      matrix.dtype = graph_.value(member.inputs[1]).type.dtype;
      matrix.transposed = attrs.transposed;
      matrix.out = ShapeOf(member.outputs[0])[1];
      matrix.weight_stride = w[1];
      matrix.y_stride = matrix.out;
      matrix.accumulate = attrs.accumulate;
      Point(&matrix.weights, member.inputs[1]);
      if (attrs.bias) Point(&matrix.bias, member.inputs[2]);
      Point(&matrix.y, member.outputs[0]);
    }
    group->args.x_stride = x[1];
    group->args.m = x[0];
    group->args.in = x[1];
    group->args.matrices = std::span(group->matrices).first(count);
    Point(&group->args.x, node.inputs[0]);
    return OkStatus();
  }

  Status LowerMatMul(const Node& node) {
    const auto& attrs = node.attrs<MatMulAttrs>();
    const ValueId a = node.inputs[0], b = node.inputs[1], c = node.outputs[0];
    if (IsLoraUpBackward(node_index_ - 1)) return LowerLoraUpBackward(node);
    if (IsLoraDownWeightGrad(node)) return LowerLoraDownWeightGrad(node);
    if (attrs.accumulate) CopyIfElsewhere(node.inputs[2], c);
    ProductSpec spec{.m = ShapeOf(c)[0],
                     .n = ShapeOf(c)[1],
                     .k = ShapeOf(a)[!attrs.transpose_a],
                     .transpose_a = attrs.transpose_a,
                     .transpose_b = attrs.transpose_b,
                     .compute = ComputeType(),
                     .b_stored = ComputeType(),
                     .scale = attrs.scale,
                     .accumulate = attrs.accumulate};
    ATTUNE_ASSIGN_OR_RETURN(auto product, Product::Create(spec, workers_));
    PointOperand(product, true, a, 0);
    PointOperand(product, false, b, RoundUp(2 * ShapeOf(a).elements(), 64));
    return EmitProduct(product, c);
  }

  Status LowerLoraUpBackward(const Node& db) {
    const Node& dh = NodeAt(node_index_ - 1);
    const Shape& b = ShapeOf(dh.inputs[1]);
    const Shape& dy = ShapeOf(dh.inputs[0]);
    LoraUpBackwardArgs backward{.dy_stride = dy[1],
                                .scale = dh.attrs<LinearAttrs>().scale,
                                .tokens = dy[0],
                                .out = b[0],
                                .rank = b[1]};
    NeedScratch(LoraUpBackwardScratchBytes(backward));
    NeedShared(LoraUpBackwardWorkspaceBytes(dy[0], b[1], workers_));
    auto* args = Emit<LoraUpBackward>(backward);
    Point(&args->dy, dh.inputs[0]);
    Point(&args->h, db.inputs[1]);
    Point(&args->b, dh.inputs[1]);
    Point(&args->db, db.outputs[0]);
    Point(&args->dh, dh.outputs[0]);
    out_.program.OnRegion(Region::kShared, 0,
                          [args](std::byte* p) { args->workspace = reinterpret_cast<float*>(p); });
    return OkStatus();
  }

  // dA = dh^T x with few rows.
  bool IsLoraDownWeightGrad(const Node& node) const {
    const auto& attrs = node.attrs<MatMulAttrs>();
    return attrs.transpose_a && !attrs.transpose_b && !attrs.accumulate && attrs.scale == 1.0f &&
           ShapeOf(node.inputs[0])[1] <= kLoraMaxRank;
  }

  Status LowerLoraDownWeightGrad(const Node& node) {
    const Shape &dh = ShapeOf(node.inputs[0]), &x = ShapeOf(node.inputs[1]);
    LoraDownBackwardArgs backward{.x_stride = x[1], .tokens = x[0], .in = x[1], .rank = dh[1]};
    NeedScratch(LoraDownBackwardScratchBytes(backward));
    auto* args = Emit<LoraDownBackward>(backward);
    Point(&args->x, node.inputs[1]);
    Point(&args->dh, node.inputs[0]);
    Point(&args->da, node.outputs[0]);
    return OkStatus();
  }

  // --- Elementwise ---

  template <auto kKernel>
  Status LowerBinary(const Node& node) {
    auto* args = Emit<kKernel>(BinaryArgs{.n = ShapeOf(node.outputs[0]).elements()});
    Point(&args->x, node.inputs[0]);
    Point(&args->y, node.inputs[1]);
    Point(&args->z, node.outputs[0]);
    return OkStatus();
  }

  Status LowerScale(const Node& node) {
    auto* args = Emit<Scale>(
        ScaleArgs{.a = node.attrs<ScaleAttrs>().factor, .n = ShapeOf(node.outputs[0]).elements()});
    Point(&args->x, node.inputs[0]);
    Point(&args->z, node.outputs[0]);
    return OkStatus();
  }

  static Activation KindOf(UnaryFunction function) {
    switch (function) {
      case UnaryFunction::kSilu:
        return Activation::kSilu;
      case UnaryFunction::kGelu:
        return Activation::kGelu;
      case UnaryFunction::kGeluTanh:
        return Activation::kGeluTanh;
      case UnaryFunction::kRelu:
        return Activation::kRelu;
      case UnaryFunction::kTanh:
        return Activation::kTanh;
      case UnaryFunction::kSigmoid:
        return Activation::kSigmoid;
    }
    return Activation::kSilu;
  }

  Status LowerUnary(const Node& node) {
    auto* args =
        Emit<ActivationForward>(ActivationArgs{.kind = KindOf(node.attrs<UnaryAttrs>().function),
                                               .n = ShapeOf(node.outputs[0]).elements()});
    Point(&args->x, node.inputs[0]);
    Point(&args->y, node.outputs[0]);
    return OkStatus();
  }

  Status LowerUnaryGrad(const Node& node) {
    auto* args = Emit<ActivationBackward>(
        ActivationBackwardArgs{.kind = KindOf(node.attrs<UnaryAttrs>().function),
                               .n = ShapeOf(node.outputs[0]).elements()});
    Point(&args->x, node.inputs[0]);
    Point(&args->dy, node.inputs[1]);
    Point(&args->dx, node.outputs[0]);
    return OkStatus();
  }

  Status LowerSwiGlu(const Node& node) {
    const std::int64_t columns = ShapeOf(node.outputs[0]).back();
    auto* args = Emit<SwigluForward>(SwigluArgs{.rows = ShapeOf(node.outputs[0]).rows(),
                                                .columns = columns,
                                                .gate_stride = columns,
                                                .up_stride = columns,
                                                .y_stride = columns});
    Point(&args->gate, node.inputs[0]);
    Point(&args->up, node.inputs[1]);
    Point(&args->y, node.outputs[0]);
    return OkStatus();
  }

  Status LowerSwiGluGrad(const Node& node) {
    const std::int64_t columns = ShapeOf(node.outputs[0]).back();
    auto* args = Emit<SwigluBackward>(SwigluBackwardArgs{.rows = ShapeOf(node.outputs[0]).rows(),
                                                         .columns = columns,
                                                         .gate_stride = columns,
                                                         .up_stride = columns,
                                                         .dy_stride = columns,
                                                         .dgate_stride = columns,
                                                         .dup_stride = columns});
    Point(&args->gate, node.inputs[0]);
    Point(&args->up, node.inputs[1]);
    Point(&args->dy, node.inputs[2]);
    Point(&args->dgate, node.outputs[0]);
    Point(&args->dup, node.outputs[1]);
    return OkStatus();
  }

  Status LowerCast(const Node& node) {
    const ValueType &from = graph_.value(node.inputs[0]).type,
                    &to = graph_.value(node.outputs[0]).type;
    if (from.dtype == DType::kF64 || to.dtype == DType::kF64 ||
        (from.dtype != DType::kF32 && to.dtype != DType::kF32)) {
      return Unsupported(StrCat("cast from ", DTypeName(from.dtype), " to ", DTypeName(to.dtype)));
    }
    auto* args = Emit<Convert>(ConvertArgs{.source_dtype = from.dtype,
                                           .target_dtype = to.dtype,
                                           .rows = 1,
                                           .columns = from.shape.elements(),
                                           .source_stride = from.shape.elements(),
                                           .target_stride = from.shape.elements()});
    Point(&args->source, node.inputs[0]);
    Point(&args->target, node.outputs[0]);
    return OkStatus();
  }

  Status LowerDropout(const Node& node) {
    const auto& attrs = node.attrs<DropoutAttrs>();
    auto* args = Emit<Dropout>(DropoutArgs{.n = ShapeOf(node.outputs[0]).elements(),
                                           .probability = attrs.probability,
                                           .salt = attrs.salt});
    Point(&args->x, node.inputs[0]);
    Point(&args->seed, node.inputs[1]);
    Point(&args->y, node.outputs[0]);
    return OkStatus();
  }

  // --- Norms ---

  Status LowerRmsNorm(const Node& node) {
    const Shape& x = ShapeOf(node.inputs[0]);
    auto* args = Emit<RmsNormForward>(
        RmsNormArgs{.rows = x[0], .columns = x[1], .epsilon = node.attrs<NormAttrs>().epsilon});
    Point(&args->x, node.inputs[0]);
    Point(&args->weight, node.inputs[1]);
    Point(&args->y, node.outputs[0]);
    Point(&args->rstd, node.outputs[1]);
    return OkStatus();
  }

  Status LowerRmsNormGrad(const Node& node) {
    const Shape& x = ShapeOf(node.inputs[0]);
    auto* args = Emit<RmsNormBackward>(RmsNormBackwardArgs{
        .rows = x[0], .columns = x[1], .epsilon = node.attrs<NormAttrs>().epsilon});
    Point(&args->x, node.inputs[0]);
    Point(&args->weight, node.inputs[1]);
    Point(&args->rstd, node.inputs[2]);
    Point(&args->dy, node.inputs[3]);
    Point(&args->dx, node.outputs[0]);
    return OkStatus();
  }

  Status LowerRmsNormWeightGrad(const Node& node) {
    const Shape& x = ShapeOf(node.inputs[0]);
    RmsNormBackwardArgs backward{
        .rows = x[0], .columns = x[1], .epsilon = node.attrs<NormAttrs>().epsilon};
    auto* args = Emit<RmsNormBackward>(backward);
    Point(&args->x, node.inputs[0]);
    Point(&args->rstd, node.inputs[1]);
    Point(&args->dy, node.inputs[2]);
    Point(&args->dweight, node.outputs[0]);
    return OkStatus();
  }

  Status LowerLayerNorm(const Node& node) {
    const Shape& x = ShapeOf(node.inputs[0]);
    auto* args = Emit<LayerNormForward>(
        LayerNormArgs{.rows = x[0], .columns = x[1], .epsilon = node.attrs<NormAttrs>().epsilon});
    Point(&args->x, node.inputs[0]);
    Point(&args->weight, node.inputs[1]);
    Point(&args->bias, node.inputs[2]);
    Point(&args->y, node.outputs[0]);
    Point(&args->mean, node.outputs[1]);
    Point(&args->rstd, node.outputs[2]);
    return OkStatus();
  }

  Status LowerLayerNormGrad(const Node& node) {
    const Shape& x = ShapeOf(node.inputs[0]);
    auto* args = Emit<LayerNormBackward>(LayerNormBackwardArgs{
        .rows = x[0], .columns = x[1], .epsilon = node.attrs<NormAttrs>().epsilon});
    Point(&args->x, node.inputs[0]);
    Point(&args->weight, node.inputs[1]);
    Point(&args->mean, node.inputs[2]);
    Point(&args->rstd, node.inputs[3]);
    Point(&args->dy, node.inputs[4]);
    Point(&args->dx, node.outputs[0]);
    return OkStatus();
  }

  Status LowerLayerNormWeightGrad(const Node& node) {
    const Shape& x = ShapeOf(node.inputs[0]);
    auto* args = Emit<LayerNormBackward>(LayerNormBackwardArgs{
        .rows = x[0], .columns = x[1], .epsilon = node.attrs<NormAttrs>().epsilon});
    Point(&args->x, node.inputs[0]);
    Point(&args->mean, node.inputs[1]);
    Point(&args->rstd, node.inputs[2]);
    Point(&args->dy, node.inputs[3]);
    Point(&args->dweight, node.outputs[0]);
    Point(&args->dbias, node.outputs[1]);
    return OkStatus();
  }

  // --- Attention ---

  Status LowerRope(const Node& node) {
    const auto& attrs = node.attrs<RopeAttrs>();
    const Shape& x = ShapeOf(node.inputs[0]);
    auto* args = Emit<Rope>(RopeArgs{.x_stride = x[1],
                                     .y_stride = x[1],
                                     .tokens = x[0],
                                     .heads = x[1] / attrs.head_dim,
                                     .head_dim = attrs.head_dim,
                                     .mode = attrs.layout == RopeLayout::kInterleaved
                                                 ? RopeMode::kInterleaved
                                                 : RopeMode::kRotateHalf,
                                     .inverse = attrs.inverse});
    Point(&args->x, node.inputs[0]);
    Point(&args->positions, node.inputs[1]);
    Point(&args->table, node.inputs[2]);
    Point(&args->y, node.outputs[0]);
    CheckIndices(node.inputs[1], ShapeOf(node.inputs[2])[0]);
    return OkStatus();
  }

  AttentionShape AttentionShapeOf(const Node& node) const {
    const auto& attrs = node.attrs<AttentionAttrs>();
    AttentionShape shape;
    shape.batch = attrs.batch;
    shape.queries = ShapeOf(node.inputs[0])[0] / attrs.batch;
    shape.keys = ShapeOf(node.inputs[1])[0] / attrs.batch;
    shape.query_heads = attrs.heads;
    shape.key_heads = attrs.kv_heads;
    shape.head_dim = attrs.head_dim;
    shape.scale = attrs.scale;
    shape.mask = attrs.mask == attune::AttentionMask::kCausal ? AttentionMask::kCausal
                 : attrs.mask == attune::AttentionMask::kFull ? AttentionMask::kFull
                                                              : AttentionMask::kBounded;
    return shape;
  }

  template <typename Operand>
  void PointMatrix(Operand* operand, ValueId id) {
    operand->row_stride = ShapeOf(id)[1];
    Point(&operand->data, id);
  }

  template <typename Args>
  void PointBounds(Args* args, const Node& node, std::size_t first) {
    if (node.attrs<AttentionAttrs>().mask != attune::AttentionMask::kBounded) return;
    const std::int64_t keys = args->shape.keys;
    Point(&args->lo, node.inputs[first]);
    Point(&args->hi, node.inputs[first + 1]);
    CheckIndices(node.inputs[first], keys + 1);
    CheckIndices(node.inputs[first + 1], keys + 1);
  }

  Status LowerAttention(const Node& node) {
    auto* args = Emit<AttentionForward>(AttentionArgs{});
    args->shape = AttentionShapeOf(node);
    NeedScratch(AttentionForwardScratchBytes(args->shape));
    PointMatrix(&args->q, node.inputs[0]);
    PointMatrix(&args->k, node.inputs[1]);
    PointMatrix(&args->v, node.inputs[2]);
    PointBounds(args, node, 3);
    PointMatrix(&args->out, node.outputs[0]);
    Point(&args->lse, node.outputs[1]);
    return OkStatus();
  }

  Status LowerAttentionGrad(const Node& node) {
    auto* args = Emit<AttentionBackward>(AttentionBackwardArgs{});
    args->shape = AttentionShapeOf(node);
    NeedScratch(AttentionBackwardScratchBytes(args->shape));
    PointMatrix(&args->q, node.inputs[0]);
    PointMatrix(&args->k, node.inputs[1]);
    PointMatrix(&args->v, node.inputs[2]);
    PointMatrix(&args->out, node.inputs[3]);
    Point(&args->lse, node.inputs[4]);
    PointMatrix(&args->dout, node.inputs[5]);
    PointBounds(args, node, 6);
    PointMatrix(&args->dq, node.outputs[0]);
    PointMatrix(&args->dk, node.outputs[1]);
    PointMatrix(&args->dv, node.outputs[2]);
    return OkStatus();
  }

  Status LowerSoftmax(const Node& node) {
    const Shape& x = ShapeOf(node.inputs[0]);
    auto* args = Emit<Softmax>(SoftmaxArgs{
        .rows = x.rows(), .columns = x.back(), .x_stride = x.back(), .y_stride = x.back()});
    Point(&args->x, node.inputs[0]);
    Point(&args->y, node.outputs[0]);
    return OkStatus();
  }

  Status LowerSoftmaxGrad(const Node& node) {
    const Shape& y = ShapeOf(node.inputs[0]);
    auto* args = Emit<SoftmaxBackward>(SoftmaxBackwardArgs{.rows = y.rows(),
                                                           .columns = y.back(),
                                                           .y_stride = y.back(),
                                                           .dy_stride = y.back(),
                                                           .dx_stride = y.back()});
    Point(&args->y, node.inputs[0]);
    Point(&args->dy, node.inputs[1]);
    Point(&args->dx, node.outputs[0]);
    return OkStatus();
  }

  // --- Loss ---

  Status LowerHeadLoss(const Node& node) {
    const bool forward = node.op != OpKind::kLinearCrossEntropyGrad;
    const bool backward = node.op != OpKind::kLinearCrossEntropy;
    const ValueId x = node.inputs[0], w = node.inputs[1];
    const std::byte* frozen = FrozenData(w);
    HeadLossSpec spec{.rows = ShapeOf(x)[0],
                      .width = ShapeOf(x)[1],
                      .vocabulary = ShapeOf(w)[0],
                      .stored = graph_.value(w).type.dtype,
                      .compute = ComputeType(),
                      .loss = forward,
                      .gradient = backward,
                      .weight_gradient = node.attrs<CrossEntropyAttrs>().weight_gradient,
                      .packed = options_.pack_weights && frozen != nullptr};
    ATTUNE_ASSIGN_OR_RETURN(auto head, HeadLoss::Create(spec, workers_));
    NeedScratch(head->scratch_bytes());
    NeedShared(head->shared_bytes());
    Emit<RunHeadLoss>(HeadLossArgs{head});
    HeadLoss* at = head.get();
    Point(&at->x, x);
    Point(&at->labels, node.inputs[2]);
    Point(&at->weights, node.inputs[3]);
    CheckIndices(node.inputs[2], spec.vocabulary);
    out_.program.OnRegion(Region::kShared, 0, [at](std::byte* p) { at->shared = p; });
    if (backward) Point(&at->dloss, node.inputs.back());
    if (node.op == OpKind::kLinearCrossEntropyGrad) Point(&at->lse, node.inputs[4]);
    if (forward) {
      Point(&at->loss, node.outputs[0]);
      Point(&at->lse, node.outputs[1]);
    }
    if (backward) Point(&at->dx, node.outputs[forward ? 2 : 0]);
    if (spec.weight_gradient) Point(&at->dw, node.outputs[forward ? 3 : 1]);
    PointHeadWeight(head, w, frozen, spec);
    return OkStatus();
  }

  void PointHeadWeight(const std::shared_ptr<HeadLoss>& head, ValueId w, const std::byte* frozen,
                       const HeadLossSpec& spec) {
    if (!spec.packed) {
      WithAddress(w, [head](std::byte* p) { head->set_weight(p); });
      return;
    }
    for (std::size_t i = 0; i < head->sizes(); ++i) {
      UsePacked(frozen, {head->logits_product(i)});
      if (spec.gradient) UsePacked(frozen, {head->dx_product(i)});
    }
  }

  // --- Layout ---

  // Columns [from, from+columns) of x to columns [to, ...) of z.
  void EmitColumns(ValueId x, std::int64_t from, ValueId z, std::int64_t to, std::int64_t columns) {
    auto* args = Emit<Copy>(CopyArgs{.rows = ShapeOf(x).rows(),
                                     .columns = columns,
                                     .x_stride = ShapeOf(x).back(),
                                     .z_stride = ShapeOf(z).back()});
    WithAddress(x, [args, from](std::byte* p) { args->x = reinterpret_cast<float*>(p) + from; });
    WithAddress(z, [args, to](std::byte* p) { args->z = reinterpret_cast<float*>(p) + to; });
  }

  Status LowerTranspose(const Node& node) {
    const Shape& x = ShapeOf(node.inputs[0]);
    auto* args = Emit<TransposeConvert>(
        ConvertArgs{.rows = x[0], .columns = x[1], .source_stride = x[1], .target_stride = x[0]});
    Point(&args->source, node.inputs[0]);
    Point(&args->target, node.outputs[0]);
    return OkStatus();
  }

  Status LowerSlice(const Node& node) {
    const auto& attrs = node.attrs<SliceAttrs>();
    EmitColumns(node.inputs[0], attrs.begin, node.outputs[0], 0, attrs.size);
    return OkStatus();
  }

  Status LowerPad(const Node& node) {
    const auto& attrs = node.attrs<SliceAttrs>();
    auto* fill = Emit<Fill>(FillArgs{.n = ShapeOf(node.outputs[0]).elements()});
    Point(&fill->z, node.outputs[0]);
    EmitColumns(node.inputs[0], 0, node.outputs[0], attrs.begin, attrs.size);
    return OkStatus();
  }

  Status LowerSplit(const Node& node) {
    const std::int64_t part = ShapeOf(node.outputs[0]).back();
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      EmitColumns(node.inputs[0], static_cast<std::int64_t>(i) * part, node.outputs[i], 0, part);
    }
    return OkStatus();
  }

  Status LowerConcat(const Node& node) {
    std::int64_t begin = 0;
    for (ValueId piece : node.inputs) {
      EmitColumns(piece, 0, node.outputs[0], begin, ShapeOf(piece).back());
      begin += ShapeOf(piece).back();
    }
    return OkStatus();
  }

  Status LowerReduceSum(const Node& node) {
    const Shape& x = ShapeOf(node.inputs[0]);
    auto* args = Emit<ColumnSum>(ColumnSumArgs{.rows = x[0], .columns = x[1], .x_stride = x[1]});
    Point(&args->x, node.inputs[0]);
    Point(&args->sum, node.outputs[0]);
    return OkStatus();
  }

  Status LowerCacheAppend(const Node& node) {
    const Shape& x = ShapeOf(node.inputs[1]);
    auto* args = Emit<RunCacheAppend>(CacheAppendArgs{.rows = x[0], .columns = x[1]});
    Point(&args->cache, node.inputs[0]);
    Point(&args->x, node.inputs[1]);
    Point(&args->position, node.inputs[2]);
    CheckIndices(node.inputs[2], ShapeOf(node.inputs[0])[0] - x[0] + 1);
    return OkStatus();
  }

  const Graph& graph_;
  const FrozenParameters& frozen_;
  const CompileOptions& options_;
  int workers_;
  std::int32_t node_index_ = 0;
  ValueId converted_ = kNoValue;  // What the converted region holds.
  LoweredProgram out_;
};

}  // namespace

Result<LoweredProgram> Lower(const Graph& graph, const FrozenParameters& frozen,
                             const CompileOptions& options, int workers) {
  return Lowering(graph, frozen, options, workers).Run();
}

}  // namespace attune::cpu
