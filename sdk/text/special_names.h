// Which tokens start and end a text: tokenizer_config.json names them, and
// where it is absent the field's usual names are tried.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "attune/status.h"
#include "formats/json.h"

namespace attune {

struct SpecialNames {
  // Empty where not named.
  std::string bos;
  std::string eos;
  // A tokenizer_config.json was there: what it leaves out does not exist.
  bool authoritative = false;
};

// Reads "bos_token" and "eos_token": a string, an object with "content", or
// null.
Result<SpecialNames> ParseSpecialNames(const Json& tokenizer_config);

struct SpecialIds {
  std::optional<std::int32_t> bos;
  std::optional<std::int32_t> eos;
};

// `find(spelling)` gives the id of a special token.
template <typename Find>
SpecialIds ResolveSpecialIds(const SpecialNames& names, const Find& find) {
  SpecialIds out;
  if (!names.bos.empty()) out.bos = find(names.bos);
  if (!names.eos.empty()) out.eos = find(names.eos);
  if (names.authoritative) return out;
  for (const char* usual : {"<s>", "<|begin_of_text|>", "<|endoftext|>"}) {
    if (!out.bos) out.bos = find(usual);
  }
  for (const char* usual : {"</s>", "<|end_of_text|>", "<|endoftext|>", "<|im_end|>"}) {
    if (!out.eos) out.eos = find(usual);
  }
  return out;
}

}  // namespace attune
