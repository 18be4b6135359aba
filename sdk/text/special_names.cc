#include "text/special_names.h"

namespace attune {

namespace {

Result<std::string> ParseName(const Json& config, std::string_view key) {
  const Json* value = config.Find(key);
  if (value == nullptr || value->is_null()) return std::string();
  if (value->is_object()) {
    ATTUNE_ASSIGN_OR_RETURN(const std::string_view content, value->GetString("content"));
    return std::string(content);
  }
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view name, config.GetString(key));
  return std::string(name);
}

}  // namespace

Result<SpecialNames> ParseSpecialNames(const Json& tokenizer_config) {
  SpecialNames out;
  out.authoritative = true;
  ATTUNE_ASSIGN_OR_RETURN(out.bos, ParseName(tokenizer_config, "bos_token"));
  ATTUNE_ASSIGN_OR_RETURN(out.eos, ParseName(tokenizer_config, "eos_token"));
  return out;
}

}  // namespace attune
