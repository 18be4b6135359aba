// Hugging Face's config.json for GPT-2, Llama, Qwen2 and Qwen3, in the spellings
// of transformers 4 and 5.
//
// Whatever would change the maths and is not supported is refused by key name
// (kUnsupported); what only matters to Hugging Face's own training (dropout,
// initializer ranges) is not looked at. Wrong types and numbers out of range are
// kInvalidArgument.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "formats/decoder_config.h"
#include "ports/file_system.h"

namespace attune {

Result<DecoderConfig> ParseHfConfig(std::string_view json);

// config.json of a model directory; where generation_config.json names the
// end-of-text tokens, those win.
Result<DecoderConfig> ReadHfConfig(FileSystem& fs, const std::string& directory);

// The end-of-text tokens of a generation_config.json: "eos_token_id" may be
// absent, null, a number or a list.
Result<std::vector<std::int64_t>> ParseEosTokens(std::string_view json);

}  // namespace attune
