#include "formats/hf_config.h"

#include <cmath>
#include <string>
#include <utility>

#include "base/strings.h"
#include "formats/json.h"

namespace attune {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 1u << 20;
constexpr std::size_t kMaxEosTokens = 64;

Status Refuse(std::string_view key, std::string_view why) {
  return Unsupported(StrCat(key, ": ", why, " is not supported"));
}

// A boolean that changes the maths unless it is `neutral`.
Status RequireBool(const Json& root, std::string_view key, bool neutral) {
  ATTUNE_ASSIGN_OR_RETURN(const bool value, root.BoolOr(key, neutral));
  if (value != neutral) return Refuse(key, value ? "true" : "false");
  return OkStatus();
}

// A key whose very presence changes the maths.
Status RequireAbsent(const Json& root, std::string_view key) {
  const Json* value = root.Find(key);
  if (value == nullptr || value->is_null()) return OkStatus();
  return Refuse(key, "this setting");
}

// A number that is 1 (or absent) wherever this build is right.
Status RequireOne(const Json& root, std::string_view key) {
  ATTUNE_ASSIGN_OR_RETURN(const double value, root.NumberOr(key, 1.0));
  if (value != 1.0) return Refuse(root.PathOf(key), StrCat(value));
  return OkStatus();
}

Result<Activation> ReadActivation(const Json& root, std::string_view key,
                                  std::string_view otherwise) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view name, root.StringOr(key, otherwise));
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "gelu") return Activation::kGeluErf;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
  if (name == "quick_gelu") return Activation::kQuickGelu;
  if (name == "relu") return Activation::kRelu;
  return Refuse(key, Quoted(name));
}

Result<double> ReadPositive(const Json& json, std::string_view key, double otherwise, double max) {
  ATTUNE_ASSIGN_OR_RETURN(const double value, json.NumberOr(key, otherwise));
  if (!(value > 0.0 && value <= max)) {
    return InvalidArgument(StrCat(json.PathOf(key), ": is ", value, ", allowed above 0 to ", max));
  }
  return value;
}

// Token ids: absent or null, a number, or a list.
Result<std::vector<std::int64_t>> ReadTokens(const Json& root, std::string_view key) {
  std::vector<std::int64_t> tokens;
  const Json* value = root.Find(key);
  if (value == nullptr || value->is_null()) return tokens;
  if (!value->is_array()) {
    ATTUNE_ASSIGN_OR_RETURN(const std::int64_t token,
                            root.GetInt(key, 0, kMaxDecoderVocabulary - 1));
    tokens.push_back(token);
    return tokens;
  }
  if (value->size() > kMaxEosTokens) {
    return InvalidArgument(
        StrCat(key, ": ", value->size(), " tokens, allowed at most ", kMaxEosTokens));
  }
  for (std::size_t i = 0; i < value->size(); ++i) {
    ATTUNE_ASSIGN_OR_RETURN(const std::int64_t token,
                            value->IntAt(i, 0, kMaxDecoderVocabulary - 1));
    tokens.push_back(token);
  }
  return tokens;
}

Status CheckTokens(const std::vector<std::int64_t>& tokens, std::int64_t vocabulary) {
  for (const std::int64_t token : tokens) {
    if (token >= vocabulary) {
      return InvalidArgument(
          StrCat("eos_token_id: is ", token, ", the vocabulary has ", vocabulary));
    }
  }
  return OkStatus();
}

Status ReadSpecialTokens(const Json& root, DecoderConfig* config) {
  // Only recorded; a list here would be news to every reader.
  const Json* bos = root.Find("bos_token_id");
  if (bos != nullptr && bos->is_int()) config->bos = bos->int_value();
  if (config->bos >= config->vocabulary) config->bos = -1;
  ATTUNE_ASSIGN_OR_RETURN(config->eos, ReadTokens(root, "eos_token_id"));
  return CheckTokens(config->eos, config->vocabulary);
}

Status CheckHeads(const DecoderConfig& config, std::string_view heads_key) {
  if (config.heads % config.kv_heads != 0) {
    return InvalidArgument(StrCat("num_key_value_heads: ", heads_key, " ", config.heads,
                                  " is no multiple of ", config.kv_heads));
  }
  return OkStatus();
}

// --- GPT-2 ---

Status ReadGpt2(const Json& root, DecoderConfig* config) {
  ATTUNE_RETURN_IF_ERROR(RequireBool(root, "scale_attn_weights", true));
  ATTUNE_RETURN_IF_ERROR(RequireBool(root, "scale_attn_by_inverse_layer_idx", false));
  ATTUNE_RETURN_IF_ERROR(RequireBool(root, "add_cross_attention", false));
  ATTUNE_ASSIGN_OR_RETURN(config->vocabulary, root.GetInt("vocab_size", 1, kMaxDecoderVocabulary));
  ATTUNE_ASSIGN_OR_RETURN(config->hidden, root.GetInt("n_embd", 1, kMaxDecoderWidth));
  ATTUNE_ASSIGN_OR_RETURN(config->layers, root.GetInt("n_layer", 1, kMaxDecoderLayers));
  ATTUNE_ASSIGN_OR_RETURN(config->heads, root.GetInt("n_head", 1, kMaxDecoderHeads));
  ATTUNE_ASSIGN_OR_RETURN(config->max_positions,
                          root.GetInt("n_positions", 1, kMaxDecoderPositions));
  ATTUNE_ASSIGN_OR_RETURN(config->intermediate,
                          root.IntOr("n_inner", 4 * config->hidden, 1, kMaxDecoderWidth));
  if (config->intermediate > kMaxDecoderWidth) {
    return InvalidArgument(
        StrCat("n_embd: 4 times ", config->hidden, " is beyond ", kMaxDecoderWidth));
  }
  config->kv_heads = config->heads;
  if (config->hidden % config->heads != 0) {
    return InvalidArgument(
        StrCat("n_embd: ", config->hidden, " is no multiple of n_head ", config->heads));
  }
  config->head_dim = config->hidden / config->heads;
  ATTUNE_ASSIGN_OR_RETURN(config->norm_epsilon,
                          ReadPositive(root, "layer_norm_epsilon", 1e-5, 1.0));
  ATTUNE_ASSIGN_OR_RETURN(config->activation,
                          ReadActivation(root, "activation_function", "gelu_new"));
  ATTUNE_ASSIGN_OR_RETURN(config->tied_embeddings, root.BoolOr("tie_word_embeddings", true));
  config->qkv_bias = config->output_bias = config->mlp_bias = true;
  return OkStatus();
}

// --- Llama, Qwen2, Qwen3 ---

Status ReadRopeScaling(const Json& json, RopeConfig* rope) {
  ATTUNE_RETURN_IF_ERROR(RequireOne(json, "partial_rotary_factor"));
  // "type" is the older spelling.
  const std::string_view key = json.Find("rope_type") == nullptr ? "type" : "rope_type";
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view type, json.StringOr(key, "default"));
  if (type == "default") return OkStatus();
  if (type != "linear" && type != "llama3") return Refuse(json.PathOf(key), Quoted(type));

  if (json.Find("factor") == nullptr) return InvalidArgument(json.PathOf("factor") + ": absent");
  ATTUNE_ASSIGN_OR_RETURN(rope->factor, ReadPositive(json, "factor", 1.0, 1e6));
  rope->scaling = RopeScaling::kLinear;
  if (type == "linear") return OkStatus();

  rope->scaling = RopeScaling::kLlama3;
  ATTUNE_RETURN_IF_ERROR(json.GetNumber("low_freq_factor").status());
  ATTUNE_RETURN_IF_ERROR(json.GetNumber("high_freq_factor").status());
  ATTUNE_ASSIGN_OR_RETURN(rope->low_frequency_factor,
                          ReadPositive(json, "low_freq_factor", 1.0, 1e6));
  ATTUNE_ASSIGN_OR_RETURN(rope->high_frequency_factor,
                          ReadPositive(json, "high_freq_factor", 4.0, 1e6));
  if (rope->high_frequency_factor <= rope->low_frequency_factor) {
    return InvalidArgument(StrCat(json.PathOf("high_freq_factor"), ": is ",
                                  rope->high_frequency_factor, ", must exceed low_freq_factor ",
                                  rope->low_frequency_factor));
  }
  ATTUNE_ASSIGN_OR_RETURN(rope->original_positions,
                          json.GetInt("original_max_position_embeddings", 1, kMaxDecoderPositions));
  return OkStatus();
}

Status ReadRope(const Json& root, DecoderConfig* config) {
  ATTUNE_RETURN_IF_ERROR(RequireOne(root, "partial_rotary_factor"));
  // transformers 5 gathers under "rope_parameters" what 4 kept apart.
  ATTUNE_ASSIGN_OR_RETURN(config->rope.theta, ReadPositive(root, "rope_theta", 10000.0, 1e12));
  for (const std::string_view key : {"rope_scaling", "rope_parameters"}) {
    const Json* json = root.Find(key);
    if (json == nullptr || json->is_null()) continue;
    ATTUNE_RETURN_IF_ERROR(root.GetObject(key).status());
    for (const JsonMember& member : json->members()) {
      if (member.value.is_object()) return Refuse(json->PathOf(member.key), "RoPE by layer type");
    }
    ATTUNE_ASSIGN_OR_RETURN(config->rope.theta,
                            ReadPositive(*json, "rope_theta", config->rope.theta, 1e12));
    ATTUNE_RETURN_IF_ERROR(ReadRopeScaling(*json, &config->rope));
  }
  return OkStatus();
}

Status RefuseSlidingWindow(const Json& root, const DecoderConfig& config) {
  if (const Json* types = root.Find("layer_types"); types != nullptr && types->is_array()) {
    for (std::size_t i = 0; i < types->size(); ++i) {
      ATTUNE_ASSIGN_OR_RETURN(const std::string_view type, types->StringAt(i));
      if (type != "full_attention") return Refuse(types->PathOf(i), Quoted(type));
    }
  }
  ATTUNE_ASSIGN_OR_RETURN(const bool used, root.BoolOr("use_sliding_window", false));
  if (!used) return OkStatus();
  // Layers from max_window_layers on would slide.
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t from, root.IntOr("max_window_layers", 0, 0));
  if (from >= config.layers) return OkStatus();
  return Refuse("use_sliding_window", "true");
}

Status ReadBiases(const Json& root, DecoderConfig* config) {
  ATTUNE_ASSIGN_OR_RETURN(const bool attention, root.BoolOr("attention_bias", false));
  config->qkv_bias = config->output_bias = attention;
  if (config->family == DecoderFamily::kQwen2) {
    // Always these, whatever the key says: its modelling code does not read it.
    config->qkv_bias = true;
    config->output_bias = false;
  }
  if (config->family == DecoderFamily::kLlama) {
    ATTUNE_ASSIGN_OR_RETURN(config->mlp_bias, root.BoolOr("mlp_bias", false));
  }
  config->qk_norm = config->family == DecoderFamily::kQwen3;
  return OkStatus();
}

// hidden / heads unless it says otherwise; Qwen3's is its own.
Status ReadHeadDim(const Json& root, DecoderConfig* config) {
  const bool divides = config->hidden % config->heads == 0;
  std::int64_t otherwise = divides ? config->hidden / config->heads : 0;
  // The default of Qwen3's configuration class; null still means the quotient.
  if (config->family == DecoderFamily::kQwen3 && root.Find("head_dim") == nullptr) otherwise = 128;
  ATTUNE_ASSIGN_OR_RETURN(config->head_dim,
                          root.IntOr("head_dim", otherwise, 1, kMaxDecoderHeadDim));
  if (config->head_dim == 0) {
    return InvalidArgument(StrCat("hidden_size: ", config->hidden,
                                  " is no multiple of num_attention_heads ", config->heads));
  }
  if (config->head_dim % 2 != 0 || config->head_dim > kMaxDecoderHeadDim) {
    return InvalidArgument(StrCat("head_dim: is ", config->head_dim,
                                  ", must be even for RoPE and at most ", kMaxDecoderHeadDim));
  }
  return OkStatus();
}

Status ReadLlamaLike(const Json& root, DecoderConfig* config) {
  ATTUNE_ASSIGN_OR_RETURN(config->vocabulary, root.GetInt("vocab_size", 1, kMaxDecoderVocabulary));
  ATTUNE_ASSIGN_OR_RETURN(config->hidden, root.GetInt("hidden_size", 1, kMaxDecoderWidth));
  ATTUNE_ASSIGN_OR_RETURN(config->intermediate,
                          root.GetInt("intermediate_size", 1, kMaxDecoderWidth));
  ATTUNE_ASSIGN_OR_RETURN(config->layers, root.GetInt("num_hidden_layers", 1, kMaxDecoderLayers));
  ATTUNE_ASSIGN_OR_RETURN(config->heads, root.GetInt("num_attention_heads", 1, kMaxDecoderHeads));
  ATTUNE_ASSIGN_OR_RETURN(config->kv_heads,
                          root.IntOr("num_key_value_heads", config->heads, 1, kMaxDecoderHeads));
  ATTUNE_ASSIGN_OR_RETURN(config->max_positions,
                          root.GetInt("max_position_embeddings", 1, kMaxDecoderPositions));
  ATTUNE_RETURN_IF_ERROR(CheckHeads(*config, "num_attention_heads"));
  ATTUNE_RETURN_IF_ERROR(ReadHeadDim(root, config));
  ATTUNE_ASSIGN_OR_RETURN(config->norm_epsilon, ReadPositive(root, "rms_norm_eps", 1e-6, 1.0));
  ATTUNE_ASSIGN_OR_RETURN(config->activation, ReadActivation(root, "hidden_act", "silu"));
  ATTUNE_ASSIGN_OR_RETURN(config->tied_embeddings, root.BoolOr("tie_word_embeddings", false));
  ATTUNE_RETURN_IF_ERROR(ReadBiases(root, config));
  ATTUNE_RETURN_IF_ERROR(RefuseSlidingWindow(root, *config));
  return ReadRope(root, config);
}

// --- Dispatch ---

Result<DecoderFamily> ReadFamily(const Json& root) {
  constexpr DecoderFamily kFamilies[] = {DecoderFamily::kGpt2, DecoderFamily::kLlama,
                                         DecoderFamily::kQwen2, DecoderFamily::kQwen3};
  if (const Json* type = root.Find("model_type"); type != nullptr && !type->is_null()) {
    ATTUNE_ASSIGN_OR_RETURN(const std::string_view name, root.GetString("model_type"));
    for (const DecoderFamily family : kFamilies) {
      if (name == DecoderFamilyName(family)) return family;
    }
    return Refuse("model_type", Quoted(name));
  }
  constexpr std::string_view kArchitectures[] = {"GPT2LMHeadModel", "LlamaForCausalLM",
                                                 "Qwen2ForCausalLM", "Qwen3ForCausalLM"};
  ATTUNE_ASSIGN_OR_RETURN(const Json* architectures, root.GetArray("architectures"));
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view name, architectures->StringAt(0));
  for (std::size_t i = 0; i < std::size(kArchitectures); ++i) {
    if (name == kArchitectures[i]) return kFamilies[i];
  }
  return Refuse("architectures[0]", Quoted(name));
}

Result<std::string> ReadText(FileSystem& fs, const std::string& path) {
  return fs.Read(path, kMaxConfigBytes);
}

}  // namespace

Result<DecoderConfig> ParseHfConfig(std::string_view json) {
  ATTUNE_ASSIGN_OR_RETURN(const JsonDocument document,
                          JsonDocument::Parse(json, {.max_bytes = kMaxConfigBytes}));
  const Json& root = document.root();
  if (!root.is_object()) return InvalidArgument("top level is not an object");
  DecoderConfig config;
  ATTUNE_ASSIGN_OR_RETURN(config.family, ReadFamily(root));
  for (const std::string_view key : {"quantization_config", "quantization",
                                     "final_logit_softcapping", "attn_logit_softcapping"}) {
    ATTUNE_RETURN_IF_ERROR(RequireAbsent(root, key));
  }
  ATTUNE_RETURN_IF_ERROR(RequireBool(root, "is_encoder_decoder", false));
  ATTUNE_RETURN_IF_ERROR(config.family == DecoderFamily::kGpt2 ? ReadGpt2(root, &config)
                                                               : ReadLlamaLike(root, &config));
  ATTUNE_RETURN_IF_ERROR(ReadSpecialTokens(root, &config));
  return config;
}

Result<std::vector<std::int64_t>> ParseEosTokens(std::string_view json) {
  ATTUNE_ASSIGN_OR_RETURN(const JsonDocument document,
                          JsonDocument::Parse(json, {.max_bytes = kMaxConfigBytes}));
  if (!document.root().is_object()) return InvalidArgument("top level is not an object");
  return ReadTokens(document.root(), "eos_token_id");
}

Result<DecoderConfig> ReadHfConfig(FileSystem& fs, const std::string& directory) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string text, ReadText(fs, JoinPath(directory, "config.json")));
  Result<DecoderConfig> config = ParseHfConfig(text);
  if (!config.ok()) return std::move(config).status().WithContext("config.json");

  constexpr char kGeneration[] = "generation_config.json";
  const std::string generation = JoinPath(directory, kGeneration);
  if (!fs.Exists(generation)) return config;
  ATTUNE_ASSIGN_OR_RETURN(const std::string generation_text, ReadText(fs, generation));
  Result<std::vector<std::int64_t>> eos = ParseEosTokens(generation_text);
  if (!eos.ok()) return std::move(eos).status().WithContext(kGeneration);
  Status valid = CheckTokens(*eos, config->vocabulary);
  if (!valid.ok()) return std::move(valid).WithContext(kGeneration);
  if (!eos->empty()) config->eos = *std::move(eos);
  return config;
}

}  // namespace attune
