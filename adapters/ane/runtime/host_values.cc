#include "ane/runtime/host_values.h"

#include <cctype>
#include <charconv>

#include "base/strings.h"

namespace attune::ane {
namespace {

// Leaves that a cache_append writes, also through others and through reshapes.
std::set<ValueId> CachesOf(const Graph& graph) {
  const auto producers = graph.Producers();
  std::set<ValueId> caches;
  for (const Node& node : graph.nodes()) {
    if (node.op != OpKind::kCacheAppend) continue;
    ValueId id = node.inputs[0];
    while (producers[static_cast<std::size_t>(id)] >= 0) {
      id = graph.nodes()[static_cast<std::size_t>(producers[static_cast<std::size_t>(id)])]
               .inputs[0];
    }
    caches.insert(id);
  }
  return caches;
}

}  // namespace

HostValues::HostValues(const Graph& graph, const FrozenParameters& frozen)
    : graph_(graph),
      data_(graph.values().size(), nullptr),
      slots_(graph.values().size(), nullptr),
      buffers_(graph.values().size(), nullptr),
      reshaped_from_(graph.values().size(), kNoValue) {
  const std::set<ValueId> caches = CachesOf(graph);
  std::set<ValueId> read;
  for (const Node& node : graph.nodes()) {
    read.insert(node.inputs.begin(), node.inputs.end());
    if (node.op == OpKind::kReshape) {
      reshaped_from_[static_cast<std::size_t>(node.outputs[0])] = node.inputs[0];
    }
  }
  for (std::size_t i = 0; i < graph.values().size(); ++i) {
    const Value& value = graph.values()[i];
    const auto id = static_cast<ValueId>(i);
    if (value.leaf == Leaf::kInput && !caches.contains(id)) {
      storage_.emplace_back(value.type.dtype, value.type.shape);
      slots_[i] = storage_.back().data();
      data_[i] = slots_[i];
    } else if (value.leaf == Leaf::kConstant) {
      data_[i] = value.literal->data();
    } else if (value.leaf == Leaf::kParameter && !value.trainable) {
      if (const auto it = frozen.find(value.name); it != frozen.end()) data_[i] = it->second.data;
    } else if (value.leaf != Leaf::kNone && read.contains(id)) {
      unbound_.insert(id);
    }
  }
}

std::int64_t HostValues::SlotBytes(const Graph& graph) {
  const std::set<ValueId> caches = CachesOf(graph);
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < graph.values().size(); ++i) {
    const Value& value = graph.values()[i];
    if (value.leaf != Leaf::kInput || caches.contains(static_cast<ValueId>(i))) continue;
    bytes += value.type.bytes();
  }
  return bytes;
}

Result<std::span<std::byte>> HostValues::Input(std::string_view name) {
  const auto leaf = graph_.FindLeaf(name);
  if (!leaf || graph_.value(*leaf).leaf != Leaf::kInput) {
    return NotFound(StrCat("no input called ", name));
  }
  std::byte* slot = slots_[static_cast<std::size_t>(*leaf)];
  if (slot == nullptr) return FailedPrecondition(StrCat(name, " is a cache: bind storage to it"));
  return std::span(slot, static_cast<std::size_t>(graph_.value(*leaf).type.bytes()));
}

Result<ValueId> HostValues::Bind(std::string_view name, std::span<std::byte> storage) {
  const auto leaf = graph_.FindLeaf(name);
  if (!leaf) return NotFound(StrCat("no leaf called ", name));
  const Value& value = graph_.value(*leaf);
  if (value.leaf == Leaf::kConstant || (value.leaf == Leaf::kParameter && !value.trainable)) {
    return InvalidArgument(StrCat(name, " is frozen: its bytes were bound when compiled"));
  }
  if (storage.size() != static_cast<std::size_t>(value.type.bytes())) {
    return InvalidArgument(
        StrCat(name, ": ", storage.size(), " bytes bound, has ", value.type.bytes()));
  }
  if (reinterpret_cast<std::uintptr_t>(storage.data()) % kTensorAlignment != 0) {
    return InvalidArgument(
        StrCat(name, ": storage must be aligned to ", kTensorAlignment, " bytes"));
  }
  data_[static_cast<std::size_t>(*leaf)] = storage.data();
  unbound_.erase(*leaf);
  return *leaf;
}

Result<TensorView> HostValues::Output(std::string_view name) const {
  const auto id = graph_.FindOutput(name);
  if (!id) return NotFound(StrCat("no output called ", name));
  const TensorView result = view(*id);
  if (result.data == nullptr) {
    return FailedPrecondition(StrCat("output ", name, ": not run yet, or a leaf nobody bound"));
  }
  return result;
}

Status HostValues::CheckBound() const {
  if (unbound_.empty()) return OkStatus();
  const std::size_t more = unbound_.size() - 1;
  return FailedPrecondition(StrCat("nothing is bound to ", graph_.value(*unbound_.begin()).name,
                                   more > 0 ? StrCat(" and ", more, " more") : ""));
}

std::span<float> HostValues::AddBuffer(ValueId id) {
  float*& buffer = buffers_[static_cast<std::size_t>(id)];
  if (buffer == nullptr) {
    storage_.emplace_back(DType::kF32, graph_.shape(id));
    buffer = storage_.back().f32().data();
    data_[static_cast<std::size_t>(id)] = storage_.back().data();
  }
  return {buffer, static_cast<std::size_t>(graph_.shape(id).elements())};
}

const std::byte* HostValues::at(ValueId id) const {
  for (; id != kNoValue; id = reshaped_from_[static_cast<std::size_t>(id)]) {
    if (data_[static_cast<std::size_t>(id)] != nullptr) return data_[static_cast<std::size_t>(id)];
  }
  return nullptr;
}

TensorView HostValues::view(ValueId id) const {
  const ValueType& type = graph_.value(id).type;
  return {type.dtype, type.shape, at(id)};
}

std::span<const float> HostValues::f32(ValueId id) const {
  return {reinterpret_cast<const float*>(at(id)),
          static_cast<std::size_t>(graph_.shape(id).elements())};
}

std::span<const std::int32_t> HostValues::i32(ValueId id) const {
  return {reinterpret_cast<const std::int32_t*>(at(id)),
          static_cast<std::size_t>(graph_.shape(id).elements())};
}

std::string WithValueNames(const Graph& graph, std::string_view text) {
  const auto is_word = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
  };
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_word(text[end])) ++end;
    if (end == at) {
      out += text[at++];
      continue;
    }
    const std::string_view word = text.substr(at, end - at);
    std::size_t id = graph.values().size();
    const bool named = word.size() > 1 && word[0] == 'v' &&
                       std::from_chars(word.data() + 1, word.data() + word.size(), id).ptr ==
                           word.data() + word.size();
    const bool known = named && id < graph.values().size() && !graph.values()[id].name.empty();
    out += known ? std::string_view(graph.values()[id].name) : word;
    at = end;
  }
  return out;
}

}  // namespace attune::ane
