#include "base/strings.h"
#include "graph/graph.h"

namespace attune {
namespace {

std::string Flags(std::initializer_list<std::pair<std::string_view, bool>> flags) {
  std::string out;
  for (const auto& [name, set] : flags) {
    if (set) out += StrCat(out.empty() ? "" : ", ", name);
  }
  return out;
}

struct AttributePrinter {
  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(const EmbeddingGradAttrs& a) const {
    return StrCat("vocabulary=", a.vocabulary, a.accumulate ? ", accumulate" : "");
  }
  std::string operator()(const LinearAttrs& a) const {
    const std::string flags =
        Flags({{"transposed", a.transposed}, {"bias", a.bias}, {"accumulate", a.accumulate}});
    return StrCat("scale=", a.scale, flags.empty() ? "" : ", ", flags);
  }
  std::string operator()(const MatMulAttrs& a) const {
    const std::string flags = Flags({{"transpose_a", a.transpose_a},
                                     {"transpose_b", a.transpose_b},
                                     {"accumulate", a.accumulate}});
    return StrCat("scale=", a.scale, flags.empty() ? "" : ", ", flags);
  }
  std::string operator()(const ScaleAttrs& a) const { return StrCat("factor=", a.factor); }
  std::string operator()(const UnaryAttrs& a) const { return std::string(UnaryName(a.function)); }
  std::string operator()(const NormAttrs& a) const { return StrCat("epsilon=", a.epsilon); }
  std::string operator()(const RopeAttrs& a) const {
    return StrCat("head_dim=", a.head_dim,
                  a.layout == RopeLayout::kRotateHalf ? ", rotate_half" : ", interleaved",
                  a.inverse ? ", inverse" : "");
  }
  std::string operator()(const AttentionAttrs& a) const {
    const std::string_view mask = a.mask == AttentionMask::kCausal ? "causal"
                                  : a.mask == AttentionMask::kFull ? "full"
                                                                   : "bounded";
    return StrCat("batch=", a.batch, ", heads=", a.heads, ", kv_heads=", a.kv_heads,
                  ", head_dim=", a.head_dim, ", scale=", a.scale, ", ", mask);
  }
  std::string operator()(const CrossEntropyAttrs& a) const {
    return a.weight_gradient ? "weight_gradient" : "";
  }
  std::string operator()(const ReshapeAttrs&) const { return ""; }
  std::string operator()(const SliceAttrs& a) const {
    return StrCat("begin=", a.begin, ", size=", a.size);
  }
  std::string operator()(const SplitAttrs& a) const { return StrCat("parts=", a.parts); }
  std::string operator()(const CastAttrs& a) const { return std::string(DTypeName(a.dtype)); }
  std::string operator()(const DropoutAttrs& a) const {
    return StrCat("p=", a.probability, ", salt=", a.salt);
  }
};

std::string Typed(const Graph& graph, ValueId id) {
  const ValueType& type = graph.value(id).type;
  return StrCat("%", id, ":", DTypeName(type.dtype), type.shape.ToString());
}

std::string PrintLeaf(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  const std::string_view kind = value.leaf == Leaf::kInput      ? "input"
                                : value.leaf == Leaf::kConstant ? "constant"
                                : value.trainable               ? "trainable"
                                                                : "frozen";
  return StrCat(Typed(graph, id), " = ", kind, " ", value.name, "\n");
}

std::string PrintNode(const Graph& graph, const Node& node) {
  std::string line;
  for (ValueId output : node.outputs)
    line += StrCat(line.empty() ? "" : ", ", Typed(graph, output));
  line += StrCat(" = ", OpName(node.op), "(");
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const std::string& name = graph.value(node.inputs[i]).name;
    line += StrCat(i == 0 ? "" : ", ", "%", node.inputs[i], name.empty() ? "" : " ", name);
  }
  line += ")";
  const std::string attributes = std::visit(AttributePrinter{}, node.attributes);
  if (!attributes.empty()) line += StrCat(" {", attributes, "}");
  return line + "\n";
}

}  // namespace

std::string Print(const Graph& graph) {
  std::string text;
  for (std::size_t i = 0; i < graph.values().size(); ++i) {
    if (graph.values()[i].leaf != Leaf::kNone) text += PrintLeaf(graph, static_cast<ValueId>(i));
  }
  for (const Node& node : graph.nodes()) text += PrintNode(graph, node);
  for (const NamedValue& output : graph.outputs()) {
    text += StrCat("return ", output.name, " = %", output.value, "\n");
  }
  return text;
}

}  // namespace attune
