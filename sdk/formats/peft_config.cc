// adapter_config.json.

#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>

#include "base/strings.h"
#include "formats/json.h"
#include "formats/json_writer.h"
#include "formats/peft.h"

namespace attune {
namespace {

constexpr std::uint64_t kMaxConfigBytes = 4u << 20;
constexpr std::int64_t kMaxRank = 1 << 14;
constexpr double kMaxAlpha = 1e9;

Status Refuse(std::string_view key, std::string_view what) {
  return Unsupported(StrCat(key, ": ", what, " changes the maths and is not supported"));
}

// Null, false, [] and {} all mean "not used".
bool IsUnset(const Json* json) {
  if (json == nullptr || json->is_null()) return true;
  if (json->is_bool()) return !json->bool_value();
  return (json->is_array() || json->is_object()) && json->size() == 0;
}

Status RefuseUnsupported(const Json& root) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view type, root.GetString("peft_type"));
  if (type != "LORA") return Refuse("peft_type", Quoted(type));
  for (const std::string_view key :
       {"use_dora", "use_qalora", "alora_invocation_tokens", "layer_replication",
        "target_parameters", "trainable_token_indices", "lora_bias", "modules_to_save",
        "use_bdlora", "arrow_config", "kasa_config", "velora_config", "monteclora_config"}) {
    if (!IsUnset(root.Find(key))) return Refuse(key, "this setting");
  }
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view bias, root.StringOr("bias", "none"));
  if (bias != "none") return Refuse("bias", Quoted(bias));
  return OkStatus();
}

// How A and B began does not matter to a reader, unless the base was changed too.
Status CheckInit(const Json& root) {
  const Json* init = root.Find("init_lora_weights");
  if (init == nullptr || init->is_null() || init->is_bool()) return OkStatus();
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view name, root.GetString("init_lora_weights"));
  for (const std::string_view harmless : {"gaussian", "eva", "orthogonal"}) {
    if (name == harmless) return OkStatus();
  }
  return Refuse("init_lora_weights", Quoted(name));
}

Status ReadTargets(const Json& root, TargetModules* out) {
  const Json* targets = root.Find("target_modules");
  if (targets == nullptr || targets->is_null()) return OkStatus();
  if (targets->is_string()) {
    const std::string_view text = targets->string_value();
    if (text == "all-linear") {
      out->emplace<TargetAllLinear>();
    } else {
      out->emplace<TargetRegex>().pattern = text;
    }
    return OkStatus();
  }
  ATTUNE_RETURN_IF_ERROR(root.GetArray("target_modules").status());
  TargetNames& names = out->emplace<TargetNames>();
  for (std::size_t i = 0; i < targets->size(); ++i) {
    ATTUNE_ASSIGN_OR_RETURN(const std::string_view name, targets->StringAt(i));
    names.emplace_back(name);
  }
  return OkStatus();
}

// The name that a pattern stands for, its escapes resolved; nothing for a pattern
// that needs a regular expression engine.
std::optional<std::string> LiteralOf(std::string_view pattern) {
  if (pattern.starts_with('^')) pattern.remove_prefix(1);
  std::string literal;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size() && pattern[i + 1] == '.') {
      c = pattern[++i];
    } else if (std::string_view("\\^$*+?()[]{}|").find(c) != std::string_view::npos) {
      return std::nullopt;
    }
    literal += c;
  }
  if (literal.empty()) return std::nullopt;
  return literal;
}

// PEFT matches "(.*\.)?(pattern)$" from the start of the module's name.
bool Matches(std::string_view pattern, std::string_view module) {
  const std::optional<std::string> literal = LiteralOf(pattern);
  if (!literal || !module.ends_with(*literal)) return false;
  if (module.size() == literal->size()) return true;
  return !pattern.starts_with('^') && module[module.size() - literal->size() - 1] == '.';
}

// The members of an object of patterns, in their order.
Result<std::vector<const JsonMember*>> ReadPatterns(const Json& root, std::string_view key) {
  std::vector<const JsonMember*> members;
  const Json* patterns = root.Find(key);
  if (patterns == nullptr || patterns->is_null()) return members;
  ATTUNE_RETURN_IF_ERROR(root.GetObject(key).status());
  for (const JsonMember& member : patterns->members()) {
    if (!LiteralOf(member.key)) {
      return Unsupported(StrCat(key, ": ", Quoted(member.key),
                                " is a regular expression, which is not supported"));
    }
    members.push_back(&member);
  }
  return members;
}

Result<double> ReadNumber(const Json& json, std::string_view key, double otherwise, double min,
                          double max) {
  ATTUNE_ASSIGN_OR_RETURN(const double value, json.NumberOr(key, otherwise));
  if (!(value >= min && value <= max)) {
    return InvalidArgument(
        StrCat(json.PathOf(key), ": is ", value, ", allowed ", min, " to ", max));
  }
  return value;
}

Result<std::optional<std::string>> ReadOptionalString(const Json& root, std::string_view key) {
  const Json* value = root.Find(key);
  if (value == nullptr || value->is_null()) return std::optional<std::string>();
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view text, root.GetString(key));
  return std::optional<std::string>(text);
}

Status ReadPatternValues(const Json& root, PeftConfig* config) {
  ATTUNE_ASSIGN_OR_RETURN(const auto ranks, ReadPatterns(root, "rank_pattern"));
  for (const JsonMember* member : ranks) {
    ATTUNE_ASSIGN_OR_RETURN(const std::int64_t rank,
                            root.Find("rank_pattern")->GetInt(member->key, 1, kMaxRank));
    config->rank_pattern.emplace_back(member->key, rank);
  }
  ATTUNE_ASSIGN_OR_RETURN(const auto alphas, ReadPatterns(root, "alpha_pattern"));
  for (const JsonMember* member : alphas) {
    ATTUNE_ASSIGN_OR_RETURN(const double alpha, ReadNumber(*root.Find("alpha_pattern"), member->key,
                                                           0.0, -kMaxAlpha, kMaxAlpha));
    config->alpha_pattern.emplace_back(member->key, alpha);
  }
  return OkStatus();
}

void WriteOptional(JsonWriter& json, std::string_view key, const std::optional<std::string>& text) {
  json.Key(key);
  if (text) {
    json.String(*text);
  } else {
    json.Null();
  }
}

// PEFT's own files have integers here; some readers insist.
void WriteNumber(JsonWriter& json, double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) {
    json.Int(static_cast<std::int64_t>(value));
  } else {
    json.Double(value);
  }
}

void WriteTargets(JsonWriter& json, const TargetModules& targets) {
  json.Key("target_modules");
  if (std::holds_alternative<TargetAllLinear>(targets)) return json.String("all-linear");
  if (const auto* regex = std::get_if<TargetRegex>(&targets)) return json.String(regex->pattern);
  json.BeginArray();
  for (const std::string& name : std::get<TargetNames>(targets)) json.String(name);
  json.EndArray();
}

}  // namespace

std::int64_t PeftConfig::RankOf(std::string_view module) const {
  for (const auto& [pattern, value] : rank_pattern) {
    if (Matches(pattern, module)) return value;
  }
  return rank;
}

double PeftConfig::AlphaOf(std::string_view module) const {
  for (const auto& [pattern, value] : alpha_pattern) {
    if (Matches(pattern, module)) return value;
  }
  return alpha;
}

double PeftConfig::ScaleOf(std::string_view module) const {
  const auto r = static_cast<double>(RankOf(module));
  return AlphaOf(module) / (use_rslora ? std::sqrt(r) : r);
}

Result<PeftConfig> ParsePeftConfig(std::string_view text) {
  ATTUNE_ASSIGN_OR_RETURN(const JsonDocument document,
                          JsonDocument::Parse(text, {.max_bytes = kMaxConfigBytes}));
  const Json& root = document.root();
  ATTUNE_RETURN_IF_ERROR(RefuseUnsupported(root));
  ATTUNE_RETURN_IF_ERROR(CheckInit(root));
  PeftConfig config;
  ATTUNE_ASSIGN_OR_RETURN(config.rank, root.IntOr("r", 8, 1, kMaxRank));
  ATTUNE_ASSIGN_OR_RETURN(config.alpha, ReadNumber(root, "lora_alpha", 8, -kMaxAlpha, kMaxAlpha));
  ATTUNE_ASSIGN_OR_RETURN(config.dropout, ReadNumber(root, "lora_dropout", 0, 0, 1));
  ATTUNE_ASSIGN_OR_RETURN(config.use_rslora, root.BoolOr("use_rslora", false));
  ATTUNE_ASSIGN_OR_RETURN(config.fan_in_fan_out, root.BoolOr("fan_in_fan_out", false));
  ATTUNE_RETURN_IF_ERROR(ReadTargets(root, &config.target_modules));
  ATTUNE_RETURN_IF_ERROR(ReadPatternValues(root, &config));
  ATTUNE_ASSIGN_OR_RETURN(config.base_model, ReadOptionalString(root, "base_model_name_or_path"));
  ATTUNE_ASSIGN_OR_RETURN(config.revision, ReadOptionalString(root, "revision"));
  ATTUNE_ASSIGN_OR_RETURN(config.task_type, ReadOptionalString(root, "task_type"));
  return config;
}

std::string FormatPeftConfig(const PeftConfig& config) {
  JsonWriter json({.indent = 2, .sort_keys = true});
  json.BeginObject();
  json.Key("peft_type").String("LORA");
  WriteOptional(json, "task_type", config.task_type);
  WriteOptional(json, "base_model_name_or_path", config.base_model);
  WriteOptional(json, "revision", config.revision);
  json.Key("r").Int(config.rank);
  WriteNumber(json.Key("lora_alpha"), config.alpha);
  json.Key("lora_dropout").Double(config.dropout);
  json.Key("use_rslora").Bool(config.use_rslora);
  json.Key("fan_in_fan_out").Bool(config.fan_in_fan_out);
  WriteTargets(json, config.target_modules);
  json.Key("rank_pattern").BeginObject();
  for (const auto& [pattern, rank] : config.rank_pattern) json.Key(pattern).Int(rank);
  json.EndObject();
  json.Key("alpha_pattern").BeginObject();
  for (const auto& [pattern, alpha] : config.alpha_pattern) {
    WriteNumber(json.Key(pattern), alpha);
  }
  json.EndObject();
  json.Key("bias").String("none");
  json.Key("inference_mode").Bool(true);
  json.Key("init_lora_weights").Bool(true);
  json.Key("modules_to_save").Null();
  json.Key("use_dora").Bool(false);
  json.EndObject();
  return std::move(json).Finish();
}

}  // namespace attune
