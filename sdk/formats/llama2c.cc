#include "formats/llama2c.h"

#include <bit>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <utility>

#include "base/checked_math.h"
#include "base/function_ref.h"
#include "base/strings.h"

namespace attune {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

namespace {

constexpr std::uint32_t kMagic = 0x616b3432;
constexpr std::size_t kHeaderBytesV0 = 28;
constexpr std::size_t kHeaderBytesV1 = 256;
constexpr std::size_t kSharedClassifierOffset = 36;
constexpr int kBos = 1;
constexpr int kEos = 2;

std::int32_t I32At(std::span<const std::byte> bytes, std::size_t offset) {
  std::int32_t value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

struct HeaderField {
  std::string_view name;
  std::int64_t value;
  std::int64_t max;
};

Status CheckRanges(std::initializer_list<HeaderField> fields) {
  for (const HeaderField& field : fields) {
    if (field.value < 1 || field.value > field.max) {
      return DataLoss(
          StrCat("header: ", field.name, " ", field.value, ", allowed 1 to ", field.max));
    }
  }
  return OkStatus();
}

// The seven integers at `offset`; the vocabulary's sign is the caller's.
Status ReadHyperparameters(std::span<const std::byte> bytes, std::size_t offset,
                           DecoderConfig* config) {
  const auto field = [&](std::size_t i) { return std::int64_t{I32At(bytes, offset + 4 * i)}; };
  config->hidden = field(0);
  config->intermediate = field(1);
  config->layers = field(2);
  config->heads = field(3);
  config->kv_heads = field(4);
  config->max_positions = field(6);
  ATTUNE_RETURN_IF_ERROR(CheckRanges({{"dim", config->hidden, kMaxDecoderWidth},
                                      {"hidden_dim", config->intermediate, kMaxDecoderWidth},
                                      {"n_layers", config->layers, kMaxDecoderLayers},
                                      {"n_heads", config->heads, kMaxDecoderHeads},
                                      {"n_kv_heads", config->kv_heads, kMaxDecoderHeads},
                                      {"vocab_size", config->vocabulary, kMaxDecoderVocabulary},
                                      {"seq_len", config->max_positions, kMaxDecoderPositions}}));
  // Rotary pairs need an even head; so dim is a multiple of 2 n_heads.
  if (config->hidden % (2 * config->heads) != 0) {
    return DataLoss(
        StrCat("header: dim ", config->hidden, " is no multiple of twice n_heads ", config->heads));
  }
  if (config->heads % config->kv_heads != 0) {
    return DataLoss(StrCat("header: n_heads ", config->heads, " is no multiple of n_kv_heads ",
                           config->kv_heads));
  }
  config->head_dim = config->hidden / config->heads;
  return OkStatus();
}

Status ReadHeader(std::span<const std::byte> bytes, Llama2cCheckpoint* out, std::size_t* data) {
  if (bytes.size() < kHeaderBytesV0) {
    return DataLoss(StrCat(bytes.size(), " bytes, the header needs ", kHeaderBytesV0));
  }
  DecoderConfig& config = out->config;
  config.family = DecoderFamily::kLlama;
  config.rope.interleaved = true;
  config.bos = kBos;
  config.eos = {kEos};
  if (static_cast<std::uint32_t>(I32At(bytes, 0)) != kMagic) {
    // Version 0 has no magic; a negative vocabulary says "classifier follows".
    const std::int64_t vocabulary = I32At(bytes, 20);
    config.tied_embeddings = vocabulary > 0;
    config.vocabulary = vocabulary < 0 ? -vocabulary : vocabulary;
    *data = kHeaderBytesV0;
    return ReadHyperparameters(bytes, 0, &config);
  }
  out->version = I32At(bytes, 4);
  if (out->version < 1) return DataLoss(StrCat("header: version ", out->version, ", expected 1"));
  if (out->version > 1) {
    return Unsupported(StrCat("header: version ", out->version,
                              " (quantized), this build reads versions 0 and 1"));
  }
  if (bytes.size() < kHeaderBytesV1) {
    return DataLoss(StrCat(bytes.size(), " bytes, the header needs ", kHeaderBytesV1));
  }
  const auto shared = std::to_integer<int>(bytes[kSharedClassifierOffset]);
  if (shared > 1) return DataLoss(StrCat("header: shared_classifier ", shared, ", allowed 0 or 1"));
  config.tied_embeddings = shared == 1;
  config.vocabulary = I32At(bytes, 28);
  *data = kHeaderBytesV1;
  return ReadHyperparameters(bytes, 8, &config);
}

// A run of equally shaped f32 tensors: one, or one per layer.
struct Run {
  std::string_view name;  // Per layer: what follows "model.layers.N.". Empty: skipped.
  bool per_layer;
  Shape shape;
};

// Calls `visit` with every run of the file, in the order of the bytes.
void VisitRuns(const Llama2cCheckpoint& checkpoint, FunctionRef<void(const Run&)> visit) {
  const DecoderConfig& c = checkpoint.config;
  const std::int64_t kv = c.kv_heads * c.head_dim;
  const Run attention_norm{"input_layernorm.weight", true, {c.hidden}};
  const Run mlp_norm{"post_attention_layernorm.weight", true, {c.hidden}};
  const Run final_norm{"model.norm.weight", false, {c.hidden}};
  const Run embedding{"model.embed_tokens.weight", false, {c.vocabulary, c.hidden}};
  const Run classifier{"lm_head.weight", false, {c.vocabulary, c.hidden}};
  const Run attention[] = {{"self_attn.q_proj.weight", true, {c.hidden, c.hidden}},
                           {"self_attn.k_proj.weight", true, {kv, c.hidden}},
                           {"self_attn.v_proj.weight", true, {kv, c.hidden}},
                           {"self_attn.o_proj.weight", true, {c.hidden, c.hidden}}};
  const Run mlp[] = {{"mlp.gate_proj.weight", true, {c.intermediate, c.hidden}},
                     {"mlp.down_proj.weight", true, {c.hidden, c.intermediate}},
                     {"mlp.up_proj.weight", true, {c.intermediate, c.hidden}}};
  if (checkpoint.version == 0) {
    visit(embedding);
    visit(attention_norm);
    for (const Run& run : attention) visit(run);
    visit(mlp_norm);
    for (const Run& run : mlp) visit(run);
    visit(final_norm);
    // Cosines and sines, which the model derives from theta.
    visit({"", false, {2, c.max_positions, c.head_dim / 2}});
  } else {
    visit(attention_norm);
    visit(mlp_norm);
    visit(final_norm);
    visit(embedding);
    for (const Run& run : attention) visit(run);
    for (const Run& run : mlp) visit(run);
  }
  if (!c.tied_embeddings) visit(classifier);
}

// Bytes of a file with this header. The ranges of the header keep every product
// far below 2^63; the checked sum does not rely on it.
std::optional<std::int64_t> BytesImplied(const Llama2cCheckpoint& checkpoint, std::size_t data) {
  std::optional<std::int64_t> total = static_cast<std::int64_t>(data);
  VisitRuns(checkpoint, [&](const Run& run) {
    const std::int64_t repeats = run.per_layer ? checkpoint.config.layers : 1;
    auto bytes = CheckedMul<std::int64_t>(repeats, SizeOf(DType::kF32));
    for (int axis = 0; axis < run.shape.rank() && bytes; ++axis) {
      bytes = CheckedMul(*bytes, run.shape[axis]);
    }
    total = total && bytes ? CheckedAdd(*total, *bytes) : std::nullopt;
  });
  return total;
}

void AddTensors(const std::byte* at, Llama2cCheckpoint* checkpoint) {
  VisitRuns(*checkpoint, [&](const Run& run) {
    const std::int64_t repeats = run.per_layer ? checkpoint->config.layers : 1;
    for (std::int64_t layer = 0; layer < repeats; ++layer) {
      const TensorView view{DType::kF32, run.shape, at};
      at += view.bytes();
      if (run.name.empty()) continue;
      checkpoint->tensors.Add(
          run.per_layer ? StrCat("model.layers.", layer, ".", run.name) : std::string(run.name),
          view);
    }
  });
}

}  // namespace

Result<Llama2cCheckpoint> ReadLlama2c(FileSystem& fs, const std::string& path) {
  ATTUNE_ASSIGN_OR_RETURN(auto file, fs.Map(path));
  return ParseLlama2c(std::move(file), BaseName(path));
}

Result<Llama2cCheckpoint> ParseLlama2c(std::shared_ptr<const MappedFile> file,
                                       const std::string& name) {
  const std::span<const std::byte> bytes = file->bytes();
  Llama2cCheckpoint out;
  std::size_t data = 0;
  Status header = ReadHeader(bytes, &out, &data);
  if (!header.ok()) return std::move(header).WithContext(name);

  const auto implied = BytesImplied(out, data);
  if (!implied || static_cast<std::uint64_t>(*implied) != bytes.size()) {
    return DataLoss(StrCat(name, ": ", bytes.size(), " bytes, its header implies ",
                           implied ? StrCat(*implied) : std::string("more than 2^63")));
  }
  AddTensors(bytes.data() + data, &out);
  out.tensors.KeepAlive(std::move(file));
  return out;
}

}  // namespace attune
