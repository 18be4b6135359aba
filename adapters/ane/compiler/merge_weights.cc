#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "ane/compiler/passes.h"
#include "ane/compiler/rewriter.h"

namespace attune::ane {
namespace {

// The largest extent that every chip takes along an axis that is computed with.
constexpr std::int64_t kMaxStackedChannels = 16384;
// Concatenations were seen to work up to here, and to fail at 11264.
constexpr std::int64_t kMaxJoinedChannels = 9216;
// Nodes apart: results of one convolution come at once, so merging those that lie far
// apart would keep them alive, and across programs.
constexpr std::size_t kWindow = 64;

bool IsOneOf(const Weight& weight, bool side_by_side) {
  return weight.pieces.size() == 1 || weight.side_by_side == side_by_side;
}

Weight Joined(const std::vector<const Weight*>& weights, bool side_by_side) {
  Weight joined;
  joined.side_by_side = side_by_side;
  joined.storage = weights[0]->storage;
  for (const Weight* weight : weights) {
    joined.pieces.insert(joined.pieces.end(), weight->pieces.begin(), weight->pieces.end());
    joined.fixed = joined.fixed || weight->fixed;
  }
  joined.dims = {RowsOf(joined), ColumnsOf(joined), 1, 1};
  return joined;
}

// --- Several linears over one input ---

// A linear over a frozen weight, in either form: a convolution of x by W, or a product
// of W, constant [1, 1, out, in], with x.
struct Linear {
  TensorId x = kNone, weight = kNone;
  std::size_t axis = 0;  // Of the result's channels.
};

std::optional<Linear> LinearOf(const Rewriter& rewriter, const IrNode& node) {
  if (node.prim == Prim::kConv) return Linear{node.inputs[0], node.inputs[1], 1};
  if (node.prim != Prim::kMatMul || node.transpose_x || node.transpose_y) return std::nullopt;
  const IrTensor& weight = rewriter.tensor(node.inputs[0]);
  const Dims& x = rewriter.dims(node.inputs[1]);
  if (weight.origin != Origin::kWeight || weight.dims[0] != 1 || weight.dims[1] != 1 ||
      RowsOf(rewriter.weight(node.inputs[0])) != weight.dims[2] || x[0] != 1 || x[1] != 1) {
    return std::nullopt;
  }
  return Linear{node.inputs[1], node.inputs[0], 2};
}

struct Stack {
  std::vector<std::size_t> members;  // Indices of nodes, in order.
  std::int64_t channels = 0;
};

class Stacker {
 public:
  Stacker(Rewriter* rewriter, const std::vector<IrNode>& nodes) : rewriter_(rewriter) {
    std::map<std::tuple<TensorId, Prim, WeightStorage>, std::size_t> open;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const std::optional<Linear> linear = LinearOf(*rewriter, nodes[i]);
      if (!linear.has_value() || !MayStack(*linear)) continue;
      const std::int64_t channels = rewriter->dims(nodes[i].output)[linear->axis];
      const auto key =
          std::tuple(linear->x, nodes[i].prim, rewriter->weight(linear->weight).storage);
      const auto [at, fresh] = open.try_emplace(key, stacks_.size());
      if (fresh || i - stacks_[at->second].members[0] > kWindow ||
          stacks_[at->second].channels + channels > kMaxStackedChannels) {
        at->second = stacks_.size();
        stacks_.emplace_back();
      }
      stacks_[at->second].members.push_back(i);
      stacks_[at->second].channels += channels;
    }
    for (std::size_t s = 0; s < stacks_.size(); ++s) {
      if (stacks_[s].members.size() < 2) continue;
      for (const std::size_t member : stacks_[s].members) stack_of_[member] = s;
    }
  }

  // Whether node `i` is part of a stack; the first one writes all of it.
  bool Write(const std::vector<IrNode>& nodes, std::size_t i) {
    const auto found = stack_of_.find(i);
    if (found == stack_of_.end()) return false;
    const Stack& stack = stacks_[found->second];
    if (stack.members[0] == i) WriteStack(nodes, stack);
    return true;
  }

 private:
  bool MayStack(const Linear& linear) const {
    return rewriter_->Uses(linear.weight) == 1 && IsOneOf(rewriter_->weight(linear.weight), false);
  }

  void WriteStack(const std::vector<IrNode>& nodes, const Stack& stack) {
    IrNode merged = nodes[stack.members[0]];
    const std::size_t axis = LinearOf(*rewriter_, merged)->axis;
    const std::size_t side = axis == 1 ? 1 : 0;  // The weight's among the operands.
    std::vector<const Weight*> weights;
    for (const std::size_t m : stack.members) {
      weights.push_back(&rewriter_->weight(nodes[m].inputs[side]));
      if (m != stack.members[0]) merged.label += ", " + nodes[m].label;
    }
    Dims dims = rewriter_->dims(merged.output);
    dims[axis] = stack.channels;
    Weight joined = Joined(weights, false);
    if (axis == 2) joined.dims = {1, 1, joined.dims[0], joined.dims[1]};
    const std::string name = weights[0]->name;
    merged.inputs[side] = rewriter_->NewWeight(name, std::move(joined));
    const TensorId all = merged.output =
        rewriter_->NewTensor(rewriter_->tensor(merged.output).name, dims);
    rewriter_->Keep(std::move(merged));
    Dims begin{};
    for (const std::size_t m : stack.members) {
      IrNode slice{};
      slice.prim = Prim::kSlice;
      slice.inputs = {all};
      slice.output = nodes[m].output;
      slice.begin = begin;
      slice.label = nodes[m].label;
      begin[axis] += rewriter_->dims(slice.output)[axis];
      rewriter_->Keep(std::move(slice));
    }
  }

  Rewriter* rewriter_;
  std::vector<Stack> stacks_;
  std::map<std::size_t, std::size_t> stack_of_;  // By node.
};

void StackWeights(Region* region) {
  Rewriter rewriter(region);
  std::vector<IrNode> nodes = rewriter.TakeNodes();
  Stacker stacker(&rewriter, nodes);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!stacker.Write(nodes, i)) rewriter.Keep(std::move(nodes[i]));
  }
  rewriter.Finish();
}

// --- Sums of convolutions ---

class Joiner {
 public:
  explicit Joiner(Rewriter* rewriter) : rewriter_(rewriter) {}

  // Writes the sum at `root` anew if two or more of its terms are convolutions.
  bool Write(const IrNode& root) {
    if (root.prim != Prim::kAdd) return false;
    terms_.clear();
    Collect(root.inputs[0], rewriter_->dims(root.output), 0);
    Collect(root.inputs[1], rewriter_->dims(root.output), 0);
    const std::vector<TensorId> joined = Choose(rewriter_->dims(root.output));
    if (joined.size() < 2) return false;
    std::vector<TensorId> rest;
    for (const TensorId term : terms_) {
      if (std::ranges::find(joined, term) == joined.end()) rest.push_back(term);
    }
    WriteSum(root, joined, rest);
    return true;
  }

 private:
  static constexpr int kMaxDepth = 16;

  // The terms of a chain of additions that nothing else reads.
  void Collect(TensorId id, const Dims& dims, int depth) {
    const IrNode* node = rewriter_->Producer(id);
    if (node != nullptr && node->prim == Prim::kAdd && rewriter_->Uses(id) == 1 &&
        depth < kMaxDepth && rewriter_->dims(node->inputs[0]) == dims &&
        rewriter_->dims(node->inputs[1]) == dims) {
      const std::vector<TensorId> operands = node->inputs;
      for (const TensorId operand : operands) Collect(operand, dims, depth + 1);
      return;
    }
    terms_.push_back(id);
  }

  // Those that become one: over different inputs, of one storage.
  std::vector<TensorId> Choose(const Dims& dims) const {
    std::vector<TensorId> chosen, inputs;
    std::optional<WeightStorage> storage;
    std::int64_t channels = 0;
    for (const TensorId term : terms_) {
      const IrNode* conv = rewriter_->Producer(term);
      if (conv == nullptr || rewriter_->dims(term) != dims || !MayJoin(term, *conv)) continue;
      const Weight& weight = rewriter_->weight(conv->inputs[1]);
      const std::int64_t more = channels + weight.dims[1];
      if (storage.value_or(weight.storage) != weight.storage || more > kMaxJoinedChannels ||
          std::ranges::find(inputs, conv->inputs[0]) != inputs.end()) {
        continue;
      }
      storage = weight.storage;
      channels = more;
      inputs.push_back(conv->inputs[0]);
      chosen.push_back(term);
    }
    return chosen;
  }

  bool MayJoin(TensorId term, const IrNode& conv) const {
    return conv.prim == Prim::kConv && rewriter_->Uses(term) == 1 &&
           rewriter_->Uses(conv.inputs[1]) == 1 && rewriter_->IsRecent(term, kWindow) &&
           IsOneOf(rewriter_->weight(conv.inputs[1]), true);
  }

  void WriteSum(const IrNode& root, const std::vector<TensorId>& joined,
                const std::vector<TensorId>& rest) {
    IrNode concat{}, conv{};
    concat.prim = Prim::kConcat;
    conv.prim = Prim::kConv;
    std::vector<const Weight*> weights;
    Dims dims = rewriter_->dims(root.output);
    dims[1] = 0;
    for (const TensorId term : joined) {
      const IrNode& part = *rewriter_->Producer(term);
      concat.inputs.push_back(part.inputs[0]);
      dims[1] += rewriter_->dims(part.inputs[0])[1];
      weights.push_back(&rewriter_->weight(part.inputs[1]));
      conv.label += (conv.label.empty() ? "" : ", ") + part.label;
    }
    concat.label = conv.label;
    const std::string name = weights[0]->name;
    const TensorId weight = rewriter_->NewWeight(name, Joined(weights, true));
    const std::string base = rewriter_->tensor(root.output).name;
    concat.output = rewriter_->NewTensor(base, dims);
    conv.inputs = {concat.output, weight};
    conv.output =
        rest.empty() ? root.output : rewriter_->NewTensor(base, rewriter_->dims(root.output));
    TensorId sum = conv.output;
    rewriter_->Keep(std::move(concat));
    rewriter_->Keep(std::move(conv));
    for (std::size_t i = 0; i < rest.size(); ++i) {
      IrNode add = root;
      add.inputs = {rest[i], sum};
      const bool last = i + 1 == rest.size();
      if (!last) add.output = rewriter_->NewTensor(base, rewriter_->dims(root.output));
      sum = add.output;
      rewriter_->Keep(std::move(add));
    }
  }

  Rewriter* rewriter_;
  std::vector<TensorId> terms_;
};

void JoinSums(Region* region) {
  Rewriter rewriter(region);
  Joiner joiner(&rewriter);
  std::vector<IrNode> nodes = rewriter.TakeNodes();
  // Additions that another one takes up are written with that.
  std::vector<bool> inner(region->tensors.size(), false);
  for (const IrNode& node : nodes) {
    if (node.prim != Prim::kAdd) continue;
    for (const TensorId input : node.inputs) {
      inner[static_cast<std::size_t>(input)] = rewriter.Uses(input) == 1;
    }
  }
  for (IrNode& node : nodes) {
    const bool is_root = !inner[static_cast<std::size_t>(node.output)];
    if (!is_root || !joiner.Write(node)) rewriter.Keep(std::move(node));
  }
  rewriter.Finish();
}

}  // namespace

void MergeWeights(Region* region) {
  JoinSums(region);
  RemoveDeadCode(region);
  StackWeights(region);
}

}  // namespace attune::ane
